"""Tensor kernels as users write them, each with its meaning in NumPy.

``CASES`` maps a name to a :class:`Case`: the undecorated function, the size names in declared
order, and a function of the same arguments that computes in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import loopstack as ls


@dataclass(frozen=True)
class Case:
    """``sizes`` are tried as they are; ``numpy`` returns the expected result or results."""

    function: Callable[..., Any]
    numpy: Callable[..., Any]
    sizes: tuple[dict[str, int], ...]


CASES: dict[str, Case] = {}


def case(numpy: Callable[..., Any], *sizes: dict[str, int]) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        CASES[function.__name__] = Case(function, numpy, sizes)
        return function

    return register


def grid(names: str, *rows: tuple[int, ...]) -> tuple[dict[str, int], ...]:
    return tuple(dict(zip(names.split(), row, strict=True)) for row in rows)


MATRIX_SIZES = grid(
    "m k n", (1, 1, 1), (6, 16, 16), (7, 5, 3), (13, 17, 19), (64, 33, 48), (31, 127, 65),
    (1, 40, 9), (9, 40, 1), (5, 1, 8), (0, 3, 4), (4, 3, 0), (4, 0, 3), (97, 3, 101),
)  # fmt: skip
ROW_SIZES = grid(
    "i j", (1, 1), (3, 8), (5, 7), (2, 100), (17, 33), (31, 1), (1, 257), (0, 5), (64, 64)
)
VECTOR_SIZES = grid("n", (0,), (1,), (2,), (7,), (8,), (31,), (64,), (101,), (1000,))


# ---- contractions -------------------------------------------------------------------------------
@case(lambda A, B: A @ B, *MATRIX_SIZES)
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


@case(lambda A, B: A @ B, *MATRIX_SIZES)
def matmul_f64(A: ls.f64["m k"], B: ls.f64["k n"]) -> ls.f64["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.sum(A[m, k] * B[k, n], over=k)


@case(lambda A, B: A @ B, *MATRIX_SIZES[:8])
def matmul_i32(A: ls.i32["m k"], B: ls.i32["k n"]) -> ls.i32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.sum(A[m, k] * B[k, n], over=k)


@case(lambda A, B, c: np.maximum(A @ B + c, 0), *MATRIX_SIZES)
def linear_relu(A: ls.f32["m k"], B: ls.f32["k n"], c: ls.f32["n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.relu(ls.sum(A[m, k] * B[k, n], over=k) + c[n])


@case(lambda A, B: A.T @ B.T, *grid("m k n", *((6, 7, 5), (33, 16, 20), (1, 9, 1))))
def matmul_transposed(A: ls.f32["k m"], B: ls.f32["n k"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.sum(A[k, m] * B[n, k], over=k)


@case(
    lambda X, Y: X @ Y, *grid("b i j k", (1, 2, 3, 4), (3, 5, 7, 2), (2, 16, 17, 16), (0, 2, 2, 2))
)
def batched(X: ls.f32["b i j"], Y: ls.f32["b j k"]) -> ls.f32["b i k"]:
    b, i, j, k = ls.indices("b i j k")
    return ls.sum(X[b, i, j] * Y[b, j, k], over=j)


@case(
    lambda A, x, alpha: alpha * (A @ x), *grid("m n", (1, 1), (5, 7), (64, 64), (33, 100), (3, 0))
)
def scaled_matvec(A: ls.f32["m n"], x: ls.f32["n"], alpha: ls.f32) -> ls.f32["m"]:
    m, n = ls.indices("m n")
    return alpha * ls.sum(A[m, n] * x[n], over=n)


@case(lambda x, y: np.asarray(x @ y), *VECTOR_SIZES)
def dot(x: ls.f32["n"], y: ls.f32["n"]) -> ls.f32:
    n = ls.indices("n")
    return ls.sum(x[n] * y[n], over=n)


# ---- rows ---------------------------------------------------------------------------------------
def _softmax(x: np.ndarray) -> np.ndarray:
    if not x.size:
        return x
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@case(_softmax, *ROW_SIZES)
def softmax(x: ls.f32["i j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    e = ls.exp(x[i, j] - ls.max(x[i, j], over=j))
    return e / ls.sum(e, over=j)


def _layernorm(x: np.ndarray, g: np.ndarray, b: np.ndarray) -> np.ndarray:
    centred = x - x.mean(1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * g + b


@case(_layernorm, *ROW_SIZES)
def layernorm(x: ls.f32["i j"], g: ls.f32["j"], b: ls.f32["j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    centred = ls.named("centred", x[i, j] - ls.mean(x[i, j], over=j))
    variance = ls.named("variance", ls.mean(centred * centred, over=j))
    return centred / ls.sqrt(variance + 1e-5) * g[j] + b[j]


@case(lambda x: x.sum(1), *ROW_SIZES, {"i": 4, "j": 0})
def row_sum(x: ls.f32["i j"]) -> ls.f32["i"]:
    i, j = ls.indices("i j")
    return ls.sum(x[i, j], over=j)


@case(lambda x: x.sum(0), *ROW_SIZES)
def column_sum(x: ls.f32["i j"]) -> ls.f32["j"]:
    i, j = ls.indices("i j")
    return ls.sum(x[i, j], over=i)


@case(lambda x: x.min(1), *ROW_SIZES)
def row_min(x: ls.f64["i j"]) -> ls.f64["i"]:
    i, j = ls.indices("i j")
    return ls.min(x[i, j], over=j)


@case(lambda x: x.max(1), *ROW_SIZES)
def row_max_i64(x: ls.i64["i j"]) -> ls.i64["i"]:
    i, j = ls.indices("i j")
    return ls.max(x[i, j], over=j)


@case(lambda x: (1 + x / 64).prod(1), *ROW_SIZES[:6], {"i": 4, "j": 0})
def row_prod(x: ls.f32["i j"]) -> ls.f32["i"]:
    i, j = ls.indices("i j")
    return ls.prod(1.0 + x[i, j] / 64.0, over=j)


def _attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _softmax(q @ k.T / math.sqrt(8)) @ v


@case(_attention, *grid("s t d", (1, 1, 8), (5, 7, 8), (17, 16, 8), (32, 33, 8)))
def attention(q: ls.f32["s d"], k: ls.f32["t d"], v: ls.f32["t d"]) -> ls.f32["s d"]:
    s, t, d, c = ls.indices("s t d c")
    score = ls.named("score", ls.sum(q[s, c] * k[t, c], over=c) * (1 / math.sqrt(8)))
    e = ls.exp(score - ls.max(score, over=t))
    p = ls.named("p", e / ls.sum(e, over=t))
    return ls.sum(p * v[t, d], over=t)


# ---- windows ------------------------------------------------------------------------------------
def _windows(x: np.ndarray, kh: int, kw: int, stride: int, dilation: int) -> np.ndarray:
    """Return x seen as [..., oh, ow, kh, kw]."""
    span = ((kh - 1) * dilation + 1, (kw - 1) * dilation + 1)
    seen = np.lib.stride_tricks.sliding_window_view(x, span, axis=(-2, -1))
    return seen[..., ::stride, ::stride, ::dilation, ::dilation]


def _conv(x: np.ndarray, w: np.ndarray, stride: int = 1, dilation: int = 1) -> np.ndarray:
    windows = _windows(x, w.shape[-2], w.shape[-1], stride, dilation)
    return np.einsum("ncxyhw,ochw->noxy", windows, w)


def _border(x: np.ndarray, value: float) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=value)


CONV_SIZES = grid(
    "n ci h w co kh kw", (1, 1, 3, 3, 1, 3, 3), (1, 3, 8, 9, 4, 3, 3), (2, 3, 7, 5, 5, 2, 3),
    (1, 16, 12, 13, 17, 3, 3), (1, 4, 5, 33, 8, 1, 1),
)  # fmt: skip


@case(lambda x, w: _conv(_border(x, 0.0), w), *CONV_SIZES)
def conv2d(x: ls.f32["n ci h w"], w: ls.f32["co ci kh kw"]) -> ls.f32["n co oh ow"]:
    n, co, oh, ow, ci, kh, kw = ls.indices("n co oh ow ci kh kw")
    p = ls.pad(x, h=(1, 1), w=(1, 1), value=0.0)
    return ls.sum(p[n, ci, oh + kh, ow + kw] * w[co, ci, kh, kw], over=(ci, kh, kw))


@case(lambda x, w: _conv(x, w, stride=2), *CONV_SIZES)
def conv_stride_2(x: ls.f32["n ci h w"], w: ls.f32["co ci kh kw"]) -> ls.f32["n co oh ow"]:
    n, co, oh, ow, ci, kh, kw = ls.indices("n co oh ow ci kh kw")
    return ls.sum(x[n, ci, 2 * oh + kh, 2 * ow + kw] * w[co, ci, kh, kw], over=(ci, kh, kw))


@case(lambda x, w: _conv(x, w, dilation=2), *grid(
    "n ci h w co kh kw", (1, 3, 8, 9, 4, 3, 3), (2, 3, 7, 5, 5, 2, 3), (1, 4, 5, 33, 8, 1, 1)
))  # fmt: skip
def conv_dilation_2(x: ls.f32["n ci h w"], w: ls.f32["co ci kh kw"]) -> ls.f32["n co oh ow"]:
    n, co, oh, ow, ci, kh, kw = ls.indices("n co oh ow ci kh kw")
    return ls.sum(x[n, ci, oh + 2 * kh, ow + 2 * kw] * w[co, ci, kh, kw], over=(ci, kh, kw))


@case(
    lambda x: _windows(x, 2, 2, 2, 1).max((-2, -1)),
    *grid("c h w", (1, 2, 2), (3, 8, 10), (5, 7, 33)),
)
def max_pool(x: ls.f32["c h w"]) -> ls.f32["c oh ow"]:
    c, oh, ow = ls.indices("c oh ow")
    kh, kw = ls.indices("kh kw", kh=2, kw=2)
    return ls.max(x[c, 2 * oh + kh, 2 * ow + kw], over=(kh, kw))


def _depthwise(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    windows = _windows(np.pad(x, ((0, 0), (1, 1), (1, 1))), 3, 3, 1, 1)
    return np.einsum("cxyhw,chw->cxy", windows, w)


@case(_depthwise, *grid("c h w", (1, 1, 1), (3, 8, 9), (8, 14, 14), (5, 3, 40)))
def depthwise(x: ls.f32["c h w"], w: ls.f32["c 3 3"]) -> ls.f32["c oh ow"]:
    c, oh, ow, kh, kw = ls.indices("c oh ow kh kw")
    p = ls.pad(x, h=(1, 1), w=(1, 1), value=0.0)
    return ls.sum(p[c, oh + kh, ow + kw] * w[c, kh, kw], over=(kh, kw))


@case(lambda x: np.pad(x, ((1, 2), (0, 3)), constant_values=-7.5), *ROW_SIZES)
def padded(x: ls.f32["i j"]) -> ls.f32["a b"]:
    a, b = ls.indices("a b")
    p = ls.pad(x, i=(1, 2), j=(0, 3), value=-7.5)
    return p[a, b] + 0.0


@case(lambda x: np.exp(np.pad(x, (2, 1), constant_values=1.5)), *VECTOR_SIZES)
def pad_then_exp(x: ls.f32["n"]) -> ls.f32["i"]:
    i = ls.indices("i")
    p = ls.pad(x, n=(2, 1), value=1.5)
    return ls.exp(p[i])


def _twice(x: np.ndarray) -> np.ndarray:
    p = np.pad(x, (1, 1), constant_values=3.0)
    return p[:-2] + 2 * p[1:-1] + p[2:]


@case(_twice, *VECTOR_SIZES)
def padded_read_thrice(x: ls.f32["n"]) -> ls.f32["i"]:
    i = ls.indices("i")
    p = ls.pad(x, n=(1, 1), value=3.0)
    return p[i] + 2.0 * p[i + 1] + p[i + 2]


@case(lambda x: x[:-2] + x[1:-1] + x[2:], *VECTOR_SIZES[2:])
def stencil(x: ls.f64["n"]) -> ls.f64["i"]:
    i = ls.indices("i")
    return x[i] + x[i + 1] + x[i + 2]


# ---- element by element -------------------------------------------------------------------------
@case(lambda x: x.T, *ROW_SIZES)
def transpose(x: ls.f32["i j"]) -> ls.f32["j i"]:
    i, j = ls.indices("i j")
    return x[i, j] * 1.0


@case(lambda x, y: np.outer(x, y), *grid("i j", (1, 1), (5, 7), (33, 8), (0, 3)))
def outer(x: ls.f32["i"], y: ls.f32["j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    return x[i] * y[j]


@case(lambda x: 1 / (1 + np.exp(-x)), *VECTOR_SIZES)
def sigmoid(x: ls.f32["n"]) -> ls.f32["n"]:
    n = ls.indices("n")
    return ls.sigmoid(x[n])


@case(np.tanh, *VECTOR_SIZES)
def tanh(x: ls.f64["n"]) -> ls.f64["n"]:
    n = ls.indices("n")
    return ls.tanh(x[n])


def _gelu(x: np.ndarray) -> np.ndarray:
    return 0.5 * x * (1 + np.vectorize(math.erf, otypes=[np.float64])(x / math.sqrt(2)))


@case(_gelu, *VECTOR_SIZES)
def gelu(x: ls.f32["n"]) -> ls.f32["n"]:
    n = ls.indices("n")
    return ls.gelu(x[n])


@case(lambda x: np.where(np.tri(*x.shape, dtype=bool), x, -1.0), *ROW_SIZES)
def lower_triangle(x: ls.f32["i j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    return ls.where(i >= j, x[i, j], -1.0)


@case(lambda x: x + 2**24 + np.arange(len(x)), *VECTOR_SIZES)
def large_indices(x: ls.i64["n"]) -> ls.i64["n"]:
    n = ls.indices("n")
    return x[n] + (n + 2**24)


@case(lambda x: np.repeat(x, 3), *VECTOR_SIZES[1:])
def upsample(x: ls.f32["n"]) -> ls.f32["i"]:
    i = ls.indices("i")
    return x[i // 3] * 1.0


@case(lambda x, y: np.concatenate([x, y], axis=1), *grid("r a b", (1, 1, 1), (3, 4, 5), (2, 8, 9)))
def joined(x: ls.f32["r a"], y: ls.f32["r b"]) -> ls.f32["r c"]:
    r, c = ls.indices("r c")
    return ls.concat([x, y], dim="a")[r, c] * 1.0


@case(lambda x, y: np.where((x < y) & ~(x == 0), x // 3, np.abs(y) % 5), *VECTOR_SIZES)
def integer_mix(x: ls.i32["n"], y: ls.i32["n"]) -> ls.i32["n"]:
    n = ls.indices("n")
    both = (x[n] < y[n]) & ~(x[n] == 0)
    return ls.where(both, x[n] // 3, ls.abs(y[n]) % 5)


@case(lambda x: np.argmax(x, axis=1), *ROW_SIZES)
def row_argmax(x: ls.f32["i j"]) -> ls.i64["i"]:
    i, j = ls.indices("i j")
    return ls.argmax(x[i, j], over=j)


@case(lambda x: (x > 0).any(1).astype(np.int32), *ROW_SIZES)
def row_has_positive(x: ls.f32["i j"]) -> ls.i32["i"]:
    i, j = ls.indices("i j")
    return ls.where(ls.any(x[i, j] > 0, over=j), 1, 0)


@case(lambda x: (x > 0).sum(1), *ROW_SIZES)
def row_positives(x: ls.f64["i j"]) -> ls.i64["i"]:
    i, j = ls.indices("i j")
    return ls.sum(ls.cast(x[i, j] > 0, ls.i64), over=j)


@case(lambda x: np.cumsum(x, axis=1), *ROW_SIZES)
def running_sum(x: ls.f32["i j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    return ls.cumsum(x[i, j], along=j)


@case(lambda x: (x.sum(1), x.max(1)), *ROW_SIZES)
def two_outputs(x: ls.f32["i j"]) -> (ls.f32["i"], ls.f32["i"]):
    i, j = ls.indices("i j")
    return ls.sum(x[i, j], over=j), ls.max(x[i, j], over=j)
