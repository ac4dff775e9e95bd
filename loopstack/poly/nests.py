"""Statements below their loops, as rows of integers: what the fast test compares.

A nest lists the loops above one leaf and how far they reach, and every index of the statement as
one coefficient a loop and a constant. Equal nests are one object, so that a proof for two of them
is found again by identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from loopstack.ir.affine import Affine
from loopstack.ir.loop_tree import Kind
from loopstack.ir.program import Statement
from loopstack.poly.accesses import Place

UNBOUNDED = 1 << 64
"""Stands for no bound: no loop gets there."""
NESTS_KEPT = 1 << 14
Coefficients = tuple[int, ...]
Loops = tuple[tuple[str, "int | None", Kind], ...]
Binding = tuple[tuple[str, Affine], ...]


Row = tuple[Coefficients, int]
Bounds = dict[Coefficients, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Nest:
    """The loops above a statement, outermost first, and its indices over them.

    ``rows`` has None for an index that is not linear in the loops, and a last row for zero, which
    stands beside the indices: loops without an index are bounded by it. ``limits`` are rows >= 0.
    """

    extents: tuple[int | None, ...]
    kinds: tuple[Kind, ...]
    rows: tuple[Row | None, ...]
    limits: tuple[Row, ...] = ()
    _bounds: dict[tuple[int, int], Bounds] = field(default_factory=dict)

    def bounds(self, number: int, shared: int) -> Bounds:
        """Return what is known of an index beside a form over the first ``shared`` loops.

        The keys are forms; values bound the index minus the form. One form is the index without
        the inner loops. With a limit, there are more: ``j - 64*kb - 64 >= 0`` bounds ``j`` beside
        ``64*kb``.
        """
        known = self._bounds.get((number, shared))
        if known is None:
            known = self._bounds[number, shared] = self._find_bounds(number, shared)
        return known

    def _find_bounds(self, number: int, shared: int) -> Bounds:
        row = self.rows[number]
        if row is None:
            return {}
        coefficients, const = row
        found = {coefficients[:shared]: _shifted(self._reach(coefficients, shared), const)}
        for limit, least in self.limits:
            for sign in (1, -1):
                rest = [a - sign * b for a, b in zip(coefficients, limit)]
                low, high = _shifted(self._reach(rest, shared), const - sign * least)
                if low <= -UNBOUNDED if sign > 0 else high >= UNBOUNDED:
                    continue
                key = tuple(rest[:shared])
                a, b = found.get(key) or self._from_extents(key, coefficients, const)
                # The index is rest + limit, or rest - limit, and limit >= 0.
                found[key] = (max(a, low), b) if sign > 0 else (a, min(b, high))
        return found

    def _from_extents(
        self, key: Coefficients, coefficients: Coefficients, const: int
    ) -> tuple[int, int]:
        """Return the bounds of an index minus a form that extents alone give."""
        shared = len(key)
        rest = [a - b for a, b in zip(coefficients, key)] + list(coefficients[shared:])
        return _shifted(self._reach(rest, 0), const)

    def _reach(self, coefficients: Sequence[int], shared: int) -> tuple[int, int]:
        """Return (least, greatest) of what the loops below the first ``shared`` add to a form."""
        low = high = 0
        for c, extent in zip(coefficients[shared:], self.extents[shared:]):
            if not c:
                continue
            if extent is None:
                return -UNBOUNDED, UNBOUNDED
            if c > 0:
                high += c * (extent - 1)
            else:
                low += c * (extent - 1)
        return low, high


def _shifted(bounds: tuple[int, int], by: int) -> tuple[int, int]:
    low, high = bounds
    return (low + by if low > -UNBOUNDED else low), (high + by if high < UNBOUNDED else high)


def nest_of(place: Place, statement: Statement, limited: bool = False) -> Nest:
    """Return the nest of a leaf, with limits or without; equal ones are one object.

    Limits are the constraints of the leaf that are not the statement's own.
    """
    loops = tuple([(p.name, p.extent, p.kind) for p in place.loops])
    binding = place.leaf.binding
    limits: tuple[Affine, ...] = ()
    if limited:
        bound = dict(binding)
        own = {form.substitute(bound) for form in statement.constraints}
        limits = tuple([form for form in place.leaf.constraints if form not in own])
    return _nest(loops, binding, statement.indices, limits)


@lru_cache(maxsize=NESTS_KEPT)
def _nest(
    loops: Loops, binding: Binding, indices: tuple[str, ...], limits: tuple[Affine, ...]
) -> Nest:
    at = {name: n for n, (name, _, _) in enumerate(loops)}
    bound = dict(binding)
    rows = [_row(bound.get(index), at) for index in indices]
    rows.append(((0,) * len(at), 0))
    kinds, extents = tuple(kind for _, _, kind in loops), tuple(extent for _, extent, _ in loops)
    known = tuple([row for form in limits if (row := _row(form, at)) is not None])
    return Nest(extents, kinds, tuple(rows), known)


def _row(form: Affine | None, at: Mapping[str, int]) -> Row | None:
    """Return a form as coefficients of loops; None when it is not linear in them."""
    if form is None:
        return None
    found = [0] * len(at)
    for atom, c in form.terms:
        if not isinstance(atom, str) or atom not in at:
            return None
        found[at[atom]] = c
    return tuple(found), form.const
