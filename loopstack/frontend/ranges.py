"""Ranges of affine forms over boxes whose extents are forms over sizes.

Everything here is plain arithmetic on forms: sizes (``$n``) are unknown integers >= 0, an index
with extent X runs over 0 .. X - 1. ``p - d * floor(p / d)`` is recognised as a remainder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loopstack.ir.affine import ZERO, Affine, Atom, FloorDiv

Extents = Mapping[str, Affine]


@dataclass(frozen=True)
class Remainder:
    """``factor * (numerator mod divisor)``, a part of a form."""

    numerator: Affine
    divisor: int
    factor: int

    @property
    def low(self) -> int:
        return min(0, self.factor * (self.divisor - 1))

    @property
    def high(self) -> int:
        return max(0, self.factor * (self.divisor - 1))


def split_remainders(form: Affine) -> tuple[Affine, list[Remainder]]:
    """Return ``form`` as a rest plus remainders, taking out those that simplify it."""
    if all(isinstance(atom, str) for atom, _ in form.terms):
        return form, []
    found: list[Remainder] = []
    for atom, coefficient in form.terms:
        if isinstance(atom, FloorDiv) and coefficient % atom.divisor == 0:
            factor = -coefficient // atom.divisor
            whole = Affine(((atom, atom.divisor),), 0)
            rest = form - (atom.numerator - whole) * factor
            if rest.names.isdisjoint(atom.numerator.names):
                found.append(Remainder(atom.numerator, atom.divisor, factor))
                form = rest
    return form, found


def at_least_zero(form: Affine) -> bool:
    """Return whether a form over sizes is provably >= 0 for all sizes >= 0."""
    rest, remainders = split_remainders(form)
    if rest.const + sum(r.low for r in remainders) < 0:
        return False
    return all(_term_at_least_zero(atom, c) for atom, c in rest.terms)


def _term_at_least_zero(atom: Atom, coefficient: int) -> bool:
    if coefficient < 0:
        return False
    return isinstance(atom, str) or at_least_zero(atom.numerator)


def never(form: Affine) -> bool:
    """Return whether ``form == 0`` can hold for no sizes (the constant part alone decides)."""
    return at_least_zero(form - 1) or at_least_zero(-form - 1)


def span(form: Affine, extents: Extents) -> tuple[Affine, Affine]:
    """Return the least and the largest value over the box, as forms over sizes.

    Raises KeyError when an index has no extent.
    """
    rest, remainders = split_remainders(form)
    low = Affine((), rest.const + sum(r.low for r in remainders))
    high = Affine((), rest.const + sum(r.high for r in remainders))
    for atom, coefficient in rest.terms:
        least, most = _atom_span(atom, extents)
        if coefficient < 0:
            least, most = most, least
        low, high = low + least * coefficient, high + most * coefficient
    return low, high


def _atom_span(atom: Atom, extents: Extents) -> tuple[Affine, Affine]:
    if isinstance(atom, FloorDiv):
        low, high = span(atom.numerator, extents)
        return low // atom.divisor, high // atom.divisor
    if atom.startswith("$"):
        size = Affine(((atom, 1),), 0)
        return size, size
    return ZERO, extents[atom] - 1


UNBOUNDED = object()
"""The subscript never leaves the array on account of this index."""


def largest_extent(subscript: Affine, token: str, size: Affine, extents: Extents) -> object:
    """Return the largest extent of ``token`` that keeps ``0 <= subscript < size``.

    The other indices of the subscript have ``extents``. Returns a form, UNBOUNDED, or None when
    the subscript is too complicated to be solved.
    """
    rest, remainders = split_remainders(subscript)
    if any(token in r.numerator.names for r in remainders) and token not in rest.names:
        return UNBOUNDED
    divisions = [atom for atom, _ in subscript.terms if isinstance(atom, FloorDiv)]
    inside = [atom for atom in divisions if token in atom.numerator.names]
    coefficient = subscript.coefficient(token)
    if not inside:
        return _solve_linear(subscript, token, coefficient, size, extents)
    if len(inside) == 1 and coefficient == 0:
        return _solve_floor(subscript, token, inside[0], size, extents)
    return None


def _solve_linear(
    subscript: Affine, token: str, coefficient: int, size: Affine, extents: Extents
) -> Affine:
    low, high = span(subscript - Affine(((token, coefficient),), 0), extents)
    if coefficient < 0:
        return low // -coefficient + 1
    return (size - 1 - high) // coefficient + 1


def _solve_floor(
    subscript: Affine, token: str, atom: FloorDiv, size: Affine, extents: Extents
) -> Affine | None:
    """Solve ``factor * floor((a * token + r) / d) + rest < size`` for factor > 0 and a > 0."""
    factor = subscript.coefficient(atom)
    inner = atom.numerator.coefficient(token)
    if factor <= 0 or inner <= 0 or any(isinstance(a, FloorDiv) for a, _ in atom.numerator.terms):
        return None
    _, high = span(subscript - Affine(((atom, factor),), 0), extents)
    quotient = (size - 1 - high) // factor
    _, inner_high = span(atom.numerator - Affine(((token, inner),), 0), extents)
    return (quotient * atom.divisor + (atom.divisor - 1) - inner_high) // inner + 1
