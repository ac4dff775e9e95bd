"""Bounds of all differences between integers: what equal subscripts, domains and order leave.

Most conditions between two instances are on differences: ``i' - i = 1``, ``k < i``, ``0 <= j < n``.
A matrix holds the greatest value of every difference, closed under sums, so that each entry is the
exact bound. Conditions of other shapes bound single numbers only, or are left out: a matrix always
holds every instance pair, and says when it may hold more.

    most[a][b]    greatest b - a; number 0 is the constant zero
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd

from loopstack.ir.affine import Affine

UNBOUNDED = 1 << 64
"""No index and no difference of two gets there."""
_FAR = UNBOUNDED >> 1
Terms = Sequence[tuple[int, int]]
"""(number, coefficient) of a linear form."""


class Differences:
    """A closed matrix over some numbers. ``is_empty``: nothing fulfils what was added."""

    __slots__ = ("is_empty", "is_exact", "most")

    def __init__(self, most: list[list[int]], is_exact: bool = True) -> None:
        self.most = most
        self.is_exact = is_exact
        self.is_empty = False

    @staticmethod
    def free(count: int) -> Differences:
        """Return the matrix of ``count`` numbers that nothing is known of, zero among them."""
        rows = [[UNBOUNDED] * count for _ in range(count)]
        for n, row in enumerate(rows):
            row[n] = 0
        return Differences(rows)

    @staticmethod
    def of_both(left: Differences, right: Differences) -> Differences:
        """Put two matrices side by side: zero, the numbers of ``left``, those of ``right``."""
        from_left, from_right = left.most[0], right.most[0][1:]
        rows = [[*row, *(row[0] + far for far in from_right)] for row in left.most]
        rows += [[*(row[0] + far for far in from_left), *row[1:]] for row in right.most[1:]]
        made = Differences(rows, left.is_exact and right.is_exact)
        made.is_empty = left.is_empty or right.is_empty
        return made

    def copy(self) -> Differences:
        made = Differences([row[:] for row in self.most], self.is_exact)
        made.is_empty = self.is_empty
        return made

    def bounds(self, a: int, b: int) -> tuple[int, int]:
        """Return the least and the greatest value of ``b - a``."""
        return -self.most[b][a], self.most[a][b]

    # ---- conditions ---------------------------------------------------------------------------
    def limit(self, a: int, b: int, most: int) -> None:
        """Add ``b - a <= most``."""
        rows = self.most
        if self.is_empty or most >= rows[a][b]:
            return
        if rows[b][a] + most < 0:
            self.is_empty = True
            return
        onward = rows[b]
        for row in rows:
            start = row[a] + most
            if start < _FAR:
                row[:] = [x if x <= start + y else start + y for x, y in zip(row, onward)]

    def add_positive(self, terms: Terms, const: int) -> None:
        """Add ``sum(terms) + const >= 0``."""
        if not terms:
            self.is_empty = self.is_empty or const < 0
        elif len(terms) == 1:
            ((n, c),) = terms
            if c > 0:
                self.limit(n, 0, const // c)
            else:
                self.limit(0, n, const // -c)
        elif len(terms) == 2 and terms[0][1] == -terms[1][1]:
            (n, c), (m, _) = terms if terms[0][1] > 0 else (terms[1], terms[0])
            self.limit(n, m, const // c)
        else:
            self.is_exact = False
            self._narrow(terms, const)

    def add_zero(self, terms: Terms, const: int) -> None:
        """Add ``sum(terms) + const == 0``."""
        if const % (gcd(*(c for _, c in terms)) or 1):
            self.is_empty = True
            return
        self.add_positive(terms, const)
        self.add_positive([(n, -c) for n, c in terms], -const)

    def leave_out(self) -> None:
        """Note that there is a condition which this matrix does not hold."""
        self.is_exact = False

    def _narrow(self, terms: Terms, const: int) -> None:
        """Bound each number of ``sum(terms) + const >= 0`` by the most that the others reach."""
        highs = [self._highest(n, c) for n, c in terms]
        total = const + sum(highs)
        for (n, c), high in zip(terms, highs):
            rest = total - high
            if rest < _FAR:
                if c > 0:
                    self.limit(n, 0, rest // c)
                else:
                    self.limit(0, n, rest // -c)

    def _highest(self, n: int, c: int) -> int:
        low, high = self.bounds(0, n)
        return c * high if c > 0 else c * low


def terms_of(form: Affine, numbers: dict[str, int]) -> list[tuple[int, int]] | None:
    """Return the terms of a form over numbered names; None when it has divisions."""
    terms = []
    for atom, c in form.terms:
        if not isinstance(atom, str):
            return None
        terms.append((numbers[atom], c))
    return terms


def with_conditions(made: Differences, forms: Iterable[Affine], numbers: dict[str, int]) -> None:
    """Add ``form >= 0`` for every form, those on differences first."""
    others = []
    for form in forms:
        terms = terms_of(form, numbers)
        if terms is None:
            made.leave_out()
        elif len(terms) > 2:
            others.append((terms, form.const))
        else:
            made.add_positive(terms, form.const)
    for terms, const in others:
        made.add_positive(terms, const)
