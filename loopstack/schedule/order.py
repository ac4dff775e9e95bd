"""The order of loops and iterations: reorder, interchange, reverse, shift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Tree
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import Path, find_leaf, find_loop, leaves_below
from loopstack.schedule.ranges import constant_range
from loopstack.schedule.rewrite import (
    add_constraint,
    replace_at,
    substitute,
    substitute_leaf,
    with_inside,
    with_leaves,
)
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Reorder(Command):
    """Put loops above a statement into the given order, outermost first.

    Loops that are not listed keep their places. Statements that share the loops move along.
    Requires: a perfect nest from the outermost to the innermost listed loop; the first non-zero
    entry of every dependence's distance, in the new order, is positive.
    Before: ``reorder C n m`` of ``for m: for n: C``
    After:  ``for n: for m: C``
    Raises: ArgumentError for unknown or repeated loops and for an imperfect nest.
    """

    keyword: ClassVar[str] = "reorder"
    statement: str
    order: tuple[str, ...]

    @classmethod
    def parse(cls, words: Words) -> Reorder:
        statement = words.dotted("a statement")
        order = [words.name("a loop of " + statement)]
        while words.peek:
            order.append(words.name("a loop of " + statement))
        return cls(statement, tuple(order))

    def __str__(self) -> str:
        return f"reorder {self.statement} {' '.join(self.order)}"

    def apply(self, tree: Tree) -> Tree:
        names = [find_loop(tree, f"{self.statement}.{i}")[-1].name for i in self.order]
        return permute(tree, names, "reorder", self.statement)


@dataclass(frozen=True)
class Interchange(Command):
    """Swap two loops of a perfect nest.

    Requires: as for reorder.
    Before: ``interchange C.i C.k`` of ``for i: for j: for k: C``
    After:  ``for k: for j: for i: C``
    Raises: ArgumentError for unknown or equal loops and for an imperfect nest.
    """

    keyword: ClassVar[str] = "interchange"
    first: str
    second: str

    @classmethod
    def parse(cls, words: Words) -> Interchange:
        first, second = words.loop(), words.loop()
        words.end()
        return cls(first, second)

    def __str__(self) -> str:
        return f"interchange {self.first} {self.second}"

    def apply(self, tree: Tree) -> Tree:
        paths = sorted((find_loop(tree, self.first), find_loop(tree, self.second)), key=len)
        outer, inner = paths[0][-1].name, paths[1][-1].name
        return permute(tree, [inner, outer], "interchange")


def permute(tree: Tree, order: Sequence[str], command: str, statement: str | None = None) -> Tree:
    """Return the tree with the named loops, all on one path, in the given order."""
    if len(set(order)) < len(order):
        twice = next(name for name in order if order.count(name) > 1)
        raise ArgumentError(f"{command} names the loop {twice} twice")
    path = max((find_loop(tree, name) for name in order), key=len)
    places = [n for n, loop in enumerate(path) if loop.name in order]
    if len(places) < len(order):
        missing = next(n for n in order if n not in [loop.name for loop in path])
        raise ArgumentError(f"{command} needs loops inside each other, but {missing} does not hold "
                            f"{path[-1].name}")  # fmt: skip
    top = places[0]
    require_perfect(path[top:], command)
    by_name = {loop.name: loop for loop in path}
    chain = list(path)
    for place, name in zip(places, order):
        chain[place] = by_name[name]
    body = path[-1].body
    for loop in reversed(chain[top:]):
        body = (with_inside(loop, body),)
    return replace_at(tree, path[: top + 1], body)


def require_perfect(path: Path, command: str) -> None:
    """Raise ArgumentError unless each loop of ``path`` holds the next one and nothing else."""
    for loop, inner in pairwise(path):
        if len(loop.body) > 1:
            others_below = leaves_below([node for node in loop.body if node is not inner])
            beside = [leaf.statement for leaf in others_below]
            others = ", ".join(beside) or "a prefetch"
            raise ArgumentError(
                f"{command} needs a perfect nest, but {others} stands beside {inner.name} "
                f"inside {loop.name}"
            )


@dataclass(frozen=True)
class Reverse(Command):
    """Run a loop from its last iteration to its first.

    Requires: no dependence is carried by the loop.
    Before: ``for i in 0..n: S(i)``
    After:  ``for i in 0..n: S(n - 1 - i)``
    Raises: ArgumentError when the loop's range has no constant bounds.
    """

    keyword: ClassVar[str] = "reverse"
    loop: str

    @classmethod
    def parse(cls, words: Words) -> Reverse:
        loop = words.loop()
        words.end()
        return cls(loop)

    def __str__(self) -> str:
        return f"reverse {self.loop}"

    def apply(self, tree: Tree) -> Tree:
        path = find_loop(tree, self.loop)
        loop = path[-1]
        low, high = constant_range(tree, path, "reverse")
        mirrored = {loop.name: low + high - form_of(loop.name)}
        return replace_at(tree, path, (replace(loop, body=substitute(loop.body, mirrored)),))


@dataclass(frozen=True)
class Shift(Command):
    """Delay one statement by a number of iterations of a loop, also a loop it shares.

    Requires: each dependence of the statement still goes forward once its distance along the loop
    has grown (as a target) or shrunk (as a source) by ``by``.
    Before: ``for i: { A(i); B(i) }``
    After:  ``for i: { A(i); B(i - by) }``  (`shift B.i by`), B where its own range allows
    Raises: ArgumentError when the statement reads a buffer that is filled once per iteration of the
    loop.
    """

    keyword: ClassVar[str] = "shift"
    loop: str
    by: int

    @classmethod
    def parse(cls, words: Words) -> Shift:
        loop, by = words.loop(), words.integer("a number of iterations")
        words.end()
        return cls(loop, by)

    def __str__(self) -> str:
        return f"shift {self.loop} {self.by}"

    def apply(self, tree: Tree) -> Tree:
        path = find_loop(tree, self.loop)
        loop = path[-1]
        statement = self.loop.rpartition(".")[0]
        below = [leaf.statement for leaf in leaves_below(loop.body)]
        if statement not in below:
            if len(below) > 1:
                raise ArgumentError(
                    f"shift moves one statement; name one of {', '.join(below)} instead of "
                    f"{statement}"
                )
            statement = below[0]
        return shift_statement(tree, path, statement, self.by)


def shift_statement(tree: Tree, path: Path, statement: str, by: int) -> Tree:
    """Return the tree with one leaf below ``path`` delayed along the last loop of ``path``."""
    loop = path[-1]
    leaf = find_leaf(tree, statement)[1]
    local = {b.array.name for b in tree.buffers}
    used = {load.array for load in loads(leaf.expr)} | {leaf.write.array}
    if used & local:
        name = sorted(used & local)[0]
        raise ArgumentError(f"shift would part {statement} from its buffer {name}; shift first")
    moved = {loop.name: form_of(loop.name) - by}
    body = loop.body
    if loop.extent is not None:
        body = add_constraint(add_constraint(body, form_of(loop.name)),
                              loop.extent - 1 - form_of(loop.name))  # fmt: skip

    def change(other: Leaf) -> Leaf:
        return substitute_leaf(other, moved) if other.statement == statement else other

    shifted = replace(loop, body=with_leaves(body, change), extent=None)
    return replace_at(tree, path, (shifted,))
