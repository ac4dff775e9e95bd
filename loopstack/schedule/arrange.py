"""Put what stands beside each other into another order: arrange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.loop_tree import Tree
from loopstack.schedule.command import Command
from loopstack.schedule.fuse import in_given_order, parts_of
from loopstack.schedule.lookup import ROOT, find_loop
from loopstack.schedule.rewrite import body_at, with_body
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Arrange(Command):
    """Put the parts of a loop's body, or of the whole program, into another order.

    A part is named by any of its statements; ``root`` stands for the place outside all loops.
    Requires: every dependence between two parts that swap is carried by a loop around them.
    Before: ``arrange root -> B, A`` of ``for i: A(i)`` and ``for j: B(j)``
    After:  ``for j: B(j)`` and ``for i: A(i)``
    Raises: ArgumentError when the order does not name each part once.
    """

    keyword: ClassVar[str] = "arrange"
    loop: str
    order: tuple[str, ...]

    @classmethod
    def parse(cls, words: Words) -> Arrange:
        loop = ROOT if words.accept(ROOT) else words.loop()
        words.expect("->")
        order = [words.dotted("a statement")]
        while words.accept(","):
            order.append(words.dotted("a statement"))
        words.end()
        return cls(loop, tuple(order))

    def __str__(self) -> str:
        return f"arrange {self.loop} -> {', '.join(self.order)}"

    def apply(self, tree: Tree) -> Tree:
        path = () if self.loop == ROOT else find_loop(tree, self.loop)
        parts = parts_of(body_at(tree, path))
        if len(parts) < 2:
            raise ArgumentError(f"arrange needs more than one part inside {self.loop}")
        order = in_given_order(parts, self.order, "arrange")
        return with_body(tree, path, tuple(node for part in order for node in part))
