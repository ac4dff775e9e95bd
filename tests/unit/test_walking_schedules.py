"""Default schedules of loops that walk backward, down columns, or over an element they all read."""

from __future__ import annotations

import pytest
from harness.agreement import natively

import loopstack as ls
from loopstack.kernel_function import KernelFunction
from loopstack.schedule.affine_default import affine_schedule
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.script import Schedule

DESKTOP = Hardware("avx2", 32, 16, 32 << 10, 512 << 10)
SIZES = (0, 1, 2, 3, 7, 33)


@ls.affine
def shortest(N: ls.size, path: ls.i32["N N"]):
    for k in range(N):
        for i in range(N):
            for j in range(N):
                path[i, j] = min(path[i, j], path[i, k] + path[k, j])


@ls.affine(reassociate=True)
def solved(N: ls.size, L: ls.f64["N N"], b: ls.f64["N"], x: ls.f64["N"]):
    for i in range(N):
        x[i] = b[i]
        for j in range(i):
            x[i] -= 0.125 * L[i, j] * x[j]


@ls.affine(reassociate=True)
def solved_by_columns(N: ls.size, L: ls.f64["N N"], b: ls.f64["N"], x: ls.f64["N"]):
    for i in range(N):
        x[i] = b[i]
        for j in range(i):
            x[i] -= 0.125 * L[j, i] * x[j]


@ls.affine(reassociate=True)
def mirrored_products(N: ls.size, r: ls.f32["N"], y: ls.f32["N"], s: ls.f32["N"]):
    for k in range(N):
        total = 0.0
        for i in range(k):
            total += r[k - i - 1] * y[i]
        s[k] = total


@ls.affine
def mirrored(N: ls.size, x: ls.f64["N"], y: ls.f64["N"]):
    for i in range(N):
        y[N - 1 - i] = x[N - 1 - i] + 1.0


WANTED = {
    shortest: (
        "partition path where j < k -> path_at",
        "partition path_at where j <= k -> path_after",
        "vectorize path.j",
        "vectorize path_after.j",
    ),
    solved: ("vectorize S1.j",),
    solved_by_columns: (
        "distribute S0.i -> S0, S1",
        "reorder S1 j i",
        "vectorize S0.i",
        "vectorize S1.i",
    ),
    mirrored_products: ("vectorize S1.i",),
    mirrored: ("vectorize y.i",),
}
CASES = [(f, n) for f in WANTED for n in SIZES if f is not shortest or n < 33]
CASES.append((shortest, 17))  # the interpreter takes its time over cubes
EACH = pytest.mark.parametrize("function", WANTED, ids=lambda f: f.program.name)


def schedule_of(function: KernelFunction, size: int) -> Schedule:
    return affine_schedule(function.program.bind({"N": size}), DESKTOP, 1)


@EACH
def test_lines(function: KernelFunction) -> None:
    assert tuple(str(schedule_of(function, 70)).splitlines()[1:]) == WANTED[function]


@pytest.mark.parametrize(("function", "size"), CASES)
def test_machine_code_computes_what_the_interpreter_does(
    function: KernelFunction, size: int
) -> None:
    natively(function.program.bind({"N": size}), schedule_of(function, size))
