"""Run-time scalars: which numbers are taken, and what a caller reads about the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import loopstack as ls


@ls.kernel
def scaled(alpha: ls.f32, x: ls.f32["n"]) -> ls.f32["n"]:
    n = ls.indices("n")
    return alpha * x[n]


@ls.kernel
def raised(step: ls.i32, x: ls.i32["n"]) -> ls.i32["n"]:
    n = ls.indices("n")
    return step + x[n]


X = np.arange(3, dtype=np.float32)


@pytest.mark.parametrize(
    "number",
    [2, 2.0, np.float32(2), np.float64(2), np.int8(2), np.array(2.0), np.array(2, np.float32)],
)
def test_numbers_and_arrays_of_rank_0_are_taken(number: Any) -> None:
    np.testing.assert_array_equal(scaled(number, X), 2 * X)
    np.testing.assert_array_equal(scaled.specialize(n=3)(number, X), 2 * X)


def test_a_tensor_of_rank_0_is_taken() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(X)
    assert torch.equal(scaled(torch.tensor(2.0), tensor), 2 * tensor)


def test_a_tensor_of_rank_0_that_requires_grad() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ls.ArgumentError) as caught:
        scaled(torch.tensor(2.0, requires_grad=True), torch.from_numpy(X))
    assert str(caught.value) == (
        "argument alpha requires grad and kernels record no gradients: pass alpha.detach()"
    )


def test_infinity_and_nan_are_numbers() -> None:
    assert np.isinf(scaled(float("inf"), X)[1])
    assert np.isnan(scaled(float("nan"), X)).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2", "must be a number (f32), found str: '2'"),
        (None, "must be a number (f32), found NoneType: None"),
        (2j, "must be a number (f32), found complex: 2j"),
        ([2.0], "must be a number (f32), found list: [2.0]"),
        (np.ones(1), "must be a number (f32), found ndarray: array([1.])"),
        (1e300, "is 1e+300, which f32 cannot hold"),
        (10**400, "is 10000000... (401 digits), which f32 cannot hold"),
    ],
)
def test_what_is_no_f32(value: Any, message: str) -> None:
    with pytest.raises(ls.ArgumentError) as caught:
        scaled(value, X)
    assert str(caught.value) == f"argument alpha {message}"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2.5, "must be an integer (i32), found float: 2.5"),
        (np.float32(2), "must be an integer (i32), found float32: np.float32(2.0)"),
        (2**31, "is 2147483648, which i32 cannot hold"),
        (-(2**31) - 1, "is -2147483649, which i32 cannot hold"),
    ],
)
def test_what_is_no_i32(value: Any, message: str) -> None:
    with pytest.raises(ls.ArgumentError) as caught:
        raised(value, np.arange(3, dtype=np.int32))
    assert str(caught.value) == f"argument step {message}"


def test_einsum_takes_scalars() -> None:
    np.testing.assert_array_equal(ls.einsum(",i->i", 3.0, np.ones(2)), [3, 3])
    np.testing.assert_array_equal(ls.einsum(",", 3.0, 4.0), 12)
    np.testing.assert_array_equal(ls.einsum("", np.array(2.0)), 2)


def test_einsum_refuses_a_list_that_is_no_array() -> None:
    with pytest.raises(ls.ArgumentError, match="einsum: an operand is no array: "):
        ls.einsum("ij", [[1, 2], [3]])
