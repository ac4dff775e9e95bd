"""Blocked factorisations against the program's own loops, at sizes with every kind of remainder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.suites import polybench

SIZES = (130, 193)
KERNELS = ("lu", "cholesky", "ludcmp")


def run(name: str, size: int, threads: int, script: str | None) -> tuple[str, dict[str, Any]]:
    """Return the schedule and the arrays after a run from a well-conditioned start."""
    kernel = polybench.load(name).specialize(N=size, threads=threads)
    if script is not None:
        kernel = kernel.with_schedule(script)
    rng = np.random.default_rng(size)
    lower = np.tril(rng.standard_normal((size, size)), -1) / size
    arrays: dict[str, Any] = {}
    for array in kernel.program.arguments:
        shape = tuple(extent.const for extent in array.shape)
        arrays[array.name] = rng.standard_normal(shape)
    arrays["A"] = lower + lower.T + 4 * np.eye(size)
    kernel.run_on(arrays)
    return str(kernel.schedule), arrays


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", KERNELS)
def test_blocked_equals_unblocked(name: str, size: int, threads: int) -> None:
    schedule, found = run(name, size, threads, None)
    _, right = run(name, size, 1, "schedule 1\n")
    assert "_beside" in schedule, "panels are not in use"
    assert ("parallelize" in schedule) == (threads > 1)
    for array, values in right.items():
        np.testing.assert_allclose(found[array], values, rtol=1e-10, atol=1e-12, err_msg=array)


@pytest.mark.parametrize("name", KERNELS)
def test_panels_of_larger_sizes_are_compiled(name: str) -> None:
    kernel = polybench.load(name).specialize(N=700, threads=2)
    assert "parallelize" in str(kernel.schedule)
    assert kernel.compiled


def test_small_factorisations_are_left_alone() -> None:
    schedule, _ = run("lu", 16, 1, None)
    assert "kb" not in schedule
