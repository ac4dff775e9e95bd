"""Constant ranges of names, by propagating intervals through constraints.

The ranges are sound: a name never leaves its range. They are exact for boxes, and may be wider
than the truth for other domains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from loopstack.ir.affine import Affine, Atom, FloorDiv

INFINITE = 1 << 62
"""Stands for no bound; sums of bounds that reach it count as unbounded."""

Interval = tuple[int, int]
UNBOUNDED: Interval = (-INFINITE, INFINITE)
ROUNDS = 8
"""Boxes settle after two rounds; skewed domains need one more for each loop of a chain."""


def interval(form: Affine, ranges: Mapping[str, Interval]) -> Interval:
    """Return inclusive (lowest, highest) of ``form``; a name without a range is unbounded."""
    low = high = form.const
    for atom, coefficient in form.terms:
        if isinstance(atom, str):
            a, b = ranges.get(atom, UNBOUNDED)
        else:
            a, b = _divided(interval(atom.numerator, ranges), atom.divisor)
        if coefficient < 0:
            a, b = b, a
        low = -INFINITE if abs(a) >= INFINITE else low + coefficient * a
        high = INFINITE if abs(b) >= INFINITE else high + coefficient * b
        if low <= -INFINITE and high >= INFINITE:
            return UNBOUNDED
    return max(low, -INFINITE), min(high, INFINITE)


def _divided(bounds: Interval, divisor: int) -> Interval:
    low, high = (b if abs(b) >= INFINITE else b // divisor for b in bounds)
    return low, high


def is_finite(bounds: Interval) -> bool:
    return bounds[0] > -INFINITE and bounds[1] < INFINITE


def tighten(ranges: Mapping[str, Interval], constraints: Iterable[Affine]) -> dict[str, Interval]:
    """Narrow ``ranges`` (name -> interval) by ``constraints`` (forms >= 0)."""
    known = dict(ranges)
    useful = [c for form in constraints if (c := without_single_division(form)).terms]
    for _ in range(ROUNDS):
        changed = [narrow(form, known) for form in useful]
        if not any(changed):
            break
    return known


def narrow(form: Affine, ranges: dict[str, Interval]) -> bool:
    """Narrow the names of one constraint; tell whether anything changed."""
    highs = [_highest(atom, c, ranges) for atom, c in form.terms]
    unbounded = sum(h >= INFINITE for h in highs)
    if unbounded > 1:
        return False
    total = form.const + sum(h for h in highs if h < INFINITE)
    changed = False
    for (atom, coefficient), high in zip(form.terms, highs):
        if (unbounded and high < INFINITE) or isinstance(atom, FloorDiv) or atom not in ranges:
            continue
        rest = total if high >= INFINITE else total - high
        low, top = ranges[atom]
        if coefficient > 0:
            new = (max(low, -(rest // coefficient)), top)
        else:
            new = (low, min(top, rest // -coefficient))
        if new != (low, top):
            ranges[atom] = new
            changed = True
    return changed


def _highest(atom: Atom, coefficient: int, ranges: Mapping[str, Interval]) -> int:
    """Return the largest value of one term, INFINITE when nothing bounds it."""
    if isinstance(atom, str):
        low, high = ranges.get(atom, UNBOUNDED)
    else:
        low, high = _divided(interval(atom.numerator, ranges), atom.divisor)
    if coefficient > 0:
        return INFINITE if high >= INFINITE else coefficient * high
    return INFINITE if low <= -INFINITE else coefficient * low


def without_single_division(form: Affine) -> Affine:
    """Rewrite the constraint ``c * floor(f / d) + const >= 0`` as one on ``f``; keep all others."""
    if len(form.terms) != 1 or isinstance(form.terms[0][0], str):
        return form
    ((division, coefficient),) = form.terms
    assert isinstance(division, FloorDiv)
    if coefficient > 0:
        lowest = -(form.const // coefficient)
        inner = division.numerator - division.divisor * lowest
    else:
        highest = form.const // -coefficient
        inner = division.divisor * highest + division.divisor - 1 - division.numerator
    return without_single_division(inner)
