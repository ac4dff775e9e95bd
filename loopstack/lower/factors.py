"""Pull what is the same for every term out of a sum: sum(a * x) = a * sum(x).

Only scalar arguments and constants are pulled out; the caller asks for it where sums may be
regrouped. The inner loop of ``C += alpha * A * B`` then multiplies and adds, and no more.
"""

from __future__ import annotations

from functools import reduce

from loopstack.ir.expr import Const, Expr, Load, Op


def without_factor(expr: Expr, scalars: frozenset[str]) -> tuple[Expr | None, Expr]:
    """Return (factor, rest) with ``expr`` = factor * rest; no factor when nothing is invariant.

    ``scalars`` are the arrays of rank 0 that nothing writes.
    """
    if isinstance(expr, Op) and expr.name in ("add", "sub"):
        (left, first), (right, second) = (without_factor(arg, scalars) for arg in expr.args)
        shared = left is not None and left == right
        return (left, Op(expr.name, (first, second), expr.dtype)) if shared else (None, expr)
    sign, factors = _factors(expr)
    inside = [f for f in factors if not _is_invariant(f, scalars)]
    outside = [f for f in factors if _is_invariant(f, scalars)]
    if not inside or (not outside and sign > 0):
        return None, expr
    dtype = expr.dtype
    rest = reduce(lambda a, b: Op("mul", (a, b), dtype), inside)
    if not outside:
        return Const(-1.0, dtype), rest
    factor = reduce(lambda a, b: Op("mul", (a, b), dtype), outside)
    return (factor if sign > 0 else Op("neg", (factor,), dtype)), rest


def _factors(expr: Expr) -> tuple[int, list[Expr]]:
    """Return the sign and the factors of a product, left to right."""
    if isinstance(expr, Op) and expr.name == "neg":
        sign, factors = _factors(expr.args[0])
        return -sign, factors
    if isinstance(expr, Op) and expr.name == "mul":
        (left, first), (right, second) = map(_factors, expr.args)
        return left * right, first + second
    return 1, [expr]


def _is_invariant(expr: Expr, scalars: frozenset[str]) -> bool:
    if isinstance(expr, Load):
        return expr.array in scalars
    return isinstance(expr, Const)
