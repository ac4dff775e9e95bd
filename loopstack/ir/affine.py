"""Quasi-affine integer forms over named loops, statement indices and sizes.

An :class:`Affine` is ``const + sum(coefficient * atom)``. An atom is a name (``str``) or a
:class:`FloorDiv`. Size parameters carry a leading ``$`` so that a size and an index may share a
letter: index ``m`` runs below size ``$m``. Forms are immutable, hashable and kept in a canonical
order, so two equal forms compare equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Union


@dataclass(frozen=True, order=True)
class FloorDiv:
    """``floor(numerator / divisor)`` with a positive integer divisor."""

    numerator: Affine
    divisor: int

    def __str__(self) -> str:
        return f"floordiv({self.numerator}, {self.divisor})"


Atom = Union[str, FloorDiv]
AffineLike = Union["Affine", int, str]


@dataclass(frozen=True, order=True)
class Affine:
    """An immutable quasi-affine form; build it with :func:`affine` and arithmetic operators.

    Invariant: terms are sorted and no coefficient is 0 (``Affine.of`` makes it so).
    """

    terms: tuple[tuple[Atom, int], ...] = ()
    const: int = 0

    def __post_init__(self) -> None:
        assert 0 not in [c for _, c in self.terms], self.terms

    # ---- construction -------------------------------------------------------------------------
    @staticmethod
    def of(terms: Mapping[Atom, int] | Iterable[tuple[Atom, int]], const: int = 0) -> Affine:
        """Return the canonical form of ``const + sum(terms)``."""
        collected: dict[Atom, int] = {}
        for atom, coefficient in terms.items() if isinstance(terms, Mapping) else terms:
            collected[atom] = collected.get(atom, 0) + coefficient
        return _canonical(collected, const)

    # ---- arithmetic ---------------------------------------------------------------------------
    def __add__(self, other: AffineLike) -> Affine:
        other = affine(other)
        if not other.terms:
            return Affine(self.terms, self.const + other.const)
        return Affine.of(self.terms + other.terms, self.const + other.const)

    __radd__ = __add__

    def __neg__(self) -> Affine:
        return Affine(tuple((a, -c) for a, c in self.terms), -self.const)

    def __sub__(self, other: AffineLike) -> Affine:
        return self + -affine(other)

    def __rsub__(self, other: AffineLike) -> Affine:
        return affine(other) + -self

    def __mul__(self, factor: int) -> Affine:
        if factor == 0:
            return ZERO
        return Affine(tuple((a, c * factor) for a, c in self.terms), self.const * factor)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Affine:
        """Return floor(self / divisor) for a positive divisor, simplified where exact."""
        if divisor <= 0:
            raise ValueError(f"divisor must be positive, got {divisor}")
        if divisor == 1:
            return self
        whole = {a: c // divisor for a, c in self.terms if c % divisor == 0}
        rest = Affine(tuple((a, c) for a, c in self.terms if c % divisor), self.const % divisor)
        outside = Affine.of(whole, self.const // divisor)
        if not rest.terms:
            return outside
        return outside + Affine(((FloorDiv(rest, divisor), 1),))

    def __mod__(self, divisor: int) -> Affine:
        return self - (self // divisor) * divisor

    # ---- inspection ---------------------------------------------------------------------------
    @cached_property
    def coefficients(self) -> Mapping[Atom, int]:
        return dict(self.terms)

    def coefficient(self, atom: Atom) -> int:
        """Return the coefficient of ``atom`` outside any division (0 when absent)."""
        return self.coefficients.get(atom, 0)

    @property
    def is_constant(self) -> bool:
        return not self.terms

    @cached_property
    def names(self) -> frozenset[str]:
        """Every index, loop and size name, also inside divisions."""
        found = [atom for atom, _ in self.terms if isinstance(atom, str)]
        if len(found) == len(self.terms):
            return frozenset(found)
        inner = (a.numerator.names for a, _ in self.terms if isinstance(a, FloorDiv))
        return frozenset(found).union(*inner)

    def substitute(self, values: Mapping[str, AffineLike]) -> Affine:
        """Replace names by forms (a name that is not in ``values`` stays)."""
        if self.names.isdisjoint(values):
            return self
        # One dictionary instead of a sum of forms: schedule commands spend most of their time here.
        collected: dict[Atom, int] = {}
        const = self.const
        for atom, coefficient in self.terms:
            image = _image(atom, values)
            if image is None:
                collected[atom] = collected.get(atom, 0) + coefficient
                continue
            const += coefficient * image.const
            for inner, factor in image.terms:
                collected[inner] = collected.get(inner, 0) + coefficient * factor
        return _canonical(collected, const)

    def evaluate(self, values: Mapping[str, int]) -> int:
        """Return the integer value; raises KeyError when a name has no value."""
        total = self.const
        for atom, coefficient in self.terms:
            if isinstance(atom, str):
                total += coefficient * values[atom]
            else:
                total += coefficient * (atom.numerator.evaluate(values) // atom.divisor)
        return total

    def map_names(self, rename: Callable[[str], str]) -> Affine:
        return self.substitute({n: name(rename(n)) for n in self.names})

    def __str__(self) -> str:
        parts: list[str] = []
        for atom, coefficient in self.terms:
            sign = "-" if coefficient < 0 else "+"
            size = abs(coefficient)
            parts.append(f"{sign} {atom}" if size == 1 else f"{sign} {size}*{atom}")
        if self.const or not parts:
            parts.append(f"{'-' if self.const < 0 else '+'} {abs(self.const)}")
        text = " ".join(parts)
        return text[2:] if text.startswith("+ ") else "-" + text[2:]


def _canonical(collected: dict[Atom, int], const: int) -> Affine:
    kept = [term for term in collected.items() if term[1]]
    if len(kept) > 1:
        kept.sort(key=_term_key)
    return Affine(tuple(kept), const)


def _term_key(term: tuple[Atom, int]) -> tuple[int, str]:
    atom = term[0]
    return (0, atom) if isinstance(atom, str) else (1, str(atom))


def _image(atom: Atom, values: Mapping[str, AffineLike]) -> Affine | None:
    """Return what stands for ``atom`` after a substitution; None when it stays."""
    if isinstance(atom, str):
        return affine(values[atom]) if atom in values else None
    return atom.numerator.substitute(values) // atom.divisor


def name(text: str) -> Affine:
    """Return the form that is just this name."""
    return Affine(((text, 1),), 0)


def affine(value: AffineLike) -> Affine:
    """Convert an int, a name or a form to a form."""
    if isinstance(value, Affine):
        return value
    if isinstance(value, str):
        return name(value)
    return Affine((), int(value))


ZERO = Affine((), 0)
ONE = Affine((), 1)
