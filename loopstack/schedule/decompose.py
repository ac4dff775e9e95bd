"""Part the start of a reduction from its terms: decompose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.loop_tree import Tree
from loopstack.poly.first_values import with_start
from loopstack.poly.results import starts_anew
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import check_new_statement, find_leaf
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Decompose(Command):
    """Make the start of a reduction a statement of its own, with loops that may be scheduled.

    It stands ahead of the outermost loop over terms, or of all loops where one runs over results
    and terms. The reduction adds to what is there from then on; so it may be cut by ``partition``.
    Requires: a reduction that starts from its identity. No dependence forbids it.
    Before: ``for i: for k: C[i] += A[i, k]`` that starts from 0
    After:  ``for i: { C[i] = 0;  for k: C[i] += A[i, k] }``
    Raises: ArgumentError for another statement, a reduction without loops of its own, or a name
    that is taken.
    Source: Feng et al., "TensorIR", ASPLOS 2023 (decompose-reduction).
    """

    keyword: ClassVar[str] = "decompose"
    statement: str
    name: str

    @classmethod
    def parse(cls, words: Words) -> Decompose:
        statement = words.name("a statement")
        words.expect("->")
        name = words.name()
        words.end()
        return cls(statement, name)

    def __str__(self) -> str:
        return f"decompose {self.statement} -> {self.name}"

    def apply(self, tree: Tree) -> Tree:
        check_new_statement(tree, self.name)
        _, leaf = find_leaf(tree, self.statement)
        if not starts_anew(leaf):
            raise ArgumentError(
                f"decompose needs a reduction that starts from its identity, found {self.statement}"
            )
        parted = with_start(tree, self.statement, self.name)
        if parted is None:
            raise ArgumentError(
                f"decompose needs a reduction with loops; {self.statement} has none"
            )
        return parted
