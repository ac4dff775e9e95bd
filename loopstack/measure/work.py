"""How much a program has to do: arithmetic operations and compulsory bytes.

Operations are counted on the program as written, never on what a schedule makes of it, so figures
of two schedules compare. An ``fma`` is two operations; casts, selections and comparisons are none.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from loopstack.ir.affine import Affine
from loopstack.ir.expr import ITEM_SIZE_BYTES, Op, walk
from loopstack.ir.program import Array, Program, Statement

FREE = frozenset(
    {"cast", "select", "eq", "ne", "lt", "le", "gt", "ge", "neg", "abs", "floor"}
    | {"logical_and", "logical_or", "logical_not"}
)
"""Operators that count as no arithmetic."""
LARGEST_GRID = 2_000_000


def flop_count(program: Program) -> float:
    """Return the arithmetic operations of one run of a bound program."""
    return float(sum(_per_point(s) * domain_size(s) for s in program.statements))


def byte_count(program: Program) -> int:
    """Return the bytes of all arguments, each counted once (outputs and inputs alike)."""
    return sum(size_bytes(array) for array in program.arguments)


def size_bytes(array: Array) -> int:
    """Return the bytes of an array of a bound program."""
    count = 1
    for form in array.shape:
        count *= form.evaluate({})
    return count * ITEM_SIZE_BYTES[array.dtype]


def _per_point(statement: Statement) -> int:
    own = 1 if statement.reduction is not None else 0
    for node in walk(statement.expr):
        if isinstance(node, Op) and node.name not in FREE:
            own += 2 if node.name == "fma" else 1
    return own


def domain_size(statement: Statement) -> float:
    """Return the number of points of a bound statement's domain.

    Exact for boxes and for domains whose outer loops span up to ``LARGEST_GRID`` points; beyond
    that an estimate from a grid with strides.
    """
    ranges = _index_ranges(statement)
    if any(high < low for low, high in ranges.values()):
        return 0.0
    box = float(np.prod([high - low + 1 for low, high in ranges.values()] or [1]))
    if all(len(form.names) <= 1 for form in statement.constraints):
        return box
    return _count_points(statement, ranges, box)


def _index_ranges(statement: Statement) -> dict[str, tuple[int, int]]:
    """Return an inclusive range for every index, by repeated interval propagation."""
    wide = 1 << 40
    ranges = dict.fromkeys(statement.indices, (-wide, wide))
    for _ in range(len(ranges) + 1):
        for form, index in itertools.product(statement.constraints, statement.indices):
            factor = form.coefficient(index)
            if factor:
                ranges[index] = _tighten(form, index, factor, ranges)
    return ranges


def _tighten(
    form: Affine, index: str, factor: int, ranges: dict[str, tuple[int, int]]
) -> tuple[int, int]:
    low, high = ranges[index]
    rest = form.const + sum(
        max(c * ranges[a][0], c * ranges[a][1])
        for a, c in form.terms
        if isinstance(a, str) and a != index
    )
    if any(not isinstance(a, str) for a, _ in form.terms):
        return low, high
    return (max(low, -(rest // factor)), high) if factor > 0 else (low, min(high, rest // -factor))


def _count_points(statement: Statement, ranges: dict[str, tuple[int, int]], box: float) -> float:
    steps = _grid_steps([high - low + 1 for low, high in ranges.values()])
    axes = [np.arange(low, high + 1, step) for (low, high), step in zip(ranges.values(), steps)]
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    values = dict(zip(ranges, grid))
    inside = np.ones(tuple(len(axis) for axis in axes), bool)
    for form in statement.constraints:
        inside &= _evaluate(form, values) >= 0
    share = float(np.count_nonzero(inside)) / inside.size
    return share * box


def _grid_steps(extents: Sequence[int]) -> list[int]:
    steps = [1] * len(extents)
    while np.prod([-(-n // s) for n, s in zip(extents, steps)], dtype=float) > LARGEST_GRID:
        widest = max(range(len(steps)), key=lambda d: extents[d] / steps[d])
        steps[widest] += 1
    return steps


def _evaluate(form: Affine, values: dict[str, np.ndarray]) -> np.ndarray:
    total = np.asarray(form.const)
    for atom, coefficient in form.terms:
        if isinstance(atom, str):
            total = total + coefficient * values[atom]
        else:
            total = total + coefficient * (_evaluate(atom.numerator, values) // atom.divisor)
    return total
