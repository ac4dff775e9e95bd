"""Put a producer's expression in the place of its reads: inline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from loopstack.errors import ArgumentError, IllegalSchedule
from loopstack.ir.affine import Affine
from loopstack.ir.expr import Expr, Load, loads, rewrite
from loopstack.ir.loop_tree import Leaf, Tree
from loopstack.ir.program import Program, Statement
from loopstack.poly.inlining import find_overwrite
from loopstack.schedule.command import Command
from loopstack.schedule.compute_at import readers_of, require_one_writer
from loopstack.schedule.lookup import find_leaf, is_copy
from loopstack.schedule.rewrite import remove_node, substitute_expr, with_leaves
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Inline(Command):
    """Compute a producer anew wherever it is read, and drop its array.

    Requires: the producer is no reduction; nothing overwrites what it reads between it and its
    consumers.
    Before: ``for i: P[i] = exp(A[i])`` and ``for i: C[i] = P[i] + P[i+1]``
    After:  ``for i: C[i] = exp(A[i]) + exp(A[i+1])``
    Raises: ArgumentError when the producer is a reduction or an output, reads its own array, or
    one of the statements reads through a pack already; IllegalSchedule for an overwrite between.
    """

    keyword: ClassVar[str] = "inline"
    producer: str

    @classmethod
    def parse(cls, words: Words) -> Inline:
        producer = words.dotted("a statement")
        words.end()
        return cls(producer)

    def __str__(self) -> str:
        return f"inline {self.producer}"

    def apply(self, tree: Tree) -> Tree:
        above, leaf = find_leaf(tree, self.producer)
        if is_copy(tree, leaf):
            raise ArgumentError(f"inline needs a statement, but {self.producer} is a pack's copy")
        statement = tree.program.statement(self.producer)
        self._check(tree, statement, leaf)
        witness = find_overwrite(tree.program, statement)
        if witness is not None:
            raise IllegalSchedule(witness, witness)
        tree = remove_node(tree, above, leaf)
        expand = _Expansion(statement)
        body = with_leaves(tree.body, lambda leaf: replace(leaf, expr=expand(leaf.expr)))
        return replace(
            tree,
            body=body,
            program=_without(tree.program, statement, expand),
            stages=tuple(s for s in tree.stages if s.statement != self.producer),
            streamed=tuple(a for a in tree.streamed if a != statement.write.array),
        )

    def _check(self, tree: Tree, statement: Statement, leaf: Leaf) -> None:
        array = statement.write.array
        if statement.reduction is not None:
            raise ArgumentError(f"inline cannot expand {self.producer}: it is a reduction")
        if tree.program.array(array).role != "temporary":
            role = tree.program.array(array).role
            raise ArgumentError(f"inline needs a temporary, but {array} is an {role} array")
        require_one_writer(tree, array, "inline")
        if any(load.array == array for load in statement.reads):
            raise ArgumentError(f"inline cannot expand {self.producer}: it reads its own array")
        local = {b.array.name for b in tree.buffers}
        if local & {leaf.write.array, *(load.array for load in loads(leaf.expr))}:
            raise ArgumentError(f"inline {self.producer} before packing or placing it")
        packed = [name for name in readers_of(tree, array) if name in local]
        if packed:
            raise ArgumentError(f"inline {self.producer} before packing {array} as {packed[0]}")
        if _index_values(statement) is None:
            raise ArgumentError(
                f"inline needs {self.producer} to write one element an instance, "
                f"found {statement.write}"
            )


def _index_values(statement: Statement) -> dict[str, tuple[int, int]] | None:
    """Return, for each index, (dimension of the array that holds it, constant to take away).

    None when the element written does not tell the instance.
    """
    found: dict[str, tuple[int, int]] = {}
    for dimension, form in enumerate(statement.write.subscripts):
        if form.is_constant:
            continue
        name, factor = form.terms[0]
        if len(form.terms) > 1 or factor != 1 or not isinstance(name, str) or name in found:
            return None
        found[name] = (dimension, form.const)
    return found if set(found) == set(statement.indices) else None


class _Expansion:
    """Replaces loads of a statement's array by the statement's expression."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        values = _index_values(statement)
        assert values is not None
        self.values = values

    def __call__(self, expr: Expr) -> Expr:
        return rewrite(expr, self._visit)

    def _visit(self, node: Expr) -> Expr:
        if not isinstance(node, Load) or node.array != self.statement.write.array:
            return node
        subscripts = node.subscripts
        images: dict[str, Affine] = {
            index: subscripts[dimension] - const
            for index, (dimension, const) in self.values.items()
        }
        return substitute_expr(self.statement.expr, images)


def _without(program: Program, gone: Statement, expand: _Expansion) -> Program:
    """Return the program with the producer's expression in the place of its reads."""
    statements = tuple(replace(s, expr=expand(s.expr)) for s in program.statements if s is not gone)
    arrays = tuple(a for a in program.arrays if a.name != gone.write.array)
    return replace(program, statements=statements, arrays=arrays)
