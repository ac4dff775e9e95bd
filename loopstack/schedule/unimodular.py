"""Unimodular changes of a band of loops: the new loops, and the old ones as forms over them.

    (t, i) -> (w, p) = (t + i, i)         t = w - p,  i = p

A change is a square integer matrix of determinant 1 or -1 and an offset, so the new loops walk
exactly the old iterations. The inverse is found by integer elimination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of

Row = list[int]


def invert(new: Mapping[str, Affine], old: Sequence[str]) -> dict[str, Affine]:
    """Return every old loop as a form over the new ones.

    ``new`` gives each new loop as a form over ``old``, and over names that do not change. Raises
    ArgumentError when the new loops do not walk the old iterations one to one.
    """
    rows = [[form.coefficient(loop) for loop in old] for form in new.values()]
    inverse = _inverse(rows)
    if inverse is None:
        text = ", ".join(f"{name} = {form}" for name, form in new.items())
        raise ArgumentError(
            f"the change {text} does not walk the iterations one to one: "
            "its determinant must be 1 or -1"
        )
    origins = [form_of(name) - _rest(form, old) for name, form in new.items()]
    return {
        loop: sum((origin * c for origin, c in zip(origins, row)), Affine())
        for loop, row in zip(old, inverse)
    }


def _rest(form: Affine, old: Sequence[str]) -> Affine:
    """Return the part of ``form`` that is not over ``old``."""
    return Affine.of([(a, c) for a, c in form.terms if a not in old], form.const)


def _inverse(matrix: Sequence[Row]) -> list[Row] | None:
    """Return the integer inverse, or None when the determinant is not 1 or -1."""
    size = len(matrix)
    rows = [[*row, *(int(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for column in range(size):
        if not _reduce_column(rows, column):
            return None
    for column in reversed(range(size)):
        for row in rows[:column]:
            _subtract(row, rows[column], row[column])
    return [row[size:] for row in rows]


def _reduce_column(rows: list[Row], column: int) -> bool:
    """Make the pivot 1 and everything below it 0 by Euclid's algorithm on rows."""
    while True:
        open_rows = [r for r in range(column, len(rows)) if rows[r][column]]
        if not open_rows:
            return False
        least = min(open_rows, key=lambda r: abs(rows[r][column]))
        rows[column], rows[least] = rows[least], rows[column]
        pivot = rows[column]
        for row in rows[column + 1 :]:
            _subtract(row, pivot, row[column] // pivot[column])
        if not any(row[column] for row in rows[column + 1 :]):
            break
    if abs(pivot[column]) != 1:
        return False
    if pivot[column] < 0:
        pivot[:] = [-value for value in pivot]
    return True


def _subtract(row: Row, other: Row, factor: int) -> None:
    if factor:
        row[:] = [a - factor * b for a, b in zip(row, other)]
