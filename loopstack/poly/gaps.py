"""Bounds of loop distances: linear equations over integers in boxes, narrowed until they settle.

The unknowns are the distances, later minus earlier instance, of the loops that two leaves share.
Each row bounds one linear form over them: the distance between two indices. Tiles are where whole
numbers matter: ``32*io + ii >= 1`` with ``-31 <= ii`` leaves ``io >= 0``.

    rows     8*to + ti in 1..99         i was skewed by 2*t and tiled by 32
             32*io + ii - 16*to - 2*ti in -1..1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Literal

Terms = tuple[tuple[int, int], ...]
"""(loop number, coefficient)"""
Demand = Literal["forward", "still", "free"]
"""What order asks of a loop where all outer ones stand still: the later instance comes later, in
the same iteration, or anywhere."""
ROUNDS = 8
MOST_COMBINATIONS = 12


@dataclass(frozen=True)
class Rows:
    """The forms of all rows; ``of_loop`` lists the rows that mention each loop."""

    terms: tuple[Terms, ...]
    of_loop: tuple[tuple[int, ...], ...]

    @staticmethod
    def over(terms: Sequence[Terms], count: int) -> Rows:
        mentions: list[list[int]] = [[] for _ in range(count)]
        for number, row in enumerate(terms):
            for loop, _ in row:
                mentions[loop].append(number)
        return Rows(tuple(terms), tuple(map(tuple, mentions)))


Bounds = list[int]


class Box:
    """The bounds of all loops (``low``, ``high``) and of all rows (``least``, ``most``)."""

    def __init__(self, rows: Rows, low: Bounds, high: Bounds, least: Bounds, most: Bounds) -> None:
        self.rows = rows
        self.low, self.high = low, high
        self.least, self.most = least, most

    def narrow(self, numbers: Sequence[int]) -> bool:
        """Narrow every loop of some rows; tell whether anything changed."""
        low, high = self.low, self.high
        changed = False
        for number in numbers:
            terms = self.rows.terms[number]
            below, above = 0, 0
            for loop, c in terms:
                if c > 0:
                    below += c * low[loop]
                    above += c * high[loop]
                else:
                    below += c * high[loop]
                    above += c * low[loop]
            spare = self.most[number] - below
            needed = self.least[number] - above
            for loop, c in terms:
                a, b = low[loop], high[loop]
                if c > 0:
                    top = a + spare // c
                    bottom = b - -needed // c
                else:
                    bottom = b - spare // -c
                    top = a + -needed // -c
                if top < b:
                    high[loop] = top
                    changed = True
                if bottom > a:
                    low[loop] = bottom
                    changed = True
        return changed

    def settle(self) -> None:
        """Narrow everything by everything."""
        everything = range(len(self.rows.terms))
        for _ in range(ROUNDS):
            if not self.narrow(everything):
                return

    def keeps_order(self, demands: Sequence[Demand], at_end: bool, thorough: bool) -> bool:
        """Prove that no distances in the box break what ``demands`` asks, outermost loop first.

        ``at_end`` tells whether distances of zero throughout are in order.
        """
        self.narrow(range(len(self.rows.terms)))
        for loop, demand in enumerate(demands):
            if thorough:
                self.settle()
            touched = self.rows.of_loop[loop]
            self.narrow(touched)
            low, high = self.low[loop], self.high[loop]
            if low > high or (low > 0 and demand == "forward"):
                return True
            if (low < 0 and demand == "forward") or ((low or high) and demand == "still"):
                return False
            if low > 0 or high < 0:
                return True
            self.low[loop] = self.high[loop] = 0
            self.narrow(touched)
        return at_end or any(map(int.__gt__, self.low, self.high))


Combination = tuple[int, int, int, int]
"""row, factor, another row, factor"""


def combinations(terms: Sequence[Terms]) -> list[tuple[Terms, int, Combination]]:
    """Return sums of two rows that mention fewer loops than the longer one of them.

    Each comes with the divisor that its coefficients had in common.
    """
    found: dict[Terms, tuple[int, Combination]] = {}
    for a, left in enumerate(terms):
        for b in range(a + 1, len(terms)):
            right = dict(terms[b])
            for loop, c in left:
                if loop in right and len(found) < MOST_COMBINATIONS:
                    _combine(found, (a, left, right[loop]), (b, terms[b], -c))
    return [(row, divisor, made) for row, (divisor, made) in found.items() if row not in terms]


def _combine(
    found: dict[Terms, tuple[int, Combination]],
    one: tuple[int, Terms, int], other: tuple[int, Terms, int],
) -> None:  # fmt: skip
    (a, left, f), (b, right, g) = one, other
    common = gcd(f, g)
    f, g = f // common, g // common
    total = {loop: c * f for loop, c in left}
    for loop, c in right:
        total[loop] = total.get(loop, 0) + c * g
    row = [(loop, c) for loop, c in sorted(total.items()) if c]
    if row and len(row) < max(len(left), len(right)):
        divisor = gcd(*(c for _, c in row))
        found.setdefault(tuple([(n, c // divisor) for n, c in row]), (divisor, (a, f, b, g)))


def combined_bounds(least: Bounds, most: Bounds, how: Combination, divisor: int) -> tuple[int, int]:
    """Return the bounds of a combination, from those of its rows."""
    a, f, b, g = how
    low = (f * least[a] if f > 0 else f * most[a]) + (g * least[b] if g > 0 else g * most[b])
    high = (f * most[a] if f > 0 else f * least[a]) + (g * most[b] if g > 0 else g * least[b])
    return -(-low // divisor), high // divisor
