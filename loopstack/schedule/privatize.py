"""Copies of a temporary for the iterations of one loop: privatize."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar

from loopstack.errors import ArgumentError, IllegalSchedule
from loopstack.ir.expr import Expr, Load, loads, rewrite
from loopstack.ir.loop_tree import Buffer, Leaf, Tree
from loopstack.ir.program import Access, Array, Program
from loopstack.poly.dependence import Dependence
from loopstack.poly.privacy import flows_of
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import check_new_statement, find_loop, is_copy, leaves_below
from loopstack.schedule.rewrite import with_leaves
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Privatize(Command):
    """Give every iteration of a loop, or every thread of a parallel one, a copy of a temporary.

    Conflicts over the storage no longer tie the iterations: the loop may be parallel. The copies
    are local to the loop; ``expand`` makes one larger array instead.
    Requires: what an iteration reads of the array was written in it.
    With ``-> name`` the uses below the loop move to a new temporary, and others keep the old one.
    Before: ``for i: { t = A(i); B(i, t) }``
    After:  ``for i: { local t; t = A(i); B(i, t) }``
    Raises: ArgumentError for an array that is no temporary or is placed already, and for uses
    outside the loop; IllegalSchedule with a witness when values pass between uses inside and
    outside.
    Source: Tu, Padua, "Automatic Array Privatization", 1993.
    """

    keyword: ClassVar[str] = "privatize"
    array: str
    loop: str
    name: str | None = None

    @classmethod
    def parse(cls, words: Words) -> Privatize:
        array = words.dotted("an array")
        words.expect("at")
        loop = words.loop()
        name = words.name() if words.accept("->") else None
        words.end()
        return cls(array, loop, name)

    def __str__(self) -> str:
        name = f" -> {self.name}" if self.name else ""
        return f"privatize {self.array} at {self.loop}{name}"

    def apply(self, tree: Tree) -> Tree:
        array = self._temporary(tree)
        loop = find_loop(tree, self.loop)[-1]
        below = leaves_below(loop.body)
        inside = {leaf.statement for leaf in below if _uses(leaf, array.name)}
        users = [leaf for leaf in tree.leaves().values() if _uses(leaf, array.name)]
        outside = [leaf.statement for leaf in users if leaf.statement not in inside]
        copies = [leaf.statement for leaf in users if is_copy(tree, leaf)]
        if copies:
            raise ArgumentError(f"privatize {array.name} before packing it as {copies[0]}")
        if not inside:
            raise ArgumentError(f"privatize needs a use of {array.name} below {loop.name}")
        if self.name is None and outside:
            raise ArgumentError(
                f"privatize needs every use of {array.name} below {loop.name}, but {outside[0]} is "
                f"not; `-> name` gives those below an array of their own"
            )
        if self.name is not None:
            check_new_statement(tree, self.name)
            _refuse_passed_values(tree.program, array.name, inside)
            tree = _renamed(tree, array, self.name, inside)
            array = replace(array, name=self.name)
        buffer = Buffer(array, loop.name, private=True)
        return replace(tree, buffers=(*tree.buffers, buffer))

    def _temporary(self, tree: Tree) -> Array:
        array = tree.program.array_by_name.get(self.array)
        if array is None or array.is_argument:
            names = [a.name for a in tree.program.arrays if not a.is_argument]
            raise ArgumentError(
                f"privatize needs a temporary ({', '.join(names) or 'there is none'}), "
                f"found {self.array}"
            )
        if any(b.array.name == array.name for b in tree.buffers):
            raise ArgumentError(f"{array.name} has a place of its own already")
        return array


def _uses(leaf: Leaf, array: str) -> bool:
    return leaf.write.array == array or any(load.array == array for load in loads(leaf.expr))


def _refuse_passed_values(program: Program, array: str, inside: Collection[str]) -> None:
    for flow in flows_of(program, array):
        if (flow.source in inside) != (flow.target in inside):
            raise IllegalSchedule(_words(flow), flow)


def _words(flow: Dependence) -> str:
    return (
        f"{flow.kind} dependence: {flow.source} passes a value of {flow.array} on to "
        f"{flow.target}, but only one of them would use the copies"
    )


def _renamed(tree: Tree, array: Array, name: str, inside: Collection[str]) -> Tree:
    """Let the statements ``inside`` use a new array in the place of ``array``."""

    def load(node: Expr) -> Expr:
        if isinstance(node, Load) and node.array == array.name:
            return replace(node, array=name)
        return node

    def access(old: Access) -> Access:
        return Access(name, old.subscripts) if old.array == array.name else old

    def leaf(old: Leaf) -> Leaf:
        if old.statement not in inside:
            return old
        return replace(old, write=access(old.write), expr=rewrite(old.expr, load))

    statements = tuple(
        replace(s, write=access(s.write), expr=rewrite(s.expr, load)) if s.name in inside else s
        for s in tree.program.statements
    )
    arrays = (*tree.program.arrays, replace(array, name=name))
    program = replace(tree.program, arrays=arrays, statements=statements)
    return replace(tree, program=program, body=with_leaves(tree.body, leaf))
