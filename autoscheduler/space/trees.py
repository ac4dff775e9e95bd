"""Trees of scripts, built from the longest prefix that was built before.

Neighbouring candidates share most of their script. Trees are immutable and share structure, so
keeping one per prefix costs little.
"""

from __future__ import annotations

from collections import OrderedDict

from loopstack.ir.loop_tree import Tree, identity_tree
from loopstack.ir.program import Program
from loopstack.schedule.script import Schedule, apply

MOST_TREES = 4_000
Prefix = tuple[object, ...]


class TreeCache:
    """Builds trees of one program with integer sizes."""

    def __init__(self, program: Program) -> None:
        self._root = identity_tree(program)
        self._trees: OrderedDict[Prefix, Tree] = OrderedDict()

    def build(self, schedule: Schedule) -> Tree:
        """Return what ``loopstack.schedule.script.build`` returns. Raises what commands raise."""
        commands = schedule.commands
        done = len(commands)
        while done and commands[:done] not in self._trees:
            done -= 1
        tree = self._trees[commands[:done]] if done else self._root
        for count in range(done, len(commands)):
            tree = apply(tree, commands[count])
            self._trees[commands[: count + 1]] = tree
        while len(self._trees) > MOST_TREES:
            self._trees.popitem(last=False)
        return tree
