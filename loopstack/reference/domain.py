"""Integer points of a domain given by quasi-affine constraints ``form >= 0``.

interval_box   the smallest interval of every index that interval reasoning can prove
is_box         whether those intervals are the domain itself
points         every point, one column per index, in lexicographic order
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loopstack.ir.affine import Affine, FloorDiv, name

Interval = tuple[int, int]
_UNBOUNDED = 1 << 62


def evaluate(form: Affine, values: Mapping[str, np.ndarray | int]) -> np.ndarray | int:
    """Return the value of ``form`` where names stand for integers or broadcastable arrays."""
    total: np.ndarray | int = form.const
    for atom, coefficient in form.terms:
        if isinstance(atom, FloorDiv):
            total = total + coefficient * (evaluate(atom.numerator, values) // atom.divisor)
        else:
            total = total + coefficient * values[atom]
    return total


def interval_box(
    constraints: Sequence[Affine], indices: Sequence[str]
) -> dict[str, Interval] | None:
    """Return inclusive intervals that hold every point, or None when they prove there is none.

    Raises ValueError when an index stays unbounded.
    """
    linear = _without_divisions(constraints)
    names = set(indices).union(*(form.names for form in linear))
    box: dict[str, Interval] = dict.fromkeys(names, (-_UNBOUNDED, _UNBOUNDED))
    if any(form.is_constant and form.const < 0 for form in linear):
        return None
    for _ in range(2 + 2 * len(names)):
        before = dict(box)
        for form in linear:
            _tighten(form, box)
        if any(low > high for low, high in box.values()):
            return None
        if box == before:
            break
    return {index: _finite(index, box[index]) for index in indices}


def is_box(constraints: Sequence[Affine]) -> bool:
    """Tell whether every constraint bounds a single index, so that the box is the domain."""
    return all(
        len(form.terms) <= 1 and all(isinstance(atom, str) for atom, _ in form.terms)
        for form in constraints
    )


def points(constraints: Sequence[Affine], indices: Sequence[str]) -> dict[str, np.ndarray]:
    """Return all points in lexicographic order: one integer column per index."""
    box = interval_box(constraints, indices)
    if box is None:
        return {index: np.zeros(0, np.int64) for index in indices}
    columns: dict[str, np.ndarray] = {}
    pending = list(constraints)
    rows = 1
    for index in indices:
        columns = _extend(columns, index, rows, pending, box[index])
        ready = [form for form in pending if form.names <= columns.keys()]
        pending = [form for form in pending if form not in ready]
        columns = _keep(columns, ready)
        rows = len(columns[index])
    return columns


def _without_divisions(constraints: Sequence[Affine]) -> list[Affine]:
    """Replace each floor(f / d) by a fresh name q with d*q <= f < d*q + d."""
    fresh: dict[FloorDiv, str] = {}
    result: list[Affine] = []

    def linear(form: Affine) -> Affine:
        terms: list[tuple[str | FloorDiv, int]] = []
        for atom, coefficient in form.terms:
            terms.append((quotient(atom) if isinstance(atom, FloorDiv) else atom, coefficient))
        return Affine.of(terms, form.const)

    def quotient(atom: FloorDiv) -> str:
        if atom not in fresh:
            fresh[atom] = f"floor {atom}"
            rest = linear(atom.numerator) - name(fresh[atom]) * atom.divisor
            result.extend((rest, atom.divisor - 1 - rest))
        return fresh[atom]

    result.extend([linear(form) for form in constraints])
    return result


def _tighten(form: Affine, box: dict[str, Interval]) -> None:
    """Narrow the interval of every name of a linear ``form >= 0``."""
    terms = [(atom, c) for atom, c in form.terms if isinstance(atom, str)]
    highs = {n: c * box[n][1 if c > 0 else 0] for n, c in terms}
    most = sum(highs.values())
    for atom, coefficient in terms:
        rest = most - highs[atom] + form.const
        if abs(rest) >= _UNBOUNDED // 2:
            continue
        low, high = box[atom]
        if coefficient > 0:
            box[atom] = (max(low, -(rest // coefficient)), high)
        else:
            box[atom] = (low, min(high, rest // -coefficient))


def _finite(index: str, interval: Interval) -> Interval:
    if -_UNBOUNDED in interval or _UNBOUNDED in interval:
        raise ValueError(f"index {index} has no constant bounds")
    return interval


def _extend(
    columns: dict[str, np.ndarray],
    index: str,
    rows: int,
    constraints: Sequence[Affine],
    interval: Interval,
) -> dict[str, np.ndarray]:
    """Multiply every row by the values ``index`` may take there."""
    low = np.full(rows, interval[0], np.int64)
    high = np.full(rows, interval[1], np.int64)
    for form in constraints:
        coefficient = form.coefficient(index)
        rest = form - name(index) * coefficient
        if not coefficient or not rest.names <= columns.keys():
            continue
        value = evaluate(rest, columns)
        if coefficient > 0:
            low = np.maximum(low, -(value // coefficient))
        else:
            high = np.minimum(high, value // -coefficient)
    counts = np.maximum(high - low + 1, 0)
    starts = np.cumsum(counts) - counts
    values = np.arange(counts.sum(), dtype=np.int64) + np.repeat(low - starts, counts)
    extended = {other: np.repeat(column, counts) for other, column in columns.items()}
    return {**extended, index: values}


def _keep(columns: dict[str, np.ndarray], constraints: Sequence[Affine]) -> dict[str, np.ndarray]:
    for form in constraints:
        inside = np.asarray(evaluate(form, columns)) >= 0
        if not inside.all():
            columns = {index: column[inside] for index, column in columns.items()}
    return columns
