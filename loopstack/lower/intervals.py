"""Integer intervals of affine forms over loops with known ranges."""

from __future__ import annotations

from collections.abc import Mapping

from loopstack.ir.affine import Affine

INFINITE = 1 << 62
LARGEST = 1 << 48
Interval = tuple[int, int]
Ranges = Mapping[str, Interval]
UNKNOWN: Interval = (-INFINITE, INFINITE)


def interval(form: Affine, ranges: Ranges) -> Interval:
    """Return inclusive (lowest, highest) of ``form``; loops without a range count as unbounded."""
    low = high = form.const
    for atom, coefficient in form.terms:
        if isinstance(atom, str):
            a, b = ranges.get(atom, UNKNOWN)
        else:
            a, b = interval(atom.numerator, ranges)
            a, b = a // atom.divisor, b // atom.divisor
        if coefficient < 0:
            a, b = b, a
        low += coefficient * a
        high += coefficient * b
    return max(low, -INFINITE), min(high, INFINITE)


def is_finite(bounds: Interval) -> bool:
    """Tell whether both bounds are real: sums and quotients of ``INFINITE`` lie beyond any size."""
    return bounds[0] > -LARGEST and bounds[1] < LARGEST
