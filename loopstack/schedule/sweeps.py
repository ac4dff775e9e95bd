"""Sweeps over time: a sequential loop around nests that update whole arrays from neighbours.

    for t: { for i: for j: B(t, i, j);  for i: for j: A(t, i, j) }

:func:`find_sweeps` recognises them, with the distances of all dependences; from these follow the
shifts and skews after which time and space can be tiled alike: every dependence then goes forward
along each of the loops.

    element written at i, read at i + 1 in the same step      the reader is shifted by 1
    element read at i - 1 one step later                      space is skewed by 1 + the shifts
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loopstack.ir.affine import Affine
from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Tree

Subscripts = tuple[Affine, ...]
MOST_STATEMENTS = 8


@dataclass(frozen=True)
class Sweep:
    """One nest: a statement and its space loops, outermost first; None stands for one iteration."""

    leaf: Leaf
    loops: tuple[str | None, ...]

    @property
    def name(self) -> str:
        return self.leaf.statement

    def touches(self) -> Iterator[tuple[str, Subscripts, bool]]:
        """Yield (array, subscripts over loops, whether it is written)."""
        yield self.leaf.write.array, self.leaf.write.subscripts, True
        for load in dict.fromkeys(loads(self.leaf.expr)):
            yield load.array, load.subscripts, False


@dataclass(frozen=True)
class Sweeps:
    """A time loop, its nests in text order, and how many of the outer space loops to tile.

    ``shifts[k][n]`` is how far nest n runs behind along space loop k, ``skews[k]`` how far that
    loop moves each time step.
    """

    time: str
    nests: tuple[Sweep, ...]
    tiled: int
    shifts: tuple[tuple[int, ...], ...]
    skews: tuple[int, ...]

    @property
    def names(self) -> set[str]:
        return {nest.name for nest in self.nests}


def find_sweeps(tree: Tree) -> list[Sweeps]:
    """Return the outermost loops of a tree that are sweeps over time."""
    found = []
    for node in tree.body:
        if isinstance(node, Loop) and node.kind == "seq" and node.extent is None:
            sweeps = _sweeps(node)
            if sweeps is not None:
                found.append(sweeps)
    return found


def _sweeps(time: Loop) -> Sweeps | None:
    chains = [_chain(node) for node in time.body if isinstance(node, Loop)]
    if not 0 < len(chains) == len(time.body) <= MOST_STATEMENTS or None in chains:
        return None
    known = [chain for chain in chains if chain is not None]
    depth = max(len(loops) for loops, _ in known)
    nests = tuple(Sweep(leaf, (None,) * (depth - len(loops)) + loops) for loops, leaf in known)
    tiled = max(depth - 1, 1)
    moves = [_moves(time.name, nests, dim) for dim in range(tiled)]
    kept = [move for move in moves if move is not None]
    if len(kept) < tiled or not any(skew for _, skew in kept):
        return None
    return Sweeps(time.name, nests, tiled, tuple(s for s, _ in kept), tuple(f for _, f in kept))


def _chain(node: Loop) -> tuple[tuple[str, ...], Leaf] | None:
    """Return the loops and the leaf of a perfect nest of plain loops."""
    names: list[str] = []
    inner: object = node
    while isinstance(inner, Loop):
        if len(inner.body) > 1 or inner.kind != "seq" or inner.extent is not None:
            return None
        names.append(inner.name)
        inner = inner.body[0]
    if not isinstance(inner, Leaf):
        return None
    anew = inner.reduction is not None and inner.reduction.init == "identity"
    return None if anew else (tuple(names), inner)


# ---- distances ----------------------------------------------------------------------------------
def _moves(time: str, nests: tuple[Sweep, ...], dim: int) -> tuple[tuple[int, ...], int] | None:
    """Return (shift of every nest, skew) along one space loop; None when distances vary."""
    gaps: dict[tuple[int, int], set[int]] = {}
    for p, first in enumerate(nests):
        for q, second in enumerate(nests[p:], p):
            found = _gaps(time, first, second, dim)
            if found is None:
                return None
            gaps[p, q] = found
    shifts = [0] * len(nests)
    for q in range(len(nests)):
        shifts[q] = max([0, *(shifts[p] - g for p in range(q) for g in gaps[p, q])])
    skew = 0
    for (p, q), found in gaps.items():
        back = [g + shifts[q] - shifts[p] for g in found]
        skew = max([skew, *back, *(map(abs, back) if p == q else ())])
    return tuple(shifts), skew


def _gaps(time: str, first: Sweep, second: Sweep, dim: int) -> set[int] | None:
    """Return by how much instances of ``second`` on an element of ``first`` are ahead."""
    found: set[int] = set()
    for array, mine, writes in first.touches():
        for other_array, other, also_writes in second.touches():
            if array != other_array or not (writes or also_writes):
                continue
            if any(time in form.names for form in (*mine, *other)):
                return None
            gap = _gap(first.loops[dim], mine, second.loops[dim], other)
            if gap is None:
                return None
            found.add(gap)
    return found


def _gap(
    loop: str | None, mine: Subscripts, other_loop: str | None, other: Subscripts
) -> int | None:
    """Return the distance along a loop that equal subscripts force; None when they do not."""
    if loop is None and other_loop is None:
        return 0
    for left, right in zip(mine, other):
        a, b = _offset(left, loop), _offset(right, other_loop)
        if a is not None and b is not None:
            return a - b
    return None


def _offset(form: Affine, loop: str | None) -> int | None:
    """Return c of a subscript ``loop + c``, or of a constant c where the loop runs once."""
    wanted = () if loop is None else ((loop, 1),)
    return form.const if form.terms == wanted else None
