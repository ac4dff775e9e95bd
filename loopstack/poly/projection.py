"""Remove names from constraints: the shadow of a domain on the names that stay.

Fourier-Motzkin over the integers. The result always holds every point of the true shadow, and says
whether it holds no others. (``loopstack.poly.ranges.relax`` is cheaper, and coarser.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from loopstack.ir.affine import Affine, FloorDiv
from loopstack.ir.affine import name as form_of

Forms = tuple[Affine, ...]


@dataclass(frozen=True)
class Shadow:
    """Constraints (forms >= 0) without the removed names; ``exact``: no point too many."""

    constraints: Forms
    exact: bool


def eliminate(constraints: Sequence[Affine], names: Iterable[str]) -> Shadow:
    """Return the shadow of ``constraints`` on the names not in ``names``.

    Requires: the domain is not empty (constraints on removed names alone are dropped).
    """
    removed = set(names)
    constraints = _without_implied(constraints)
    touched = [c for c in constraints if not c.names.isdisjoint(removed)]
    kept = [c for c in constraints if c.names.isdisjoint(removed)]
    linked = _linked_to_kept(touched, removed)
    system, fresh = _without_divisions(linked, removed)
    exact = True
    pending = (removed | fresh) & set().union(*(c.names for c in system), set())
    while pending:
        victim = min(sorted(pending), key=lambda n: _pair_count(system, n))
        pending.discard(victim)
        system, sharp = _remove(system, victim)
        exact = exact and sharp
    return Shadow(_tidy(kept + system), exact)


def surely_empty(constraints: Sequence[Affine]) -> bool:
    """Tell whether no integers fulfil ``constraints``; False also where that is not proven."""
    system, _ = _without_divisions(list(constraints), set().union(*(c.names for c in constraints)))
    system = list(_tidy(system))
    while not any(c.is_constant and c.const < 0 for c in system):
        names = sorted(set().union(*(c.names for c in system), set()))
        if not names:
            return False
        system, _ = _remove(system, min(names, key=lambda n: _pair_count(system, n)))
    return True


def _without_implied(constraints: Sequence[Affine]) -> list[Affine]:
    """Drop sums of names that are each known not to be negative: ``8*ko + ki`` beside both."""
    positive = {c.terms[0][0] for c in constraints if len(c.terms) == 1 and c.const == 0
                and c.terms[0][1] > 0}  # fmt: skip

    def implied(c: Affine) -> bool:
        return (
            len(c.terms) > 1 and c.const >= 0 and all(k > 0 and a in positive for a, k in c.terms)
        )

    return [c for c in constraints if not implied(c)]


def _linked_to_kept(touched: list[Affine], removed: set[str]) -> list[Affine]:
    """Drop groups of constraints that reach no kept name: they only say the domain is not empty."""
    reached: set[str] = set()
    waiting = touched
    linked: list[Affine] = []
    while True:
        now = [c for c in waiting if not c.names <= removed or not c.names.isdisjoint(reached)]
        if not now:
            return linked
        linked += now
        reached |= set().union(*(c.names for c in now)) & removed
        waiting = [c for c in waiting if c not in now]


def _without_divisions(system: list[Affine], removed: set[str]) -> tuple[list[Affine], set[str]]:
    """Name every floor(f / d) that mentions a removed name: d*q <= f < d*q + d."""
    fresh: dict[FloorDiv, str] = {}
    extra: list[Affine] = []

    def plain(form: Affine) -> Affine:
        terms = [(quotient(a) if isinstance(a, FloorDiv) else a, c) for a, c in form.terms]
        return Affine.of(terms, form.const)

    def quotient(atom: FloorDiv) -> str | FloorDiv:
        if atom.numerator.names.isdisjoint(removed):
            return atom
        if atom not in fresh:
            fresh[atom] = f"floor {len(fresh)}"
            rest = plain(atom.numerator) - form_of(fresh[atom]) * atom.divisor
            extra.extend((rest, atom.divisor - 1 - rest))
        return fresh[atom]

    forms = [plain(form) for form in system]
    return forms + extra, set(fresh.values())


def _pair_count(system: list[Affine], victim: str) -> int:
    signs = [c.coefficient(victim) for c in system]
    return sum(s > 0 for s in signs) * sum(s < 0 for s in signs)


def _remove(system: list[Affine], victim: str) -> tuple[list[Affine], bool]:
    """Combine every lower bound of ``victim`` with every upper bound."""
    lowers = [c for c in system if c.coefficient(victim) > 0]
    uppers = [c for c in system if c.coefficient(victim) < 0]
    rest = [c for c in system if c.coefficient(victim) == 0]
    exact = True
    for low in lowers:
        for high in uppers:
            a, b = low.coefficient(victim), -high.coefficient(victim)
            both = low * b + high * a
            # The dark shadow holds the integer points; it is the real one when a or b is 1.
            gap = (a - 1) * (b - 1)
            exact = exact and (gap == 0 or (both.is_constant and both.const >= gap))
            rest.append(both)
    return list(_tidy(rest)), exact


def _tidy(forms: Iterable[Affine]) -> Forms:
    """Divide by common factors, keep the tightest of parallel constraints, drop the trivial."""
    tightest: dict[tuple[object, ...], Affine] = {}
    for form in forms:
        if form.is_constant and form.const >= 0:
            continue
        factor = gcd(*(c for _, c in form.terms)) or 1
        form = Affine(tuple((a, c // factor) for a, c in form.terms), form.const // factor)
        other = tightest.get(form.terms)
        if other is None or form.const < other.const:
            tightest[form.terms] = form
    return tuple(tightest.values())
