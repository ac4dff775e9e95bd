"""Statements below their loops, as rows of integers: what the fast test compares.

A nest lists the loops above one leaf and how far they reach, and every index of the statement as
one coefficient a loop and a constant. Equal nests are one object, so that a proof for two of them
is found again by identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from loopstack.ir.affine import Affine
from loopstack.ir.loop_tree import Kind
from loopstack.poly.accesses import Place

UNBOUNDED = 1 << 64
"""Stands for no bound: no loop gets there."""
NESTS_KEPT = 1 << 14
Coefficients = tuple[int, ...]
Loops = tuple[tuple[str, "int | None", Kind], ...]
Binding = tuple[tuple[str, Affine], ...]


@dataclass(frozen=True, eq=False)
class Nest:
    """The loops above a statement, outermost first, and its indices over them.

    ``rows`` has None for an index that is not linear in the loops.
    """

    extents: tuple[int | None, ...]
    kinds: tuple[Kind, ...]
    rows: tuple[tuple[Coefficients, int] | None, ...]

    @staticmethod
    def over(loops: Loops, binding: Binding, indices: tuple[str, ...]) -> Nest:
        at = {name: n for n, (name, _, _) in enumerate(loops)}
        bound = dict(binding)
        rows: list[tuple[Coefficients, int] | None] = []
        for index in indices:
            form = bound.get(index)
            terms = form.terms if form is not None else ()
            if form is None or any(not isinstance(a, str) or a not in at for a, _ in terms):
                rows.append(None)
                continue
            found = [0] * len(at)
            for atom, c in terms:
                found[at[atom]] = c  # type: ignore[index]
            rows.append((tuple(found), form.const))
        return Nest(tuple(p[1] for p in loops), tuple(p[2] for p in loops), tuple(rows))

    def inside(self, number: int, shared: int) -> tuple[int, int]:
        """Return (least, greatest) of what the loops below the first ``shared`` add to a row."""
        row = self.rows[number]
        assert row is not None
        low = high = row[1]
        for c, extent in zip(row[0][shared:], self.extents[shared:]):
            if not c:
                continue
            if extent is None:
                return -UNBOUNDED, UNBOUNDED
            if c > 0:
                high += c * (extent - 1)
            else:
                low += c * (extent - 1)
        return low, high


def nest_of(place: Place, indices: tuple[str, ...]) -> Nest:
    """Return the nest of a leaf; equal ones are one object."""
    loops = tuple([(p.name, p.extent, p.kind) for p in place.loops])
    return _nest(loops, place.leaf.binding, indices)


@lru_cache(maxsize=NESTS_KEPT)
def _nest(loops: Loops, binding: Binding, indices: tuple[str, ...]) -> Nest:
    return Nest.over(loops, binding, indices)
