"""Which loops the element of an access tells: proofs that different iterations touch others.

Subscripts, and what they tell:

    C[m, n]                  tells m and n
    C[4*mo + mi]             tells both, where mi runs from 0 to 3: they are digits of a number
    C[c, a - c]              tells c, and then a
    C[w - k]                 tells neither
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from loopstack.ir.affine import Affine, Atom, FloorDiv


def loops_told(
    subscripts: Sequence[Affine], extents: Mapping[str, int | None], given: Collection[str] = ()
) -> frozenset[str]:
    """Return the names that values of ``subscripts`` determine, once those ``given`` are known.

    ``extents`` bounds how many values a name has (None, or absent: no bound is known). A proof may
    fail where a name is determined; it never succeeds where it is not.
    """
    known: set[Atom] = set(given)
    waiting = list(subscripts)
    while True:
        solved = [form for form in waiting if _are_digits(_unknown(form, known), extents)]
        if not solved:
            return frozenset(atom for atom in known if isinstance(atom, str))
        for form in solved:
            known.update(atom for atom, _ in form.terms)
        waiting = [form for form in waiting if form not in solved]


def constant_extents(constraints: Iterable[Affine]) -> dict[str, int]:
    """Return how many values each name has that constraints (forms >= 0) put between constants."""
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


def _unknown(form: Affine, known: Collection[Atom]) -> list[tuple[Atom, int]]:
    return [(atom, factor) for atom, factor in form.terms if not _is_known(atom, known)]


def _is_known(atom: Atom, known: Collection[Atom]) -> bool:
    if atom in known:
        return True
    return isinstance(atom, FloorDiv) and all(_is_known(n, known) for n in atom.numerator.names)


def _are_digits(terms: list[tuple[Atom, int]], extents: Mapping[str, int | None]) -> bool:
    """Tell whether every term is larger than what all smaller ones together can make up for."""
    reach: int | None = 0
    for atom, factor in sorted(terms, key=lambda term: abs(term[1])):
        if reach is None or abs(factor) <= reach:
            return False
        extent = extents.get(atom) if isinstance(atom, str) else None
        reach = None if extent is None else reach + abs(factor) * max(extent - 1, 0)
    return True
