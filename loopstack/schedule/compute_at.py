"""Compute a producer where it is consumed: compute_at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import Expr, Load, loads, rewrite
from loopstack.ir.loop_tree import Buffer, Leaf, Node, Tree
from loopstack.ir.program import Access, Array
from loopstack.poly.intervals import Interval, interval, is_finite
from loopstack.poly.ranges import atom_names, loop_ranges, relax
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import Path, find_leaf, find_loop, is_copy, leaves_below, reads_array
from loopstack.schedule.rewrite import (
    Nodes,
    body_at,
    remove_node,
    substitute_leaf,
    with_body,
    with_leaves,
)
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class ComputeAt(Command):
    """Move a producer into a loop of its consumer, where it computes just what is read below.

    The producer's array becomes a local buffer of one box, filled once per iteration of the loop;
    elements in several boxes are computed again. Schedule the producer's own loops afterwards.
    Requires: what the producer reads is not overwritten before its last recomputation.
    Before: ``for P.i: P[i] = ..`` and ``for C.o: for C.t: .. P[4*o + t]``
    After:  ``for C.o: { for P.i in 0..4: P[i] = ..(4*o + i); for C.t: .. P[t] }``
    Raises: ArgumentError when the array is no temporary, has another writer, is read elsewhere, or
    the producer's loops are split or shared.
    """

    keyword: ClassVar[str] = "compute_at"
    producer: str
    loop: str

    @classmethod
    def parse(cls, words: Words) -> ComputeAt:
        producer, loop = words.dotted("a statement"), words.loop()
        words.end()
        return cls(producer, loop)

    def __str__(self) -> str:
        return f"compute_at {self.producer} {self.loop}"

    def apply(self, tree: Tree) -> Tree:
        above, leaf = find_leaf(tree, self.producer)
        target = find_loop(tree, self.loop)
        self._check_array(tree, leaf)
        own = _own_loops(above)
        self._check_places(tree, leaf, above, own, target)
        boxes = _boxes(tree, leaf.write.array, target)
        return _Move(tree, leaf, above, own, target, boxes).tree()

    def _check_array(self, tree: Tree, leaf: Leaf) -> None:
        array = leaf.write.array
        if is_copy(tree, leaf) or any(b.array.name == array for b in tree.buffers):
            raise ArgumentError(f"compute_at has placed {array} already")
        if tree.program.array(array).role != "temporary":
            role = tree.program.array(array).role
            raise ArgumentError(f"compute_at needs a temporary, but {array} is an {role} array")
        require_one_writer(tree, array, "compute_at")

    def _check_places(self, tree: Tree, leaf: Leaf, above: Path, own: Path, target: Path) -> None:
        around = above[: len(above) - len(own)]
        if [loop.name for loop in target[: len(around)]] != [loop.name for loop in around]:
            raise ArgumentError(
                f"compute_at needs loops of {self.producer}'s own, but it shares {around[-1].name}"
            )
        inside = [leaf.statement for leaf in leaves_below(target[-1].body)]
        readers = readers_of(tree, leaf.write.array)
        outside = [name for name in readers if name not in inside]
        if outside or not readers:
            where = f"{outside[0]} reads it outside" if outside else "nothing reads it"
            raise ArgumentError(f"compute_at needs every reader of {leaf.write.array} inside "
                                f"{target[-1].name}, but {where}")  # fmt: skip
        if self.producer in inside:
            raise ArgumentError(f"{self.producer} is inside {target[-1].name} already")


def require_one_writer(tree: Tree, array: str, command: str) -> None:
    """Raise ArgumentError when several statements write ``array``."""
    writers = [s.name for s in tree.program.statements if s.write.array == array]
    if len(writers) > 1:
        raise ArgumentError(f"{command} needs one writer of {array}, found {', '.join(writers)}")


def readers_of(tree: Tree, array: str) -> list[str]:
    """Return the leaves that load from ``array``."""
    return [leaf.statement for leaf in leaves_below(tree.body) if reads_array(leaf, array)]


def _own_loops(above: Path) -> Path:
    """Return the innermost loops of ``above`` that hold one leaf only."""
    count = 0
    for loop in reversed(above):
        if len(loop.body) > 1:
            break
        count += 1
    return above[len(above) - count :]


@dataclass(frozen=True)
class _Box:
    """The elements read in one dimension: ``origin`` (over the loops around) and a count."""

    origin: Affine
    extent: int


def _boxes(tree: Tree, array: str, target: Path) -> list[_Box]:
    """Return the box of ``array`` that the body of the target loop reads."""
    around = frozenset(loop.name for loop in target)
    found: list[list[tuple[Affine, Interval]]] = []
    for name in readers_of(tree, array):
        above, leaf = find_leaf(tree, name)
        ranges = loop_ranges(above, leaf.constraints)
        for load in loads(leaf.expr):
            if load.array == array:
                found.append([_part(form, around, ranges) for form in load.subscripts])
    return [_hull(array, dimension) for dimension in zip(*found)]


def _part(
    form: Affine, around: frozenset[str], ranges: dict[str, Interval]
) -> tuple[Affine, Interval]:
    """Cut a subscript into its part over the loops around, and the interval of the rest."""
    kept = tuple((a, c) for a, c in form.terms if atom_names(a) <= around)
    rest = Affine(tuple((a, c) for a, c in form.terms if not atom_names(a) <= around), form.const)
    return Affine(kept), interval(rest, ranges)


def _hull(array: str, parts: Sequence[tuple[Affine, Interval]]) -> _Box:
    origins = {origin for origin, _ in parts}
    low, high = min(p[1][0] for p in parts), max(p[1][1] for p in parts)
    if len(origins) > 1 or not is_finite((low, high)):
        raise ArgumentError(f"compute_at needs reads of {array} that move together along the loop")
    return _Box(origins.pop() + low, high - low + 1)


@dataclass(frozen=True)
class _Move:
    """The parts of one compute_at, found and checked."""

    old: Tree
    leaf: Leaf
    above: Path
    own: Path
    target: Path
    boxes: Sequence[_Box]

    def tree(self) -> Tree:
        nest = self._nest()
        around = self.above[: len(self.above) - len(self.own)]
        tree = remove_node(self.old, around, self.own[0] if self.own else self.leaf)
        tree = replace(tree, body=with_leaves(tree.body, self._with_local_reads))
        target = find_loop(tree, self.target[-1].name)
        at = _first_reader(target[-1].body, self.leaf.write.array)
        body = body_at(tree, target)
        tree = with_body(tree, target, (*body[:at], nest, *body[at:]))
        old = self.old.program.array(self.leaf.write.array)
        shape = tuple(Affine((), box.extent) for box in self.boxes)
        buffer = Buffer(Array(old.name, old.dtype, shape, "temporary"), target[-1].name)
        return replace(tree, buffers=(*tree.buffers, buffer))

    def _nest(self) -> Node:
        """Return the producer's loops, running over the box instead of the domain."""
        extents: dict[str, int] = {}
        values: dict[str, Affine] = {}
        for form, box in zip(self.leaf.write.subscripts, self.boxes):
            loop = self._loop_of(form)
            if loop is None:
                if form != box.origin or box.extent != 1:
                    self._refuse(form)
                continue
            if loop in extents:
                self._refuse(form)
            extents[loop] = box.extent
            values[loop] = box.origin - form.const + form_of(loop)
        node = substitute_leaf(self.leaf, values)
        subscripts = tuple(s - b.origin for s, b in zip(node.write.subscripts, self.boxes))
        bounds = dict.fromkeys((*self._readers_bounds(), *node.constraints))
        write = Access(node.write.array, subscripts)
        node = replace(node, write=write, constraints=tuple(bounds))
        nest: Node = node
        for loop_node in reversed(self.own):
            extent = extents.get(loop_node.name, loop_node.extent)
            nest = replace(loop_node, body=(nest,), extent=extent)
        return nest

    def _readers_bounds(self) -> tuple[Affine, ...]:
        """Return what every reader says about the loops around.

        The producer runs in no iteration in which nothing reads it, and lowering finds the same
        bounds for all statements below the loop.
        """
        around = frozenset(loop.name for loop in self.target)
        shadows = []
        for name in readers_of(self.old, self.leaf.write.array):
            above, leaf = find_leaf(self.old, name)
            shadows.append(relax(above, leaf.constraints, around))
        return tuple(c for c in shadows[0] if all(c in other for other in shadows))

    def _loop_of(self, form: Affine) -> str | None:
        """Return the own loop a write subscript follows, None when it follows no own loop."""
        own = {loop.name: loop for loop in self.own}
        if form.names.isdisjoint(own):
            return None
        if len(form.terms) != 1 or form.terms[0][1] != 1 or form.terms[0][0] not in own:
            self._refuse(form)
        loop = own[str(form.terms[0][0])]
        if loop.extent is not None:
            self._refuse(form)
        return loop.name

    def _refuse(self, form: Affine) -> None:
        raise ArgumentError(
            f"compute_at needs {self.leaf.statement} to write one element a loop iteration in each "
            f"dimension, found subscript {form}; place it before splitting its loops"
        )

    def _with_local_reads(self, leaf: Leaf) -> Leaf:
        array = self.leaf.write.array

        def change(node: Expr) -> Expr:
            if not isinstance(node, Load) or node.array != array:
                return node
            subscripts = tuple(s - b.origin for s, b in zip(node.subscripts, self.boxes))
            return replace(node, subscripts=subscripts)

        return replace(leaf, expr=rewrite(leaf.expr, change))


def _first_reader(body: Nodes, array: str) -> int:
    for number, node in enumerate(body):
        if any(reads_array(leaf, array) for leaf in leaves_below([node])):
            return number
    raise AssertionError(array)
