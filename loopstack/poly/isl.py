"""The only file that imports islpy: quasi-affine sets as isl text, and integer points of them.

islpy is loaded on first use: a schedule that plain Python proves legal never pays for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from loopstack.ir.affine import Affine


@lru_cache(maxsize=1)
def library() -> Any:
    """Return the islpy module."""
    import islpy

    return islpy


def form_text(form: Affine, names: Mapping[str, str]) -> str:
    """Return ``form`` as isl text; ``names`` gives the isl identifier of every name in it."""
    parts = [str(form.const)]
    for atom, coefficient in form.terms:
        if isinstance(atom, str):
            parts.append(f"{coefficient}*{names[atom]}")
        else:
            inner = form_text(atom.numerator, names)
            parts.append(f"{coefficient}*floor(({inner})/{atom.divisor})")
    return " + ".join(parts)


def conjunction(conditions: Iterable[str]) -> str:
    return " and ".join(conditions) or "true"


def disjunction(conditions: Iterable[str]) -> str:
    return " or ".join(f"({c})" for c in conditions) or "false"


def first_point(variables: Sequence[str], condition: str) -> dict[str, int] | None:
    """Return the lexicographically least integer point of ``{ [variables] : condition }``.

    None when the set is empty. Requires: the set is bounded below in lexicographic order.
    """
    point = _first_point(tuple(variables), condition)
    return None if point is None else dict(zip(variables, point))


@lru_cache(maxsize=1 << 13)
def _first_point(variables: tuple[str, ...], condition: str) -> tuple[int, ...] | None:
    """Answer from memory where the question is the same: one command changes few pairs."""
    points = library().Set(f"{{ [{', '.join(variables)}] : {condition} }}")
    if points.is_empty():
        return None
    point = points.lexmin().sample_point()
    kind = library().dim_type.set
    return tuple(point.get_coordinate_val(kind, i).to_python() for i in range(len(variables)))


def is_empty(variables: Sequence[str], condition: str) -> bool:
    return bool(library().Set(f"{{ [{', '.join(variables)}] : {condition} }}").is_empty())


def union_map(text: str) -> Any:
    return library().UnionMap(text)


def flows(
    source: Any, target: Any, schedule: Any, kill: Any | None = None, must: bool = True
) -> Any:
    """Return the pairs source instance -> target instance on one element, source last before.

    ``must``: a source hides the sources before it. ``kill``: writes that hide sources as well.
    """
    info = library().UnionAccessInfo.from_sink(target)
    info = info.set_must_source(source) if must else info.set_may_source(source).set_kill(kill)
    flow = info.set_schedule_map(schedule).compute_flow()
    return flow.get_must_dependence() if must else flow.get_may_dependence()


def without_source(source: Any, target: Any, schedule: Any) -> Any:
    """Return the accesses of ``target`` to elements that nothing in ``source`` touched before."""
    info = library().UnionAccessInfo.from_sink(target).set_must_source(source)
    return info.set_schedule_map(schedule).compute_flow().get_must_no_source()


def each_map(relation: Any) -> list[Any]:
    """Return the maps of a union in a stable order."""
    maps: list[Any] = []
    relation.foreach_map(maps.append)
    return sorted(maps, key=str)


def first_parted(
    relation: Any, source: str, target: str
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the first pair of ``relation`` whose ends two maps (isl text) take to other points."""
    to, back = library().Map(source), library().Map(target)
    parted = relation.subtract(to.apply_range(back.reverse()))
    if parted.is_empty():
        return None
    point = parted.wrap().lexmin().sample_point()
    kind = library().dim_type
    count = parted.dim(kind.in_)
    values = [point.get_coordinate_val(kind.set, n).to_python()
              for n in range(count + parted.dim(kind.out))]  # fmt: skip
    return tuple(values[:count]), tuple(values[count:])


def delta_range(relation: Any, dimension: int) -> tuple[int | None, int | None]:
    """Return (least, greatest) difference target - source in one dimension; None: no constant."""
    deltas = relation.deltas()
    return _extreme(deltas, dimension, "min"), _extreme(deltas, dimension, "max")


def _extreme(points: Any, dimension: int, which: str) -> int | None:
    function: Callable[[int], Any] = getattr(points, f"dim_{which}")
    value = library().PwAff.intersect_params(function(dimension), points.params())
    found = value.max_val() if which == "max" else value.min_val()
    return int(found.to_python()) if found.is_int() else None
