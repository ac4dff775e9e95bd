"""Put a loop that runs once around a loop, so that it can join nests that are deeper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopstack.ir.loop_tree import Loop, Tree
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import find_loop, new_loop_name, owner_of
from loopstack.schedule.rewrite import replace_at
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Wrap(Command):
    """Put a loop of one iteration around a loop; a fuse makes it one iteration of another nest.

    Requires: a new name. No dependence forbids it: the order stays the same.
    Before: ``for j: S(j)``
    After:  ``for i in 0 .. 1: for j: S(j)``
    Raises: ArgumentError for an unknown loop or a name that is taken.
    """

    keyword: ClassVar[str] = "wrap"
    loop: str
    name: str

    @classmethod
    def parse(cls, words: Words) -> Wrap:
        loop = words.loop()
        words.expect("->")
        name = words.name()
        words.end()
        return cls(loop, name)

    def __str__(self) -> str:
        return f"wrap {self.loop} -> {self.name}"

    def apply(self, tree: Tree) -> Tree:
        path = find_loop(tree, self.loop)
        name = new_loop_name(tree, owner_of(path[-1]), self.name)
        return replace_at(tree, path, (Loop(name, (path[-1],), 1),))
