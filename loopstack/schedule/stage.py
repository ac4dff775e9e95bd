"""Keep written elements close: stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

from loopstack.errors import ArgumentError
from loopstack.ir.loop_tree import Leaf, Stage, Tree
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import find_loop, leaves_below
from loopstack.schedule.rewrite import Nodes
from loopstack.schedule.words import Words

Space = Literal["registers", "local"]


@dataclass(frozen=True)
class StageCommand(Command):
    """Keep the elements a statement writes below a loop in registers or a local buffer.

    Once per iteration of the loop: load (or start a sum at its identity), run, store.
    Requires: while the statement's part of the body runs, nothing else touches those elements.
    Before: ``for m: for k: C[m] += ..``
    After:  ``for m: { r = C[m]; for k: r += ..; C[m] = r }``  (`stage C at C.m in registers`)
    Raises: ArgumentError when the array is not written below the loop, or is staged already.
    """

    keyword: ClassVar[str] = "stage"
    array: str
    loop: str
    space: Space

    @classmethod
    def parse(cls, words: Words) -> StageCommand:
        array = words.dotted("an array")
        words.expect("at")
        loop = words.loop()
        words.expect("in")
        space = cast(Space, words.choice("registers", "local"))
        words.end()
        return cls(array, loop, space)

    def __str__(self) -> str:
        return f"stage {self.array} at {self.loop} in {self.space}"

    def apply(self, tree: Tree) -> Tree:
        loop = find_loop(tree, self.loop)[-1]
        leaf = self._writer(loop.body)
        if any(s.statement == leaf.statement for s in tree.stages):
            raise ArgumentError(f"{leaf.statement} is staged already")
        made = Stage(leaf.statement, leaf.write.array, loop.name, self.space)
        return replace(tree, stages=(*tree.stages, made))

    def _writer(self, body: Nodes) -> Leaf:
        """Return the leaf to stage: the addressed statement if it writes the array."""
        below = leaves_below(body)
        found = [leaf for leaf in below if self.array in (leaf.write.array, leaf.statement)]
        named = [leaf for leaf in found if leaf.statement == self.loop.rpartition(".")[0]]
        if named or len(found) == 1:
            return (named or found)[0]
        if found:
            names = ", ".join(leaf.statement for leaf in found)
            raise ArgumentError(
                f"stage needs one writer of {self.array} below {self.loop}, found {names}"
            )
        written = ", ".join(dict.fromkeys(leaf.write.array for leaf in below))
        raise ArgumentError(
            f"stage needs an array written below {self.loop}, which are {written}; "
            f"found {self.array}"
        )
