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

from loopstack.errors import ScheduleNotFound
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
    Where isl fails to find the least point (it does, seldom, with divisions), it is any point.
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
    try:
        point = points.lexmin().sample_point()
    except library().Error:
        point = points.sample_point()
    kind = library().dim_type.set
    return tuple(point.get_coordinate_val(kind, i).to_python() for i in range(len(variables)))


def is_empty(variables: Sequence[str], condition: str) -> bool:
    text = f"{{ [{', '.join(variables)}] : {condition} }}"
    return _answer(lambda: bool(library().Set(text).is_empty()))


@lru_cache(maxsize=1 << 8)
def union_map(text: str) -> Any:
    return library().UnionMap(text)


@lru_cache(maxsize=1 << 8)
def flows(source: str, target: str, schedule: str, kill: str | None = None) -> Any:
    """Return the pairs source instance -> target instance on one element, source last before.

    A source hides the sources before it. With ``kill``, writes that hide sources, it does not.
    """
    info = library().UnionAccessInfo.from_sink(union_map(target))
    sources = union_map(source)
    if kill is None:
        info = info.set_must_source(sources)
    else:
        info = info.set_may_source(sources).set_kill(union_map(kill))
    flow = info.set_schedule_map(union_map(schedule)).compute_flow()
    return flow.get_must_dependence() if kill is None else flow.get_may_dependence()


@lru_cache(maxsize=1 << 8)
def without_source(source: str, target: str, schedule: str) -> Any:
    """Return the accesses of ``target`` to elements that nothing in ``source`` touched before."""
    info = library().UnionAccessInfo.from_sink(union_map(target))
    info = info.set_must_source(union_map(source)).set_schedule_map(union_map(schedule))
    return info.compute_flow().get_must_no_source()


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


def ordered_pairs(source: Any, target: Any, schedule: Any) -> Any:
    """Return all pairs source instance -> target instance on one element, in schedule order."""
    before = schedule.lex_lt_union_map(schedule)
    return source.apply_range(target.reverse()).intersect(before)


# ---- Farkas, and integer programs ---------------------------------------------------------------
@dataclass(frozen=True)
class Cone:
    """The affine forms that are not negative anywhere on a relation.

    A form is a row over (1, sizes, source indices, target indices). ``rows`` are linear conditions
    on its coefficients: (is an equality, factors).
    """

    sizes: int
    rows: tuple[tuple[bool, tuple[int, ...]], ...]

    def holds(self, form: Sequence[int]) -> bool:
        """Tell whether ``form`` is not negative on the relation, by rational arithmetic."""
        for exact, factors in self.rows:
            value = sum(f * c for f, c in zip(factors, form))
            if value < 0 or (exact and value):
                return False
        return True


def cone(relation: Any) -> Cone:
    """Return the forms that are not negative on an isl map (the affine form of Farkas' lemma)."""
    kind = library().dim_type
    found = relation.remove_divs().wrap().coefficients()
    rows = []
    for row in found.get_constraints():
        count = found.dim(kind.set)
        factors = tuple([row.get_coefficient_val(kind.set, n).to_python() for n in range(count)])
        rows.append((bool(row.is_equality()), factors))
    return Cone(int(relation.dim(kind.param)), tuple(sorted(rows)))


def where_zero(relation: Any, forms: Sequence[Sequence[int]]) -> Any | None:
    """Return the part of a map where forms over (1, sizes, in, out) are 0; None when empty."""
    isl, kind = library(), library().dim_type
    kinds = (kind.param, kind.in_, kind.out)
    for form in forms:
        row = isl.Constraint.equality_alloc(isl.LocalSpace.from_space(relation.get_space()))
        row = row.set_constant_val(form[0])
        at = 1
        for group in kinds:
            for n in range(relation.dim(group)):
                row = row.set_coefficient_val(group, n, form[at])
                at += 1
        relation = relation.add_constraint(row)
    return None if relation.is_empty() else relation


def least_solution(
    variables: Sequence[str], rows: Iterable[tuple[bool, Mapping[str, int]]]
) -> dict[str, int] | None:
    """Return the lexicographically least solution in integers >= 0; None when there is none.

    A row is (is an equality, factor of every variable; the key "" has the constant).
    """
    points = library().BasicSet(_matrix_text(variables, list(rows)))
    least = points.lexmin()
    if least.is_empty():
        return None
    point = least.sample_point()
    kind = library().dim_type.set
    return {v: point.get_coordinate_val(kind, n).to_python() for n, v in enumerate(variables)}


def _matrix_text(variables: Sequence[str], rows: list[tuple[bool, Mapping[str, int]]]) -> str:
    """Return a set of values >= 0 as matrix text, which isl reads much faster than a formula."""
    columns = [*variables, ""]
    lines = [f"{len(rows) + len(variables)} {len(columns) + 1} {len(variables)} 0 0 0"]
    for exact, factors in rows:
        numbers = (str(factors.get(column, 0)) for column in columns)
        lines.append(f"{int(not exact)} {' '.join(numbers)}")
    for variable in variables:
        lines.append(f"1 {' '.join(str(int(column == variable)) for column in columns)}")
    return "\n".join(lines)


OPERATIONS = 20_000_000
"""isl operations that one scheduling problem may take: some seconds."""


@contextmanager
def solving(what: str, operations: int = OPERATIONS) -> Iterator[None]:
    """Give up on the block after so many operations of isl. Raises ScheduleNotFound."""
    context = library().DEFAULT_CONTEXT
    context.reset_operations()
    context.set_max_operations(operations)
    try:
        yield
    except library().Error as error:
        raise ScheduleNotFound(f"{what} take more than {operations} steps of isl") from error
    finally:
        context.set_max_operations(0)
        context.reset_operations()


# ---- isl's scheduler ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """An affine form: its constant, the factors of sizes by name, and of indices in order."""

    const: int
    sizes: Mapping[str, int]
    indices: tuple[int, ...]


@dataclass(frozen=True)
class ScheduleNode:
    """A node of isl's schedule tree: a band has ``rows`` by tuple name, others only children."""

    names: tuple[str, ...]
    children: tuple[ScheduleNode, ...]
    rows: Mapping[str, tuple[Row, ...]] | None = None
    permutable: bool = False
    coincident: tuple[bool, ...] = ()


def compute_schedule(
    domain: str, validity: Iterable[Any], proximity: Iterable[Any], coincidence: Iterable[Any]
) -> ScheduleNode:
    """Return the tree of isl's scheduler for a domain in isl text and unions of relations.

    Raises ScheduleNotFound for rows that are not affine forms with integer factors.
    """
    isl = library()

    def union(relations: Iterable[Any]) -> Any:
        found = isl.UnionMap("{ }")
        for relation in relations:
            found = found.union(isl.UnionMap.from_map(relation))
        return found

    constraints = isl.ScheduleConstraints.on_domain(isl.UnionSet(domain))
    constraints = constraints.set_validity(union(validity)).set_proximity(union(proximity))
    constraints = constraints.set_coincidence(union(coincidence))
    return _schedule_node(constraints.compute_schedule().get_root())


def _schedule_node(node: Any) -> ScheduleNode:
    """Copy a node; nodes that say nothing (domain, filter) are passed over."""
    kinds = library().schedule_node_type
    kind = node.get_type()
    inside = tuple([_schedule_node(node.child(n)) for n in range(node.n_children())])
    if kind == kinds.band:
        count = node.band_n_member()
        coincident = tuple([bool(node.band_member_get_coincident(n)) for n in range(count)])
        rows = _band_rows(node)
        return ScheduleNode(
            inside[0].names, inside, rows, bool(node.band_get_permutable()), coincident
        )
    if kind in (kinds.sequence, kinds.set):
        return ScheduleNode(tuple([n for child in inside for n in child.names]), inside)
    if kind == kinds.leaf:
        names: list[str] = []
        node.get_domain().foreach_set(lambda s: names.append(s.get_tuple_name()))
        return ScheduleNode(tuple(sorted(names)), ())
    return inside[0]


def _band_rows(node: Any) -> dict[str, tuple[Row, ...]]:
    """Return the rows of every statement of a band."""
    found: dict[str, tuple[Row, ...]] = {}
    partial = node.band_get_partial_schedule()
    for n in range(node.band_n_member()):
        for form in _parts(partial.get_union_pw_aff(n)):
            name = form.domain().get_tuple_name()
            found[name] = (*found.get(name, ()), _affine_row(form))
    return found


def _parts(union: Any) -> list[Any]:
    forms: list[Any] = []
    union.foreach_pw_aff(forms.append)
    return forms


def _affine_row(form: Any) -> Row:
    """Return a piecewise form of one piece as a row."""
    pieces = form.get_pieces()
    if len(pieces) != 1 or pieces[0][1].dim(library().dim_type.div):
        raise ScheduleNotFound(f"isl's schedule has a row that is no affine form: {form}")
    if not pieces[0][1].get_denominator_val().is_one():
        raise ScheduleNotFound(f"isl's schedule has a row with fractions: {form}")
    return _row(pieces[0][1], library().dim_type.in_)


def equalities(domain: str) -> list[Row]:
    """Return the forms that are 0 on a set given as isl text."""
    hull = library().Set(domain).affine_hull()
    found = [c for c in hull.get_constraints() if c.is_equality()]
    return [_row(c, library().dim_type.set) for c in found]


def _row(form: Any, indices: Any) -> Row:
    """Return an isl form or constraint with integer factors as a row."""
    kind = library().dim_type

    def factors(group: Any) -> list[int]:
        count = form.dim(group)
        return [int(form.get_coefficient_val(group, n).to_python()) for n in range(count)]

    names = [form.get_dim_name(kind.param, n) for n in range(form.dim(kind.param))]
    const = int(form.get_constant_val().to_python())
    return Row(const, dict(zip(names, factors(kind.param))), tuple(factors(indices)))
