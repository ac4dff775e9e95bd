"""Which factor leaves a sum, and what a nest looks like then."""

from __future__ import annotations

import pytest
from harness.programs import load, op

import loopstack as ls
from loopstack.ir.expr import Const, Expr
from loopstack.lower.factors import without_factor

A, B, X, Y = load("A", "i k"), load("B", "k j"), load("x"), load("y")
HALF, ONE = Const(0.5, "f32"), Const(-1.0, "f32")


def times(*args: Expr) -> Expr:
    first, *others = args
    return op("mul", first, times(*others)) if others else first


@pytest.mark.parametrize(
    ("expr", "factor", "rest"),
    [
        (times(A, B), None, times(A, B)),
        (times(X, A, B), X, times(A, B)),
        (op("mul", op("mul", A, HALF), B), HALF, times(A, B)),
        (times(X, A, HALF, B), times(X, HALF), times(A, B)),
        (op("neg", times(A, B)), ONE, times(A, B)),
        (op("neg", times(X, A)), op("neg", X), A),
        (op("add", times(X, A), times(X, B)), X, op("add", A, B)),
        (op("sub", times(A, X), times(B, X)), X, op("sub", A, B)),
        (op("add", times(X, A), B), None, op("add", times(X, A), B)),
        (op("add", times(X, A), times(Y, B)), None, op("add", times(X, A), times(Y, B))),
        (times(X, HALF), None, times(X, HALF)),
    ],
)
def test_factor(expr: Expr, factor: Expr | None, rest: Expr) -> None:
    found, left = without_factor(expr, frozenset({"x", "y"}))
    assert (found, left) == (factor, rest)


def test_an_array_that_is_no_scalar_stays() -> None:
    assert without_factor(times(X, A), frozenset()) == (None, times(X, A))


SCHEDULE = "schedule 1\nreorder C i j k\nvectorize C.j\n"


def nest_of(reassociate: bool) -> str:
    @ls.affine(reassociate=reassociate)
    def scaled(n: ls.size, a: ls.f32, C: ls.f32["n n"], A: ls.f32["n n"], B: ls.f32["n n"]):  # type: ignore[no-untyped-def]
        for i in range(n):
            for k in range(n):
                for j in range(n):
                    C[i, j] += a * A[i, k] * B[k, j]

    kernel = scaled.specialize(n=8, threads=1)
    name = kernel.program.statements[0].name
    return kernel.with_schedule(SCHEDULE.replace("C", name)).nest


def test_the_factor_multiplies_at_the_store_where_sums_may_be_regrouped() -> None:
    inner, outer = "mul(A[", "mul(a[0], C.acc["
    assert inner in nest_of(True)
    assert outer in nest_of(True)
    assert outer not in nest_of(False)
