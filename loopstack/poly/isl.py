"""The only file that imports islpy: quasi-affine sets as isl text, and integer points of them.

islpy is loaded on first use: a schedule that plain Python proves legal never pays for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from loopstack.ir.affine import Affine

T = TypeVar("T")


class TooHardError(Exception):
    """Questions need more than :func:`limited` allows."""


@dataclass
class _Limit:
    operations: int
    is_counting: bool = False


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def limited(operations: int) -> Iterator[None]:
    """Allow all questions together so many operations of isl (some 250 ns each); 0: no question.

    What goes beyond raises TooHardError. The count does not depend on how fast the machine is.
    """
    token = _limit.set(_Limit(operations))
    try:
        yield
    finally:
        _limit.reset(token)


def _answer(question: Callable[[], T]) -> T:
    """Ask isl within the limit."""
    limit = _limit.get()
    if limit is None:
        return question()
    if not limit.operations:
        raise TooHardError
    context = library().DEFAULT_CONTEXT
    if not limit.is_counting:
        context.reset_operations()
        limit.is_counting = True
    context.set_max_operations(limit.operations)
    try:
        return question()
    except library().Error as error:
        raise TooHardError from error
    finally:
        context.set_max_operations(0)


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
    return _answer(lambda: _find_first_point(variables, condition))


def _find_first_point(variables: tuple[str, ...], condition: str) -> tuple[int, ...] | None:
    points = library().Set(f"{{ [{', '.join(variables)}] : {condition} }}")
    if points.is_empty():
        return None
    point = points.lexmin().sample_point()
    kind = library().dim_type.set
    return tuple(point.get_coordinate_val(kind, i).to_python() for i in range(len(variables)))


def is_empty(variables: Sequence[str], condition: str) -> bool:
    text = f"{{ [{', '.join(variables)}] : {condition} }}"
    return _answer(lambda: bool(library().Set(text).is_empty()))


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


def delta_range(relation: Any, dimension: int) -> tuple[int | None, int | None]:
    """Return (least, greatest) difference target - source in one dimension; None: no constant."""
    deltas = relation.deltas()
    return _extreme(deltas, dimension, "min"), _extreme(deltas, dimension, "max")


def _extreme(points: Any, dimension: int, which: str) -> int | None:
    function: Callable[[int], Any] = getattr(points, f"dim_{which}")
    value = library().PwAff.intersect_params(function(dimension), points.params())
    found = value.max_val() if which == "max" else value.min_val()
    return int(found.to_python()) if found.is_int() else None
