"""Arguments that look odd and are fine: they are taken, and come back as they were given."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from typing import Any

import numpy as np
import pytest

import loopstack as ls


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


RNG = np.random.default_rng(0)
A = RNG.random((6, 8), np.float32)
B = RNG.random((8, 5), np.float32)
KERNEL = matmul.specialize(m=6, n=5, k=8)


def test_out_may_be_a_tuple_of_one() -> None:
    out = np.empty((6, 5), np.float32)
    assert matmul(A, B, out=(out,)) is out
    np.testing.assert_allclose(out, A @ B, rtol=1e-5)


def test_out_of_a_subclass_comes_back() -> None:
    class Special(np.ndarray):
        pass

    out = np.empty((6, 5), np.float32).view(Special)
    assert matmul(A, B, out=out) is out
    np.testing.assert_allclose(out, A @ B, rtol=1e-5)


def test_a_specialised_kernel_takes_names() -> None:
    np.testing.assert_allclose(KERNEL(B=B, A=A), A @ B, rtol=1e-5)
    packed = matmul.specialize(m=6, n=5, k=8, const={"B": B})
    np.testing.assert_allclose(packed(A=A), A @ B, rtol=1e-5)


def test_a_parameter_without_gradient_is_a_tensor() -> None:
    torch = pytest.importorskip("torch")
    weights = torch.nn.Parameter(torch.from_numpy(B), requires_grad=False)
    result = matmul(torch.from_numpy(A), weights)
    assert type(result) is torch.Tensor
    np.testing.assert_allclose(result.numpy(), A @ B, rtol=1e-5)


def test_negative_strides() -> None:
    np.testing.assert_allclose(matmul(A[::-1, ::-1], B[::-1]), A[::-1] @ B, rtol=1e-5)
    out = np.zeros((12, 10), np.float32)
    matmul(A, B, out=out[::-2, ::2])
    np.testing.assert_allclose(out[::-2, ::2], A @ B, rtol=1e-5)
    assert np.count_nonzero(out) == 30


def test_an_input_may_repeat_its_elements() -> None:
    twos = np.broadcast_to(np.float32(2), (3, 8))
    np.testing.assert_allclose(matmul(twos, B), twos @ B, rtol=1e-5)


def test_size_0() -> None:
    assert matmul(A[:0], B).shape == (0, 5)
    np.testing.assert_array_equal(matmul(A[:, :0], B[:0]), np.zeros((6, 5)))


def test_kernels_and_their_functions_pickle() -> None:
    again = pickle.loads(pickle.dumps(KERNEL))
    assert again.schedule == KERNEL.schedule
    np.testing.assert_allclose(again(A, B), A @ B, rtol=1e-5)
    assert copy.deepcopy(matmul) is matmul
    assert matmul.__reduce__() == "matmul"


def test_a_local_kernel_function_does_not_pickle_by_name() -> None:
    @ls.kernel
    def local(x: ls.f32["n"]) -> ls.f32["n"]:
        return x[ls.indices("n")]

    with pytest.raises((pickle.PicklingError, AttributeError), match="local"):
        pickle.dumps(local)


def test_a_kernel_without_source() -> None:
    names: dict[str, Any] = {"ls": ls}
    exec(
        '@ls.kernel\ndef twice(x: ls.f32["n"]) -> ls.f32["n"]:\n'
        '    n = ls.indices("n")\n    return 2.0 * x[n]\n',
        names,
    )
    np.testing.assert_array_equal(names["twice"](A[0]), 2 * A[0])


def test_fork_after_use() -> None:
    large = np.ones((300, 300), np.float32)
    matmul(large, large)
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        ok = (matmul(large, large) == 300).all() and (matmul(large[:7], large) == 300).all()
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
