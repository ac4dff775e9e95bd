"""Which leaf of a tree makes each access of the program, and where that leaf stands.

A statement that reads through a pack does not touch the packed array: the pack's copy does, once
per iteration of the pack's loop. So each access has a *chain* of leaves: the statement's own leaf,
then copies, and the last of them, the *carrier*, touches memory.

    C reads B[k, n]        pack B at C.kc as Bp        C.expr loads Bp; Bp.expr loads B
                                                       chain (C, Bp), carrier Bp
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from loopstack.ir.expr import Load, loads
from loopstack.ir.loop_tree import Leaf, Loop, Node, Prefetch, Tree
from loopstack.ir.program import Access, Program, Statement
from loopstack.poly.intervals import Interval
from loopstack.poly.ranges import loop_ranges


@dataclass(frozen=True)
class Place:
    """A leaf, the loops above it, and its position in each body on the way down from the root."""

    leaf: Leaf
    loops: tuple[Loop, ...]
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Touch:
    """One access of the program as the tree makes it.

    ``access`` is over statement indices; ``local`` is the same access over the carrier's loops.
    """

    statement: Statement
    access: Access
    is_write: bool
    chain: tuple[Place, ...]
    local: Access

    @property
    def carrier(self) -> Place:
        return self.chain[-1]


def places(tree: Tree) -> dict[str, Place]:
    """Return the place of every leaf, by statement (or pack) name, in tree order."""
    found: dict[str, Place] = {}
    _collect(tree.body, (), (), found)
    return found


def _collect(
    nodes: Sequence[Node], loops: tuple[Loop, ...], at: tuple[int, ...], found: dict[str, Place]
) -> None:
    for number, node in enumerate(nodes):
        if isinstance(node, Leaf):
            found[node.statement] = Place(node, loops, (*at, number))
        elif not isinstance(node, Prefetch):
            _collect(node.body, (*loops, node), (*at, number), found)


def shared_loops(a: Place, b: Place) -> tuple[Loop, ...]:
    """Return the loops above both places, outermost first."""
    count = 0
    for mine, other in zip(a.loops, b.loops):
        if mine is not other:
            break
        count += 1
    return a.loops[:count]


def stands_before(a: Place, b: Place) -> bool:
    """Tell whether ``a`` comes first in the body where the two places part."""
    depth = len(shared_loops(a, b))
    return a.positions[depth] < b.positions[depth]


class View:
    """A tree with everything that order proofs ask for, computed once."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.program: Program = tree.program
        self.places = places(tree)
        self.buffers = {b.array.name: b for b in tree.buffers if not b.private}
        self.private = {b.array.name: b for b in tree.buffers if b.private}
        self._ranges: dict[str, dict[str, Interval]] = {}

    def ranges(self, place: Place) -> dict[str, Interval]:
        """Return the range of every loop above ``place``, as its leaf sees them."""
        key = place.leaf.statement
        if key not in self._ranges:
            self._ranges[key] = loop_ranges(place.loops, place.leaf.constraints)
        return self._ranges[key]

    @cached_property
    def touches(self) -> list[Touch]:
        """Every access of program arrays in memory; local arrays made by compute_at are not."""
        return [t for s in self.program.statements for t in self.touches_of(s)]

    def touches_of(self, statement: Statement) -> list[Touch]:
        """Every access of one statement in memory."""
        place = self.places.get(statement.name)
        if place is None:
            return []
        found = []
        if statement.write.array not in self.buffers:
            found.append(Touch(statement, statement.write, True, (place,), place.leaf.write))
        seen: set[tuple[Load, Load]] = set()
        for original, local in zip(loads(statement.expr), loads(place.leaf.expr)):
            if original.array in self.buffers or (original, local) in seen:
                continue
            seen.add((original, local))
            found.append(self._read(statement, original, local, (place,)))
        return found

    def _read(
        self, statement: Statement, original: Load, local: Load, chain: tuple[Place, ...]
    ) -> Touch:
        if local.array in self.buffers:
            copy = self.places[local.array]
            (inner,) = loads(copy.leaf.expr)
            return self._read(statement, original, inner, (*chain, copy))
        access = Access(original.array, original.subscripts)
        return Touch(statement, access, False, chain, Access(local.array, local.subscripts))

    def private_depth(self, array: str) -> int:
        """Return how many loops have an iteration in common where a copy of ``array`` is shared."""
        return self.depth_of_buffer(array) if array in self.private else 0

    def depth_of_buffer(self, name: str) -> int:
        """Return how many loops stand around the place where buffer ``name`` is filled."""
        loop = {**self.buffers, **self.private}[name].loop
        if loop is None:
            return 0
        for place in self.places.values():
            for depth, above in enumerate(place.loops):
                if above.name == loop:
                    return depth + 1
        raise KeyError(loop)
