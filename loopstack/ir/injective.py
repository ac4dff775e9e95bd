"""Which loops the element of an access tells: proofs that different iterations touch others.

Subscripts, and what they tell:

    C[m, n]                  tells m and n
    C[4*mo + mi]             tells both, where mi runs from 0 to 3: they are digits of a number
    C[c, a - c]              tells c, and then a
    C[w - k]                 tells neither
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from loopstack.ir.affine import Affine, Atom, FloorDiv

Terms = Sequence[tuple[Atom, int]]
Spread = Callable[[Terms], int | None]
"""How far apart two values of a sum are at most; None when nothing bounds it."""


def loops_told(
    subscripts: Sequence[Affine], spread: Spread, given: Collection[str] = ()
) -> frozenset[str]:
    """Return the names that values of ``subscripts`` determine, once those ``given`` are known.

    A proof may fail where a name is determined; it never succeeds where it is not.
    """
    known: set[Atom] = set(given)
    before = -1
    while len(known) > before:
        before = len(known)
        for form in subscripts:
            known |= _digits(form, known, spread)
    return frozenset(atom for atom in known if isinstance(atom, str))


def _digits(form: Affine, known: Collection[Atom], spread: Spread) -> set[Atom]:
    """Return the atoms that a subscript tells, read as a number: ``512*a + 12*b + c``."""
    waiting = [term for term in form.terms if not _is_known(term[0], known)]
    waiting.sort(key=lambda term: -abs(term[1]))
    told: set[Atom] = set()
    for place, (atom, factor) in enumerate(waiting):
        rest = spread(waiting[place + 1 :])
        if rest is None or rest >= abs(factor):
            break
        told.add(atom)
    return told


def _is_known(atom: Atom, known: Collection[Atom]) -> bool:
    if atom in known:
        return True
    return isinstance(atom, FloorDiv) and all(_is_known(n, known) for n in atom.numerator.names)


def spread_within(constraints: Iterable[Affine]) -> Spread:
    """Return the spread of sums of names that constraints (forms >= 0) put between constants."""
    extents = _constant_extents(constraints)

    def spread(terms: Terms) -> int | None:
        if any(atom not in extents for atom, _ in terms):
            return None
        return sum(abs(factor) * max(extents[str(atom)] - 1, 0) for atom, factor in terms)

    return spread


def _constant_extents(constraints: Iterable[Affine]) -> dict[str, int]:
    """Return how many values each name has that constraints put between constants."""
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    for form in constraints:
        name, factor = form.terms[0] if len(form.terms) == 1 else (None, 0)
        if not isinstance(name, str):
            continue
        if factor > 0:
            low[name] = max(low.get(name, -(form.const // factor)), -(form.const // factor))
        else:
            high[name] = min(high.get(name, form.const // -factor), form.const // -factor)
    return {name: max(high[name] - low[name] + 1, 0) for name in low.keys() & high.keys()}
