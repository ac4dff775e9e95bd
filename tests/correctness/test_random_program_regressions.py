"""What random programs under random schedules once got wrong, in the smallest form."""

from __future__ import annotations

import numpy as np
import pytest
from harness.agreement import natively, script
from harness.plain_python import run_plain

import loopstack as ls
from loopstack.frontend.affine import parse
from loopstack.ir.reader import read_program
from loopstack.kernel import Kernel, Specialization
from loopstack.machine.features import runnable_isa
from loopstack.reference.interpreter import run

# ---- programs and schedules ---------------------------------------------------------------------
DIAGONALS = """
program diagonals
input A: i64[6, 6]
input B: i64[6]
inout C: i64[11]
statement C(i, j, k) order 0 0 0 0
  where i; 5 - i; j; 5 - j; k; 5 - k
  update sum C[i + j] = mul(A[i, k], B[j])
"""
TRIANGLE = """
program triangle
input A: i64[7, 7]
inout C: i64[7]
statement C(i, k) order 0 0 0
  where i; 6 - i; k; i - 1 - k
  reduce sum C[i] = A[i, k]
"""
SCHEDULED = {
    "blocks of results that the write does not tell": (
        TRIANGLE,
        "split C.i 2 -> o, v; skew C.v C.o 2",
    ),
    "one block of results that the write does not tell": (
        TRIANGLE,
        "split C.i 8 -> o, v; skew C.v C.o 8; reverse C.v",
    ),
    "accumulators of one element": (DIAGONALS, "reorder C k i j; unroll C.i; unroll C.j"),
}


@pytest.mark.parametrize("title", SCHEDULED)
def test_scheduled(title: str) -> None:
    program, commands = SCHEDULED[title]
    natively(read_program(program), script(commands))


# ---- source text --------------------------------------------------------------------------------
def starts_anew_for_each_of_a_pair(N: ls.size, A: ls.f64["N N"], C: ls.f64["N"]):
    for i in range(N):
        C[i // 2] = 0.0
        for k in range(N):
            C[i // 2] += A[i, k]


def starts_anew_along_diagonals(N: ls.size, A: ls.f64["N N"], C: ls.f64["2*N"]):
    for i in range(N):
        for j in range(N):
            C[i + j] = 0.0
            for k in range(N):
                C[i + j] += A[i, k] * A[j, k]


def results_without_terms_beside_another_loop(N: ls.size, A: ls.f64["N N"], C: ls.f64["N"]):
    for i in range(N):
        C[i] = 0.0
        for k in range(i, N - 2):
            C[i] += A[i, k]
        for k in range(N):
            A[i, k] = max(A[i, k], C[i])


FUNCTIONS = (
    starts_anew_for_each_of_a_pair, starts_anew_along_diagonals,
    results_without_terms_beside_another_loop,
)  # fmt: skip


@pytest.mark.parametrize("reassociate", [False, True])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_source(function, reassociate: bool) -> None:
    program = parse(function, reassociate=reassociate)
    rng = np.random.default_rng(0)
    bound = program.bind({"N": 5})
    shapes = {a.name: tuple(f.evaluate({}) for f in a.shape) for a in bound.arguments}
    data = {n: rng.integers(-4, 5, shape).astype(float) for n, shape in shapes.items()}
    wanted = run_plain(function, {"N": 5}, data)
    kernel = Kernel(Specialization(program, {"N": 5}, runnable_isa()))
    found = {name: array.copy() for name, array in data.items()}
    kernel.run_on(found)
    interpreted = run(bound, data)
    for array in bound.arguments:
        np.testing.assert_array_equal(found[array.name], wanted[array.name])
        if array.role == "inout":
            np.testing.assert_array_equal(interpreted[array.name], wanted[array.name])
