"""Shorten the chain of operations from a carried value to the next one; needs ``reassociate``.

    (a + b + c*x + d) * s    ->    fma(x, c*s, (a + b + d)*s)

where x is the value of the previous iteration: everything else is ready before x is, so that one
iteration waits for one operation. An expression is taken apart as slope*x + rest; one that is not
linear in x keeps its form, and its operands are tried instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopstack.ir.expr import Const, Expr, Load, Op, walk
from loopstack.ir.program import Access
from loopstack.lower.nest import Assign, For, NestNode
from loopstack.lower.operations import FLOATS


@dataclass(frozen=True)
class _Line:
    """``slope * x + rest``; a slope of None is 0 and a rest of None is 0."""

    slope: Expr | None
    rest: Expr | None


@dataclass(frozen=True)
class ShortChains:
    """Shortens, in innermost loops, what computes the next value of one of ``registers``."""

    registers: frozenset[str]

    def visit(self, node: NestNode) -> tuple[NestNode, ...]:
        if not isinstance(node, For) or not all(isinstance(n, Assign) for n in node.body):
            return (node,)
        body = [n for n in node.body if isinstance(n, Assign)]
        return (node.with_body(tuple([self._shortened(n, body) for n in body])),)

    def _shortened(self, node: Assign, body: list[Assign]) -> Assign:
        expr = node.expr
        for register in self._next_holders(node, body):
            expr = shorten(expr, register)
        return Assign(node.target, expr, node.statement, node.stream)

    def _next_holders(self, node: Assign, body: list[Assign]) -> list[Load]:
        """Return reads of the registers that the value of ``node`` is put into."""
        target = node.target
        copies = [n.target for n in body if isinstance(n.expr, Load) and _reads(n.expr, target)]
        holders = [access for access in (target, *copies) if access.array in self.registers]
        return [Load(access.array, access.subscripts, node.expr.dtype) for access in holders]


def _reads(load: Load, access: Access) -> bool:
    return load.array == access.array and load.subscripts == access.subscripts


def shorten(expr: Expr, carried: Load) -> Expr:
    """Return ``expr`` with ``carried`` as the last operand to join, where that is possible."""
    if expr == carried or expr.dtype not in FLOATS or carried not in walk(expr):
        return expr
    line = _line(expr, carried)
    if line is not None:
        return _joined(line, carried)
    if isinstance(expr, Op):
        return Op(expr.name, tuple([shorten(arg, carried) for arg in expr.args]), expr.dtype)
    return expr


# ---- slope * x + rest -----------------------------------------------------------------------
def _line(expr: Expr, x: Load) -> _Line | None:
    """Return ``expr`` as a line in ``x``; None when it is no line."""
    if expr == x:
        return _Line(Const(1.0, x.dtype), None)
    if x not in walk(expr):
        return _Line(None, expr)
    if not isinstance(expr, Op):
        return None
    args = [_line(arg, x) for arg in expr.args]
    if any(arg is None for arg in args):
        return None
    return _combine(expr, [arg for arg in args if arg is not None])


def _combine(expr: Op, args: list[_Line]) -> _Line | None:
    if expr.name in ("add", "sub"):
        left, right = args
        if left.slope is not None and right.slope is not None:
            return None  # x twice: the slopes would cost more than they save
        return _Line(_plus(expr, left.slope, right.slope), _plus(expr, left.rest, right.rest))
    if expr.name == "neg":
        return _Line(_negated(args[0].slope), _negated(args[0].rest))
    if expr.name == "mul":
        return _scaled(args[0], args[1])
    return None


def _plus(like: Op, left: Expr | None, right: Expr | None) -> Expr | None:
    """Return left + right or left - right, as ``like`` says."""
    if right is None:
        return left
    if left is None:
        return right if like.name == "add" else _negated(right)
    return Op(like.name, (left, right), like.dtype)


def _negated(expr: Expr | None) -> Expr | None:
    if expr is None:
        return None
    if isinstance(expr, Const):
        return Const(-expr.value, expr.dtype)
    return Op("neg", (expr,), expr.dtype)


def _scaled(left: _Line, right: _Line) -> _Line | None:
    """Return the product of a line and a factor without x."""
    if left.slope is not None and right.slope is not None:
        return None
    line, factor = (left, right.rest) if right.slope is None else (right, left.rest)
    if factor is None:
        return None
    return _Line(_times(line.slope, factor), _times(line.rest, factor))


def _times(expr: Expr | None, factor: Expr) -> Expr | None:
    if expr is None:
        return None
    if isinstance(expr, Const) and abs(expr.value) == 1.0:
        return factor if expr.value == 1.0 else _negated(factor)
    return Op("mul", (expr, factor), expr.dtype)


def _joined(line: _Line, x: Load) -> Expr:
    """Return slope*x + rest as one operation on x."""
    slope, rest = line.slope, line.rest
    assert slope is not None
    if rest is None:
        return Op("mul", (slope, x), x.dtype)
    if isinstance(slope, Const) and abs(slope.value) == 1.0:
        return Op("add" if slope.value == 1.0 else "sub", (rest, x), x.dtype)
    return Op("fma", (x, slope, rest), x.dtype)
