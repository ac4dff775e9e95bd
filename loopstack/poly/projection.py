"""Remove names from constraints: the shadow of a domain on the names that stay.

Fourier-Motzkin over the integers. The result always holds every point of the true shadow, and says
whether it holds no others. (``loopstack.poly.ranges.relax`` is cheaper, and coarser.)

Combinations multiply. One of more than k + 1 constraints, after k names are gone, says nothing new
(Kohler, 1967) and is dropped; so are the longest ones of a system that grows all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from loopstack.ir.affine import Affine, FloorDiv
from loopstack.ir.affine import name as form_of

Forms = tuple[Affine, ...]
Row = tuple[Affine, frozenset[int]]
"""A constraint, and the numbers of those that it is a combination of."""
MOST_ROWS = 120


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
    pending = (removed | fresh) & set().union(*(c.names for c in system), set())
    rows, exact = _combined(system, pending)
    return Shadow(tidy(kept + rows), exact)


def _combined(system: Sequence[Affine], pending: set[str]) -> tuple[list[Affine], bool]:
    """Return ``system`` without the ``pending`` names, and whether that is the exact shadow."""
    rows = _tidy_rows([(form, frozenset((n,))) for n, form in enumerate(system)])
    exact = True
    for done in range(1, len(pending) + 1):
        victim = min(sorted(pending), key=lambda n: _pair_count(rows, n))
        pending = pending - {victim}
        rows, sharp = _remove(rows, victim, done)
        exact = exact and sharp and len(rows) <= MOST_ROWS
        if len(rows) > MOST_ROWS:
            rows = sorted(rows, key=lambda row: len(row[0].terms))[:MOST_ROWS]
    return [form for form, _ in rows], exact


def surely_empty(constraints: Sequence[Affine]) -> bool:
    """Tell whether no integers fulfil ``constraints``; False also where that is not proven."""
    system, _ = _without_divisions(list(constraints), set().union(*(c.names for c in constraints)))
    rows, _ = _combined(system, set().union(*(c.names for c in system), set()))
    return any(form.is_constant and form.const < 0 for form in rows)


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


def _pair_count(rows: list[Row], victim: str) -> int:
    signs = [form.coefficient(victim) for form, _ in rows]
    return sum(s > 0 for s in signs) * sum(s < 0 for s in signs)


def _remove(rows: list[Row], victim: str, done: int) -> tuple[list[Row], bool]:
    """Combine every lower bound of ``victim`` with every upper bound."""
    lowers = [row for row in rows if row[0].coefficient(victim) > 0]
    uppers = [row for row in rows if row[0].coefficient(victim) < 0]
    rest = [row for row in rows if row[0].coefficient(victim) == 0]
    exact = True
    for low, left in lowers:
        for high, right in uppers:
            a, b = low.coefficient(victim), -high.coefficient(victim)
            both = low * b + high * a
            # The dark shadow holds the integer points; it is the real one when a or b is 1.
            gap = (a - 1) * (b - 1)
            exact = exact and (gap == 0 or (both.is_constant and both.const >= gap))
            if len(left | right) <= done + 1:
                rest.append((both, left | right))
    return _tidy_rows(rest), exact


def tidy(forms: Iterable[Affine]) -> Forms:
    """Divide by common factors, keep the tightest of parallel constraints, drop the trivial."""
    return tuple([form for form, _ in _tidy_rows([(form, frozenset()) for form in forms])])


def _tidy_rows(rows: Iterable[Row]) -> list[Row]:
    tightest: dict[tuple[object, ...], Row] = {}
    for form, parts in rows:
        if form.is_constant and form.const >= 0:
            continue
        factor = gcd(*(c for _, c in form.terms)) or 1
        form = Affine(tuple((a, c // factor) for a, c in form.terms), form.const // factor)
        other = tightest.get(form.terms)
        if other is None or (form.const, len(parts)) < (other[0].const, len(other[1])):
            tightest[form.terms] = (form, parts)
    return list(tightest.values())
