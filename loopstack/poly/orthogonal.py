"""Integer vectors orthogonal to others: which directions hyperplanes leave open."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm


def complement(rows: list[list[int]], size: int) -> list[list[int]]:
    """Return primitive integer vectors that span what is orthogonal to ``rows``.

    They are the rows of the projection I - H^T (H H^T)^-1 H, made integers; equal ones once.
    """
    basis = _orthogonal(rows)
    found: dict[tuple[int, ...], None] = {}
    for n in range(size):
        vector = [Fraction(int(k == n)) for k in range(size)]
        for other in basis:
            vector = _minus(vector, other, n)
        if any(vector):
            found[_primitive(vector)] = None
    return [list(vector) for vector in found]


def _orthogonal(rows: list[list[int]]) -> list[list[Fraction]]:
    """Return orthogonal vectors that span ``rows`` (Gram-Schmidt)."""
    basis: list[list[Fraction]] = []
    for row in rows:
        vector = [Fraction(c) for c in row]
        for other in basis:
            factor = _dot(vector, other) / _dot(other, other)
            vector = [a - factor * b for a, b in zip(vector, other)]
        if any(vector):
            basis.append(vector)
    return basis


def _minus(vector: list[Fraction], other: list[Fraction], n: int) -> list[Fraction]:
    """Subtract the projection of unit vector ``n`` on ``other``."""
    factor = other[n] / _dot(other, other)
    return [a - factor * b for a, b in zip(vector, other)]


def _dot(a: list[Fraction], b: list[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b)), Fraction(0))


def _primitive(vector: list[Fraction]) -> tuple[int, ...]:
    scale = lcm(*(c.denominator for c in vector))
    whole = [int(c * scale) for c in vector]
    common = gcd(*whole)
    return tuple(c // common for c in whole)


def rank(rows: list[list[int]]) -> int:
    """Return how many of the rows are independent."""
    return len(_orthogonal(rows))
