"""Kernels with constant operands: packed once, gone from the call, right at every size."""

from __future__ import annotations

import numpy as np
import pytest

import loopstack as ls


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


def integers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-4, 5, shape).astype(np.float32)


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1), (5, 7, 3), (37, 50, 20), (64, 64, 64), (96, 130, 257)]
)
def test_equal_to_numpy(sizes: tuple[int, int, int]) -> None:
    m, n, k = sizes
    rng = np.random.default_rng(0)
    a, b = integers(rng, m, k), integers(rng, k, n)
    kernel = matmul.specialize(m=m, n=n, k=k, const={"B": b})
    np.testing.assert_array_equal(kernel(a), a @ b)


def test_the_constant_is_a_copy() -> None:
    a, b = np.ones((4, 4), np.float32), np.ones((4, 4), np.float32)
    kernel = matmul.specialize(m=4, n=4, k=4, const={"B": b})
    b[:] = 0
    assert (kernel(a) == 4).all()


def test_another_schedule_keeps_the_constant() -> None:
    a, b = np.ones((4, 4), np.float32), np.full((4, 4), 2, np.float32)
    kernel = matmul.specialize(m=4, n=4, k=4, const={"B": b}).with_schedule("schedule 1\n")
    assert (kernel(a) == 8).all()


def test_both_operands_constant() -> None:
    a, b = np.ones((4, 4), np.float32), np.full((4, 4), 2, np.float32)
    kernel = matmul.specialize(m=4, n=4, k=4, const={"A": a, "B": b})
    assert (kernel() == 8).all()
