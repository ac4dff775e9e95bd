"""Recurrences whose outer iterations run as lanes, against the program's own loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import loopstack as ls


@ls.affine
def filtered_rows(M: ls.size, N: ls.size, a: ls.f64, x: ls.f64["M N"], y: ls.f64["M N"]):
    for i in range(M):
        last = 0.0
        for j in range(N):
            last = x[i, j] + a * last
            y[i, j] = last


@ls.affine
def filtered_columns(M: ls.size, N: ls.size, a: ls.f32, x: ls.f32["M N"], y: ls.f32["M N"]):
    for j in range(N):
        last = 0.0
        for i in range(M - 1, -1, -1):
            y[i, j] = x[i, j] + a * last
            last = y[i, j]


@ls.affine
def solved_rows(T: ls.size, M: ls.size, N: ls.size, d: ls.f64["N"], y: ls.f64["M N"]):
    for _t in range(T):
        for i in range(M):
            y[i, 0] = y[i, 0] / d[0]
            for j in range(1, N):
                y[i, j] = (y[i, j] - y[i, j - 1]) / d[j]
            for j in range(N - 2, -1, -1):
                y[i, j] = y[i, j] - 0.5 * y[i, j + 1]


KERNELS: dict[str, tuple[Any, dict[str, int]]] = {
    "rows": (filtered_rows, {"M": 131, "N": 37}),
    "columns": (filtered_columns, {"M": 29, "N": 263}),
    "rows in a time loop": (solved_rows, {"T": 3, "M": 135, "N": 21}),
}


def run(title: str, threads: int, script: str | None) -> tuple[str, dict[str, Any]]:
    function, sizes = KERNELS[title]
    kernel = function.specialize(threads=threads, **sizes)
    if script is not None:
        kernel = kernel.with_schedule(script)
    rng = np.random.default_rng(5)
    arrays: dict[str, Any] = {}
    for array in kernel.program.arguments:
        shape = tuple(extent.const for extent in array.shape)
        values = rng.uniform(0.5, 1.5, shape)
        arrays[array.name] = np.asarray(values, np.float32 if array.dtype == "f32" else np.float64)
    kernel.run_on(arrays)
    return str(kernel.schedule), arrays


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("title", KERNELS)
def test_lanes_equal_rows(title: str, threads: int) -> None:
    schedule, found = run(title, threads, None)
    _, right = run(title, 1, "schedule 1\n")
    assert "interchange" in schedule
    assert "vectorize" in schedule
    assert ("parallelize" in schedule) == (threads > 1)
    for name, values in right.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)


def test_dependent_rows_stay_in_order() -> None:
    @ls.affine
    def carried(M: ls.size, N: ls.size, y: ls.f64["M N"]):
        for i in range(1, M):
            for j in range(1, N):
                y[i, j] = y[i, j - 1] + 0.5 * y[i - 1, j]

    assert "il" not in str(carried.specialize(M=300, N=20).schedule)
