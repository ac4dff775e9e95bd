"""Quasi-affine integer forms over named loops, statement indices and sizes.

An :class:`Affine` is ``const + sum(coefficient * atom)``. An atom is a name (``str``) or a
:class:`FloorDiv`. Size parameters carry a leading ``$`` so that a size and an index may share a
letter: index ``m`` runs below size ``$m``. Forms are immutable, hashable and kept in a canonical
order, so two equal forms compare equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Union


@dataclass(frozen=True, order=True)
class FloorDiv:
    """``floor(numerator / divisor)`` with a positive integer divisor."""

    numerator: Affine
    divisor: int

    def __str__(self) -> str:
        return f"floordiv({self.numerator}, {self.divisor})"


Atom = Union[str, FloorDiv]
AffineLike = Union["Affine", int, str]


class _Fields(NamedTuple):
    terms: tuple[tuple[Atom, int], ...] = ()
    const: int = 0


class Affine(_Fields):
    """An immutable quasi-affine form; build it with :func:`affine` and arithmetic operators.

    Invariant: terms are sorted and no coefficient is 0 (``Affine.of`` makes it so). It is a tuple,
    (terms, const), because a compile makes a thousand of them and nothing is made faster.
    """

    # ---- construction -------------------------------------------------------------------------
    @staticmethod
    def of(terms: Mapping[Atom, int] | Iterable[tuple[Atom, int]], const: int = 0) -> Affine:
        """Return the canonical form of ``const + sum(terms)``."""
        collected: dict[Atom, int] = {}
        for atom, coefficient in terms.items() if isinstance(terms, Mapping) else terms:
            collected[atom] = collected.get(atom, 0) + coefficient
        return _canonical(collected, const)

    # ---- arithmetic ---------------------------------------------------------------------------
    def __add__(self, other: AffineLike) -> Affine:  # type: ignore[override]
        return _sum(self, affine(other), 1)

    __radd__ = __add__

    def __neg__(self) -> Affine:
        return _form(tuple([(a, -c) for a, c in self.terms]), -self.const)

    def __sub__(self, other: AffineLike) -> Affine:
        return _sum(self, affine(other), -1)

    def __rsub__(self, other: AffineLike) -> Affine:
        return _sum(affine(other), self, -1)

    def __mul__(self, factor: int) -> Affine:  # type: ignore[override]
        if factor == 0:
            return ZERO
        return _form(tuple([(a, c * factor) for a, c in self.terms]), self.const * factor)

    __rmul__ = __mul__  # type: ignore[assignment]

    def __floordiv__(self, divisor: int) -> Affine:
        """Return floor(self / divisor) for a positive divisor, simplified where exact."""
        if divisor <= 0:
            raise ValueError(f"divisor must be positive, got {divisor}")
        if divisor == 1:
            return self
        whole = tuple([(a, c // divisor) for a, c in self.terms if c % divisor == 0])
        outside = _form(whole, self.const // divisor)
        if len(whole) == len(self.terms):
            return outside
        rest = tuple([(a, c) for a, c in self.terms if c % divisor])
        return outside + _form(((FloorDiv(_form(rest, self.const % divisor), divisor), 1),), 0)

    def __mod__(self, divisor: int) -> Affine:
        return self - (self // divisor) * divisor

    # ---- inspection ---------------------------------------------------------------------------
    def coefficient(self, atom: Atom) -> int:
        """Return the coefficient of ``atom`` outside any division (0 when absent)."""
        for own, coefficient in self.terms:
            if own == atom:
                return coefficient
        return 0

    def without(self, atom: Atom) -> Affine:
        """Return the form with no ``atom`` outside divisions."""
        return _form(tuple([term for term in self.terms if term[0] != atom]), self.const)

    @property
    def is_constant(self) -> bool:
        return not self.terms

    @property
    def names(self) -> frozenset[str]:
        """Every index, loop and size name, also inside divisions."""
        found = [atom for atom, _ in self.terms if atom.__class__ is str]
        if len(found) == len(self.terms):
            return frozenset(found)
        inner = (a.numerator.names for a, _ in self.terms if isinstance(a, FloorDiv))
        return frozenset(found).union(*inner)

    def substitute(self, values: Mapping[str, AffineLike]) -> Affine:
        """Replace names by forms (a name that is not in ``values`` stays)."""
        # One dictionary instead of a sum of forms: schedule commands spend most of their time here.
        collected: dict[Atom, int] = {}
        const = self.const
        changed = False
        for atom, coefficient in self.terms:
            image = _image(atom, values)
            if image is None:
                collected[atom] = collected.get(atom, 0) + coefficient
                continue
            changed = True
            const += coefficient * image.const
            for inner, factor in image.terms:
                collected[inner] = collected.get(inner, 0) + coefficient * factor
        return _canonical(collected, const) if changed else self

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


def _form(terms: tuple[tuple[Atom, int], ...], const: int) -> Affine:
    """Return a form whose terms are canonical already."""
    return _new(Affine, (terms, const))


_new = tuple.__new__  # skips a Python-level constructor


def _sum(left: Affine, right: Affine, sign: int) -> Affine:
    """Return ``left + sign * right``."""
    const = left.const + sign * right.const
    if not right.terms:
        return _form(left.terms, const)
    collected = dict(left.terms)
    for atom, coefficient in right.terms:
        collected[atom] = collected.get(atom, 0) + sign * coefficient
    return _canonical(collected, const)


def _canonical(collected: dict[Atom, int], const: int) -> Affine:
    kept = [term for term in collected.items() if term[1]]
    if len(kept) > 1:
        kept.sort(key=_term_key)
    return _form(tuple(kept), const)


def _term_key(term: tuple[Atom, int]) -> tuple[int, str]:
    atom = term[0]
    return (0, atom) if atom.__class__ is str else (1, str(atom))


def _image(atom: Atom, values: Mapping[str, AffineLike]) -> Affine | None:
    """Return what stands for ``atom`` after a substitution; None when it stays."""
    if atom.__class__ is str:
        return affine(values[atom]) if atom in values else None
    before = atom.numerator  # type: ignore[union-attr]
    after = before.substitute(values)
    return None if after is before else after // atom.divisor  # type: ignore[union-attr]


def name(text: str) -> Affine:
    """Return the form that is just this name."""
    return _form(((text, 1),), 0)


def affine(value: AffineLike) -> Affine:
    """Convert an int, a name or a form to a form."""
    if value.__class__ is Affine:
        return value
    if isinstance(value, str):
        return name(value)
    return _form((), int(value))  # type: ignore[arg-type]


ZERO = Affine((), 0)
ONE = Affine((), 1)
