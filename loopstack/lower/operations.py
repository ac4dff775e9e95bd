"""Operations in the form that costs the machine least.

cast.f32(a < b)   ->   select(a < b, 1, 0)    a truth value is a mask, not a number
select(c, a, b)   ->   c && a || !c && b      where a and b are truth values; == and != as well
a + (-b)          ->   a - b                  rounds the same
a / 4.0           ->   a * 0.25               rounds another way: needs ``reassociate``
"""

from __future__ import annotations

import math
import struct
from contextlib import suppress

from loopstack.ir.expr import Const, Expr, Op

FLOATS = ("f32", "f64")
LEAST_NORMAL = {"f32": 2.0**-126, "f64": 2.0**-1022}


def cheapest(op: Op, reassociate: bool) -> Op:
    """Return an operation that gives the same value; the arguments are cheapest already."""
    if op.name == "cast":
        return _number(op)
    if op.name in _OF_TRUTHS and op.args[-1].dtype == "bool_":
        return _of_truths(op)
    if op.name == "add":
        return _subtraction(op)
    if op.name == "div" and reassociate:
        return _multiplication(op)
    return op


def _reciprocal(divisor: Expr) -> Const | None:
    """Return 1/divisor where that is a normal number of the divisor's type."""
    if not isinstance(divisor, Const) or divisor.dtype not in FLOATS or not divisor.value:
        return None
    with suppress(OverflowError):
        value = _rounded(1.0 / divisor.value, divisor.dtype)
        if math.isfinite(value) and abs(value) >= LEAST_NORMAL[divisor.dtype]:
            return Const(value, divisor.dtype)
    return None


def _number(op: Op) -> Op:
    if op.args[0].dtype != "bool_":
        return op
    return Op("select", (op.args[0], Const(1, op.dtype), Const(0, op.dtype)), op.dtype)


_OF_TRUTHS = ("select", "eq", "ne")


def _of_truths(op: Op) -> Op:
    """Return an operation on truth values as and, or, not."""
    if op.name == "select":
        test, yes, no = op.args
    else:
        test, right = op.args
        yes, no = (right, _not(right)) if op.name == "eq" else (_not(right), right)
    cases = (_both(test, yes), _both(_not(test), no))
    return Op("logical_or", cases, "bool_")


def _both(left: Expr, right: Expr) -> Op:
    return Op("logical_and", (left, right), "bool_")


def _not(truth: Expr) -> Op:
    return Op("logical_not", (truth,), "bool_")


def _subtraction(op: Op) -> Op:
    left, right = op.args
    if isinstance(right, Op) and right.name == "neg":
        return Op("sub", (left, right.args[0]), op.dtype)
    if isinstance(left, Op) and left.name == "neg":
        return Op("sub", (right, left.args[0]), op.dtype)
    return op


def _multiplication(op: Op) -> Op:
    factor = _reciprocal(op.args[1])
    return op if factor is None else Op("mul", (op.args[0], factor), op.dtype)


def _rounded(value: float, dtype: str) -> float:
    """Return ``value`` in the precision of ``dtype``; raises OverflowError beyond its range."""
    if dtype == "f64":
        return value
    single: float = struct.unpack("f", struct.pack("f", value))[0]
    return single
