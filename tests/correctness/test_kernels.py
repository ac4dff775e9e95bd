"""Decorated kernels called with arrays, under their default schedules."""

from __future__ import annotations

import numpy as np
import pytest
from harness.inputs import Fill, inputs, random_floats, small_integers, special_values
from harness.kernels import CASES

import loopstack as ls
from loopstack.reference.interpreter import run
from loopstack.reference.tolerance import compare, reference

EACH = pytest.mark.parametrize("label", sorted(CASES))
KERNELS = {label: ls.kernel(case.function) for label, case in CASES.items()}
torch = pytest.importorskip("torch")


def call(label: str, sizes: dict[str, int], fill: Fill, transform=lambda a: a):
    """Return (bound program, oracle inputs, results by output name)."""
    kernel = KERNELS[label]
    bound = kernel.program.bind(sizes)
    data = inputs(bound, fill)
    passed = [a.item() if a.ndim == 0 else transform(a) for a in data.values()]
    found = kernel(*passed)
    names = [a.name for a in bound.arguments if a.role == "output"]
    results = found if isinstance(found, tuple) else (found,)
    return bound, data, dict(zip(names, results, strict=True))


def check(label: str, sizes: dict[str, int], fill: Fill, transform=lambda a: a) -> None:
    bound, data, found = call(label, sizes, fill, transform)
    for name, (expected, error) in reference(bound, data).items():
        mismatch = compare(np.asarray(found[name]), expected, error)
        assert mismatch is None, f"{label} {sizes}: {name}{mismatch}"


@EACH
def test_random_floats(label):
    for sizes in CASES[label].sizes:
        check(label, sizes, random_floats)


@EACH
def test_small_integers(label):
    for sizes in CASES[label].sizes[:5]:
        check(label, sizes, small_integers)


# Sums of infinities depend on the order; what is element by element, or a maximum, does not.
SPECIAL = ("transpose", "outer", "lower_triangle", "padded", "stencil", "integer_mix", "max_pool",
           "row_min", "row_max_i64", "row_argmax", "upsample", "joined", "sigmoid", "tanh", "gelu",
           "pad_then_exp")  # fmt: skip


@pytest.mark.parametrize("label", SPECIAL)
def test_special_values(label):
    for sizes in CASES[label].sizes:
        bound, data, found = call(label, sizes, special_values)
        bounds = reference(bound, data)
        for name, faithful in run(bound, data, "faithful").items():
            # Overflow in the declared dtype may differ from wide arithmetic; NaN-ness may not.
            settled = np.isfinite(faithful) if faithful.dtype.kind == "f" else True
            error = np.where(settled, 2 * bounds[name][1], 0.0)
            assert compare(np.asarray(found[name]), faithful, error) is None, (label, sizes)


# ---- other array kinds and layouts --------------------------------------------------------------
FEW = ("matmul", "softmax", "layernorm", "conv2d", "column_sum", "transpose", "scaled_matvec")


@pytest.mark.parametrize("label", FEW)
def test_torch_in_torch_out(label):
    for sizes in CASES[label].sizes[:6]:
        bound, data, found = call(label, sizes, random_floats, torch.from_numpy)
        for name, (expected, error) in reference(bound, data).items():
            assert isinstance(found[name], torch.Tensor)
            assert compare(found[name].numpy(), expected, error) is None, sizes


def _column_major(a: np.ndarray) -> np.ndarray:
    return np.asfortranarray(a)


def _every_other(a: np.ndarray) -> np.ndarray:
    wide = np.full([2 * n for n in a.shape], 99, a.dtype)
    seen = wide[tuple(slice(None, None, 2) for _ in a.shape)]
    seen[...] = a
    return seen


def _inside(a: np.ndarray) -> np.ndarray:
    wide = np.full([n + 3 for n in a.shape], 99, a.dtype)
    seen = wide[tuple(slice(1, n + 1) for n in a.shape)]
    seen[...] = a
    return seen


def _padded_transpose(a: np.ndarray) -> np.ndarray:
    return _inside(np.ascontiguousarray(a.T)).T


LAYOUTS = (_column_major, _every_other, _inside, _padded_transpose)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("label", FEW)
def test_strided_inputs(label, layout):
    for sizes in CASES[label].sizes[:6]:
        check(label, sizes, random_floats, layout)


def test_reversed_views():
    for label in ("matmul", "softmax", "transpose"):
        for sizes in CASES[label].sizes[1:5]:
            check(label, sizes, random_floats, lambda a: np.flip(a, 0).copy()[::-1])


def test_broadcast_views_are_read_like_any_other():
    matmul = KERNELS["matmul"]
    row = np.arange(5, dtype=np.float32)
    a = np.broadcast_to(row, (4, 5))
    b = np.eye(5, dtype=np.float32)
    np.testing.assert_array_equal(matmul(a, b), a)


def test_out_is_written_and_returned():
    matmul = KERNELS["matmul"]
    a, b = np.ones((3, 4), np.float32), np.ones((4, 5), np.float32)
    out = np.full((3, 5), -1, np.float32)
    assert matmul(a, b, out=out) is out
    np.testing.assert_array_equal(out, np.full((3, 5), 4, np.float32))
    wide = np.full((6, 10), -1, np.float32)
    matmul(a, b, out=wide[::2, ::2])
    np.testing.assert_array_equal(wide[::2, ::2], out)
    assert (wide[1::2] == -1).all()
    assert (wide[:, 1::2] == -1).all()


def test_several_outputs_come_as_a_tuple():
    two = KERNELS["two_outputs"]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    total, most = two(x)
    np.testing.assert_array_equal(total, [3, 12])
    np.testing.assert_array_equal(most, [2, 5])
    out = (np.empty(2, np.float32), np.empty(2, np.float32))
    assert two(x, out=out)[1] is out[1]
    np.testing.assert_array_equal(out[0], [3, 12])


def test_inputs_are_read_in_place():
    # A copy would not see what is written between two calls into the same buffer.
    matmul = KERNELS["matmul"]
    a, b = np.ones((2, 2), np.float32), np.eye(2, dtype=np.float32)
    first = matmul(a, b)
    a[:] = 5
    np.testing.assert_array_equal(matmul(a, b), np.full((2, 2), 5, np.float32))
    np.testing.assert_array_equal(first, np.ones((2, 2), np.float32))


def _at_offset(offset_bytes: int, shape: tuple[int, int]) -> np.ndarray:
    memory = np.zeros(4 * shape[0] * shape[1] + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset_bytes
    return memory[start : start + 4 * shape[0] * shape[1]].view(np.float32).reshape(shape)


@pytest.mark.parametrize("offset_bytes", [4, 8, 12, 20, 32])
def test_arrays_aligned_to_their_elements_only(offset_bytes):
    a, b = _at_offset(offset_bytes, (17, 33)), _at_offset(offset_bytes, (33, 9))
    a[...], b[...] = np.arange(17 * 33).reshape(17, 33) % 7, 1
    out = _at_offset(offset_bytes, (17, 9))
    np.testing.assert_array_equal(KERNELS["matmul"](a, b, out=out), a @ b)


def test_arrays_not_aligned_to_their_elements_are_refused():
    a = _at_offset(1, (3, 3))
    with pytest.raises(ls.ArgumentError, match="A is not aligned to its 4-byte elements"):
        KERNELS["matmul"](a, a.copy())


def test_the_same_input_twice():
    matmul = KERNELS["matmul"]
    a = np.arange(25, dtype=np.float32).reshape(5, 5) % 4
    np.testing.assert_array_equal(matmul(a, a), a @ a)
