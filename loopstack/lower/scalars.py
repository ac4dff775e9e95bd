"""What makes scalar loops fast, in order: keep within a body, carry between iterations, unroll."""

from __future__ import annotations

from collections.abc import Sequence

from loopstack.ir.expr import Expr, Op, rewrite
from loopstack.lower.carry import carry
from loopstack.lower.keep import keep_in_registers
from loopstack.lower.nest import Assign, NestArray, NestNode, edit
from loopstack.lower.recurrence import ShortChains, multiply_by_reciprocals
from loopstack.lower.registers import Registers
from loopstack.lower.unroll import unroll_short_bodies

Nodes = tuple[NestNode, ...]


def replace_scalars(
    body: Nodes, arrays: Sequence[NestArray], reassociate: bool
) -> tuple[Nodes, list[NestArray]]:
    """Return ``body`` with elements in registers, and those registers.

    Sums and divisions change their rounding only with ``reassociate``.
    """
    body = edit(body, _with_subtractions)
    registers = Registers({array.name: array for array in arrays})
    if reassociate:
        body = edit(body, _without_divisions)
    body = keep_in_registers(body, registers)
    body = carry(body, registers)
    if reassociate:
        body = edit(body, ShortChains(frozenset(array.name for array in registers.made)).visit)
    return unroll_short_bodies(body), registers.made


def _with_subtractions(node: NestNode) -> Nodes:
    """Turn a + (-b) into a - b, which rounds the same and is one operation on a product."""
    if not isinstance(node, Assign):
        return (node,)
    expr = rewrite(node.expr, _subtraction)
    return (node if expr is node.expr else Assign(node.target, expr, node.statement, node.stream),)


def _subtraction(node: Expr) -> Expr:
    if isinstance(node, Op) and node.name == "add":
        left, right = node.args
        if isinstance(right, Op) and right.name == "neg":
            return Op("sub", (left, right.args[0]), node.dtype)
        if isinstance(left, Op) and left.name == "neg":
            return Op("sub", (right, left.args[0]), node.dtype)
    return node


def _without_divisions(node: NestNode) -> Nodes:
    if not isinstance(node, Assign):
        return (node,)
    expr = multiply_by_reciprocals(node.expr)
    return (node if expr is node.expr else Assign(node.target, expr, node.statement, node.stream),)
