"""How a loop runs: unroll, vectorize, parallelize."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.loop_tree import Kind, Loop, Node, Tree
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import Path, find_loop
from loopstack.schedule.ranges import box_range
from loopstack.schedule.rewrite import replace_at
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class _Mark(Command):
    """A command that names one loop and gives it a kind."""

    loop: str
    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, words: Words) -> _Mark:
        loop = words.loop()
        words.end()
        return cls(loop)

    def __str__(self) -> str:
        return f"{self.keyword} {self.loop}"

    def apply(self, tree: Tree) -> Tree:
        path = find_loop(tree, self.loop)
        self.check(tree, path)
        return replace_at(tree, path, (replace(path[-1], kind=self.kind),))

    def check(self, tree: Tree, path: Path) -> None:
        loop = path[-1]
        if loop.kind not in ("seq", self.kind):
            raise ArgumentError(
                f"{self.keyword} needs a plain loop, but {loop.name} is {loop.kind}"
            )


@dataclass(frozen=True)
class Unroll(_Mark):
    """Write out every iteration of a loop in the generated code.

    Requires: a constant range. No dependence forbids it: the order stays the same.
    Before: ``for u in 0..4: S(u)``
    After:  ``S(0); S(1); S(2); S(3)``
    Raises: ArgumentError when the range depends on other loops.
    """

    keyword: ClassVar[str] = "unroll"
    kind: ClassVar[Kind] = "unroll"

    def check(self, tree: Tree, path: Path) -> None:
        super().check(tree, path)
        box_range(path[-1], "unroll")


@dataclass(frozen=True)
class Vectorize(_Mark):
    """Run the iterations of a loop as lanes of vector instructions.

    A loop without a constant extent is taken in chunks. On a reduction loop the lanes are partial
    results, folded at the end.
    Requires: the loop carries no dependence, but for the updates of a reduction that may be
    regrouped; no buffer is filled inside it.
    Before: ``for v in 0..8: S(v)``
    After:  ``S(0..7)`` at once
    Raises: ArgumentError when the loop is of another kind already or holds a pack.
    """

    keyword: ClassVar[str] = "vectorize"
    kind: ClassVar[Kind] = "vector"

    def check(self, tree: Tree, path: Path) -> None:
        super().check(tree, path)
        filled = {b.loop: b.array.name for b in tree.buffers if b.loop is not None}
        for name in loop_names(path[-1]):
            if name in filled:
                raise ArgumentError(
                    f"vectorize cannot hold {filled[name]}, a buffer filled inside {path[-1].name}"
                )


@dataclass(frozen=True)
class Parallelize(_Mark):
    """Share the iterations of a loop between threads.

    Requires: the loop carries no dependence, updates of a reduction included.
    Before: ``for i: S(i)``
    After:  ``parallel for i: S(i)``
    Raises: ArgumentError when the loop is of another kind already.
    """

    keyword: ClassVar[str] = "parallelize"
    kind: ClassVar[Kind] = "parallel"


def loop_names(node: Node) -> list[str]:
    """Return the names of a loop and all loops inside it."""
    if not isinstance(node, Loop):
        return []
    return [node.name, *(name for n in node.body for name in loop_names(n))]
