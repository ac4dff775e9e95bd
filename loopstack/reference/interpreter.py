"""Run a bound program on NumPy arrays: the oracle every other way of running it is held against.

Order. A statement runs over its domain in lexicographic order; statements follow each other as
``order`` says (the 2d+1 form), or one after the other in text order where it is empty. What runs
is vectorised where no instance can see another one's write; everything else runs instance by
instance.

A reduction with ``init="identity"`` first fills every element of its image with the identity
(so an empty sum is 0), then accumulates. Elements that nothing writes stay poisoned: NaN for
floats, the smallest integer, True.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from loopstack.ir.affine import Affine
from loopstack.ir.expr import Const, Expr, IndexValue, Load, Op, map_subscripts
from loopstack.ir.program import Access, Array, Program, Statement
from loopstack.reference.arithmetic import (
    NUMPY,
    Arithmetic,
    Declared,
    Parts,
    Wide,
    identity,
    padding,
)
from loopstack.reference.domain import Interval, evaluate, interval_box, is_box, points

Mode = Literal["exact", "faithful"]
Environment = dict[str, np.ndarray]
MOST_INSTANCES = 1_000_000
_CHUNK_INSTANCES = 1 << 23
_ARITHMETIC: Mapping[str, type[Arithmetic]] = {"exact": Wide, "faithful": Declared}


class TooManyInstances(ValueError):
    """A statement that must run instance by instance has too many of them."""


def run(
    program: Program, arrays: Mapping[str, np.ndarray], mode: Mode = "exact"
) -> dict[str, np.ndarray]:
    """Return the output and inout arrays after running ``program``.

    ``exact`` computes wide and rounds at stores: the reference value. ``faithful`` rounds every
    operator and sums in program order: what a plain scalar loop gives, special values included.
    Requires: integer sizes; one array per input, inout and scalar.
    Raises: ValueError for a missing array, a wrong shape or dtype; TooManyInstances.
    """
    memory = execute(program, arrays, _ARITHMETIC[mode]())
    return {a.name: memory[a.name][0] for a in program.arrays if a.role in ("output", "inout")}


def execute(
    program: Program, arrays: Mapping[str, np.ndarray], arithmetic: Arithmetic
) -> dict[str, Parts]:
    """Run with any arithmetic; return the final parts of every array."""
    if program.sizes:
        raise ValueError(f"bind the sizes of {program.name} first: {', '.join(program.sizes)}")
    memory = {a.name: _initial(a, arrays, arithmetic) for a in program.arrays}
    active = [_Active.of(i, s) for i, s in enumerate(program.statements)]
    with np.errstate(all="ignore"):
        _Run(program, arithmetic, memory).group(active, 0)
    return memory


def _initial(array: Array, arrays: Mapping[str, np.ndarray], arithmetic: Arithmetic) -> Parts:
    shape = tuple(form.evaluate({}) for form in array.shape)
    if array.name not in arrays:
        if array.role not in ("output", "temporary"):
            raise ValueError(f"no array for {array.role} {array.name}")
        values = np.full(shape, _poison(array.dtype), NUMPY[array.dtype])
    else:
        values = np.array(arrays[array.name])
    if values.dtype != NUMPY[array.dtype] or values.shape != shape:
        wanted, found = f"{NUMPY[array.dtype]}{shape}", f"{values.dtype}{values.shape}"
        raise ValueError(f"{array.name} wants {wanted}, found {found}")
    constant = arithmetic.store(arithmetic.constant(0, array.dtype), array.dtype)
    extra = tuple(np.full(shape, part, part.dtype) for part in constant[1:])
    return (values, *extra)


def _poison(dtype: str) -> float | int | bool:
    if dtype == "bool_":
        return True
    return np.nan if dtype in ("f32", "f64") else int(np.iinfo(NUMPY[dtype]).min)


@dataclass(frozen=True)
class _Active:
    """A statement whose first ``depth`` indices have values, already substituted."""

    statement: Statement
    order: tuple[int, ...]
    depth: int = 0
    fixed: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def of(position: int, statement: Statement) -> _Active:
        default = (position,) + (0,) * len(statement.indices)
        return _Active(statement, statement.order or default)

    @property
    def free(self) -> tuple[str, ...]:
        return self.statement.indices[self.depth :]

    def constraints(self) -> tuple[Affine, ...]:
        values = dict(self.fixed)
        return tuple(form.substitute(values) for form in self.statement.constraints)

    def box(self) -> dict[str, Interval] | None:
        """Return where the free indices run; of results, also where they have no terms."""
        s, constraints, free = self.statement, self.constraints(), self.free
        starts = s.reduction is not None and s.reduction.init == "identity"
        if starts and free[0] not in s.reduction_indices:
            free = tuple(i for i in free if i not in s.reduction_indices)
            constraints = tuple(c for c in constraints if c.names.isdisjoint(s.reduction_indices))
        return interval_box(constraints, free)

    def at(self, value: int) -> _Active:
        fixed = (*self.fixed, (self.statement.indices[self.depth], value))
        return _Active(self.statement, self.order, self.depth + 1, fixed)


@dataclass
class _Run:
    program: Program
    arithmetic: Arithmetic
    memory: dict[str, Parts]
    visited: dict[str, np.ndarray] = field(default_factory=dict)

    # ---- order: which statements share loops -----------------------------------------------
    def group(self, active: Sequence[_Active], level: int) -> None:
        """Run statements that agree on all outer positions and loops."""
        by_position: dict[int, list[_Active]] = {}
        for each in active:
            by_position.setdefault(each.order[level], []).append(each)
        for position in sorted(by_position):
            together = by_position[position]
            if len(together) == 1 or any(not each.free for each in together):
                for each in together:
                    self.alone(each)
            else:
                self.shared_loop(together, level)

    def shared_loop(self, active: Sequence[_Active], level: int) -> None:
        ranges: list[tuple[_Active, int, int]] = []
        for each in active:
            if each.free[0] in each.statement.reduction_indices:
                self.initialise(each)
            box = each.box()
            if box is not None:
                ranges.append((each, *box[each.free[0]]))
        if not ranges:
            return
        low, high = min(r[1] for r in ranges), max(r[2] for r in ranges)
        for value in range(low, high + 1):
            inside = [each.at(value) for each, first, last in ranges if first <= value <= last]
            if inside:
                self.group(inside, level + 1)

    # ---- one statement ---------------------------------------------------------------------
    def alone(self, active: _Active) -> None:
        """Run every remaining instance of one statement."""
        self.initialise(active)
        statement = _fix(active)
        for environment, shape in _environments(statement):
            if self.independent(statement, environment, shape):
                self.assign(statement, environment, shape)
            else:
                self.one_by_one(statement, environment, shape)

    def initialise(self, active: _Active) -> None:
        """Fill what an identity reduction may write, if no instance wrote it before."""
        source = active.statement
        if source.reduction is None or source.reduction.init == "existing":
            return
        statement = _fix(active)
        kept = [i for i in statement.indices if i not in source.reduction_indices]
        over = [c for c in statement.constraints if c.names.isdisjoint(source.reduction_indices)]
        columns = points(over, kept) if kept else {}
        if not kept and any(form.const < 0 for form in over):
            return
        where = _subscripts(statement.write.subscripts, columns)
        array = self.program.array(source.write.array)
        visited = self.visited.setdefault(source.name, np.zeros(self.shape(array.name), bool))
        start = self.arithmetic.constant(
            identity(source.reduction.operator, array.dtype), array.dtype
        )
        for part, first in zip(self.memory[array.name], self.arithmetic.store(start, array.dtype)):
            part[where] = np.where(visited[where], part[where], first)
        visited[where] = True

    def independent(
        self, statement: Statement, environment: Environment, shape: tuple[int, ...]
    ) -> bool:
        """Tell whether no instance reads or overwrites what another one writes."""
        plain = statement.reduction is None
        written = self.elements(statement.write, environment, shape)
        if plain and not _injective(statement) and np.unique(written).size != written.size:
            return False
        for load in statement.reads:
            if load.array != statement.write.array:
                continue
            if plain and load.subscripts == statement.write.subscripts:
                continue
            if np.intersect1d(written, self.elements(load, environment, shape)).size:
                return False
        return True

    def one_by_one(
        self, statement: Statement, environment: Environment, shape: tuple[int, ...]
    ) -> None:
        columns = {i: np.broadcast_to(c, shape).reshape(-1) for i, c in environment.items()}
        count = int(np.prod(shape, dtype=np.int64))
        if count > MOST_INSTANCES:
            raise TooManyInstances(f"{statement.name}: {count} instances, at most {MOST_INSTANCES}")
        for row in range(count):
            self.assign(statement, {i: column[row] for i, column in columns.items()}, ())

    def assign(
        self, statement: Statement, environment: Environment, shape: tuple[int, ...]
    ) -> None:
        dtype = self.program.array(statement.write.array).dtype
        value = self.value(statement.expr, environment)
        parts = self.memory[statement.write.array]
        where = _subscripts(statement.write.subscripts, environment)
        if statement.reduction is not None:
            where, value = self.reduced(statement, environment, shape, value)
        elif not any(subscript.ndim for subscript in where):  # all instances write one element
            value = tuple(np.broadcast_to(part, shape).reshape(-1)[-1] for part in value)
        for part, new in zip(parts, self.arithmetic.store(tuple(map(np.asarray, value)), dtype)):
            part[where] = new

    def reduced(
        self,
        statement: Statement,
        environment: Environment,
        shape: tuple[int, ...],
        value: Parts,
    ) -> tuple[tuple[np.ndarray, ...], Parts]:
        """Return the written subscripts, one row per element, and their new values."""
        assert statement.reduction is not None
        operator = statement.reduction.operator
        array = self.program.array(statement.write.array)
        if len(shape) == len(statement.indices) and _injective(statement):
            where, terms, counts = _by_axes(statement, environment, shape, value)
        else:
            written = self.elements(statement.write, environment, shape)
            fill = self.arithmetic.constant(padding(operator, array.dtype), array.dtype)
            elements, terms, counts = _by_element(written, shape, value, fill)
            where = np.unravel_index(elements, self.shape(array.name)) if array.shape else ()
        start = self.arithmetic.load(tuple(p[where] for p in self.memory[array.name]), array.dtype)
        result = self.arithmetic.fold(operator, start, terms, counts, array.dtype)
        return where, result if array.shape else tuple(part.reshape(()) for part in result)

    # ---- expressions -----------------------------------------------------------------------
    def value(self, expr: Expr, environment: Environment) -> Parts:
        if isinstance(expr, Const):
            return self.arithmetic.constant(expr.value, expr.dtype)
        if isinstance(expr, IndexValue):
            return self.arithmetic.constant(evaluate(expr.form, environment), expr.dtype)
        if isinstance(expr, Load):
            where = _subscripts(expr.subscripts, environment)
            self.check(expr, where)
            return self.arithmetic.load(
                tuple(p[where] for p in self.memory[expr.array]), expr.dtype
            )
        assert isinstance(expr, Op)
        return self.arithmetic.apply(expr, tuple(self.value(a, environment) for a in expr.args))

    def shape(self, array: str) -> tuple[int, ...]:
        return self.memory[array][0].shape

    def check(self, access: Access | Load, where: tuple[np.ndarray, ...]) -> None:
        """Refuse subscripts outside the array: NumPy would wrap negative ones."""
        for subscript, extent in zip(where, self.shape(access.array), strict=True):
            if subscript.size and (subscript.min() < 0 or subscript.max() >= extent):
                raise IndexError(f"{access} leaves its array, shape {self.shape(access.array)}")

    def elements(
        self, access: Access | Load, environment: Environment, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Return the linear element number that each instance touches."""
        where = _subscripts(access.subscripts, environment)
        self.check(access, where)
        total: np.ndarray = np.zeros((), np.int64)
        for subscript, extent in zip(where, self.shape(access.array)):
            total = total * extent + subscript
        return np.broadcast_to(total, shape).reshape(-1)


def _fix(active: _Active) -> Statement:
    """Substitute the outer index values, leaving a statement over the free indices."""
    source, values = active.statement, dict(active.fixed)
    if not values:
        return source

    def fix(form: Affine) -> Affine:
        return form.substitute(values)

    write = Access(source.write.array, tuple(map(fix, source.write.subscripts)))
    expr = map_subscripts(source.expr, fix)
    fixed = tuple(map(fix, source.constraints))
    return Statement(source.name, active.free, fixed, write, expr, source.reduction)


def _environments(statement: Statement) -> list[tuple[Environment, tuple[int, ...]]]:
    """Return index values in program order: an open mesh for a box, else a table of points.

    A large box is cut along its first index, unless that index is reduced.
    """
    indices, constraints = statement.indices, statement.constraints
    if not is_box(constraints):
        columns = points(constraints, indices)
        count = len(columns[indices[0]])
        return [(columns, (count,))] if count else []
    box = interval_box(constraints, indices)
    if box is None:
        return []
    ranges = [np.arange(low, high + 1) for low, high in (box[i] for i in indices)]
    total = int(np.prod([len(r) for r in ranges], dtype=np.float64))
    pieces = 1
    if indices and indices[0] not in statement.reduction_indices:
        pieces = min(len(ranges[0]), 1 + total // _CHUNK_INSTANCES)
    heads = np.array_split(ranges[0], pieces) if indices else [None]
    return [_mesh(indices, ranges if h is None else [h, *ranges[1:]]) for h in heads]


def _mesh(
    indices: Sequence[str], ranges: Sequence[np.ndarray]
) -> tuple[Environment, tuple[int, ...]]:
    open_mesh = np.ix_(*ranges) if ranges else ()
    return dict(zip(indices, open_mesh)), tuple(len(r) for r in ranges)


def _subscripts(forms: Sequence[Affine], environment: Environment) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(evaluate(form, environment), np.int64) for form in forms)


def _injective(statement: Statement) -> bool:
    """Tell whether each index that is not reduced stands alone in one subscript of the write."""
    atoms = [form.terms[0][0] for form in statement.write.subscripts if len(form.terms) == 1]
    if len(atoms) != sum(1 for form in statement.write.subscripts if form.terms):
        return False
    return set(atoms) == set(statement.indices) - set(statement.reduction_indices)


def _by_axes(
    statement: Statement, environment: Environment, shape: tuple[int, ...], value: Parts
) -> tuple[tuple[np.ndarray, ...], Parts, np.ndarray]:
    """Arrange the terms of a reduction over a box: reduced axes first, flattened into one."""
    reduced = [a for a, i in enumerate(statement.indices) if i in statement.reduction_indices]
    kept = [a for a in range(len(shape)) if a not in reduced]
    length = int(np.prod([shape[a] for a in reduced], dtype=np.int64))
    kept_shape = tuple(shape[a] for a in kept)
    terms = tuple(
        np.broadcast_to(part, shape).transpose(reduced + kept).reshape(length, *kept_shape)
        for part in value
    )
    where = _subscripts(statement.write.subscripts, environment)
    where = tuple(w.reshape([w.shape[a] for a in kept]) if w.ndim else w for w in where)
    return where, terms, np.asarray(length)


def _by_element(
    written: np.ndarray, shape: tuple[int, ...], value: Parts, fill: Parts
) -> tuple[np.ndarray, Parts, np.ndarray]:
    """Arrange the terms of a reduction over any points: one column per written element."""
    elements, group = np.unique(written, return_inverse=True)
    group = group.reshape(-1)
    counts = np.bincount(group, minlength=len(elements))
    terms = tuple(
        _columns(np.broadcast_to(part, shape).reshape(-1), group, counts, pad)
        for part, pad in zip(value, fill)
    )
    return elements, terms, counts


def _columns(
    values: np.ndarray, group: np.ndarray, counts: np.ndarray, pad: np.ndarray
) -> np.ndarray:
    """Stand the terms of each group in a column, in order, padded at the end."""
    order = np.argsort(group, kind="stable")
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(values)) - np.repeat(starts, counts)
    terms = np.full((int(counts.max(initial=0)), len(counts)), pad, np.asarray(values).dtype)
    terms[rank, group[order]] = values[order]
    return terms
