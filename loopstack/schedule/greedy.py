"""A script under construction: lines are kept when they apply and stay legal, else undone."""

from __future__ import annotations

from collections.abc import Sequence

from loopstack.errors import ArgumentError, IllegalSchedule
from loopstack.ir.loop_tree import Tree, identity_tree
from loopstack.ir.program import Program
from loopstack.poly import legality
from loopstack.schedule.script import Schedule, read_line


class Draft:
    """The lines kept so far and the tree they make of a program with integer sizes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.tree: Tree = identity_tree(program)
        self.lines: list[str] = []

    def attempt(self, lines: Sequence[str]) -> bool:
        """Append ``lines`` if they fit the tree and the tree they make is legal; tell whether."""
        try:
            tree = self.tree
            for line in lines:
                tree = read_line(line).apply(tree)
        except (ArgumentError, IllegalSchedule):
            return False
        if legality.check(tree) is not None:
            return False
        self.tree = tree
        self.lines += lines
        return True

    def mark(self) -> tuple[Tree, int]:
        """Return what :meth:`undo` goes back to."""
        return self.tree, len(self.lines)

    def undo(self, mark: tuple[Tree, int]) -> None:
        self.tree, count = mark
        del self.lines[count:]

    def schedule(self) -> Schedule:
        return Schedule.parse("\n".join(["schedule 1", *self.lines]) + "\n")
