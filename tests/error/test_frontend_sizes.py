"""What a user reads when shapes do not fit a kernel: the exact texts."""

from __future__ import annotations

import pytest

import loopstack as ls
from loopstack.frontend.sizes import infer_sizes
from loopstack.frontend.tensor import trace


def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.sum(A[m, k] * B[k, n], over=k)


def loose(A: ls.f32["m k"], B: ls.f32["p n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.sum(A[m, k] * B[k, n], over=k)


def forms(x: ls.f32["2*N M+1 4"], y: ls.f32["N"]) -> ls.f32["i"]:
    i = ls.indices("i")
    return y[i] + x[2 * i, 0, 0]


def convolve(x: ls.f32["n"], w: ls.f32["k"]) -> ls.f32["i"]:
    i, k = ls.indices("i k")
    return ls.sum(x[i + k] * w[k], over=k)


def largest(x: ls.f32["i j"]) -> ls.f32["i"]:
    i, j = ls.indices("i j")
    return ls.max(x[i, j], over=j)


def window(x: ls.f32["n"]) -> ls.f32["i"]:
    i = ls.indices("i", i=10)
    return x[i] + x[i + 2]


def joined(x: ls.f32["a n"], y: ls.f32["b m"]) -> ls.f32["a n"]:
    return ls.concat([x, y], dim="a")


CASES = [
    (matmul, {"A": (3, 4), "B": (5, 6)}, {},
     "size k has two extents: 4 (A dimension 1) and 5 (B dimension 0)"),
    (matmul, {"A": (3, 4)}, {}, "matmul: size n unknown; give n=..., or arrays that carry them"),
    (matmul, {}, {"m": 3}, "matmul: sizes k, n unknown; give k=..., n=..., or arrays that carry "
     "them"),
    (matmul, {}, {"q": 3}, "matmul has no size q; its sizes are m, k, n"),
    (matmul, {"A": (3, 4), "B": (4, 6)}, {"k": 7},
     "size k has two extents: 7 (given) and 4 (A dimension 1)"),
    (matmul, {"A": (3, 4, 5)}, {}, "A has rank 3 (shape (3, 4, 5)), expected rank 2 (m, k)"),
    (matmul, {"Q": (3, 4)}, {}, "matmul has no array Q; its arrays are A, B, out"),
    (matmul, {}, {"m": -1, "n": 1, "k": 1}, "size m is -1, expected an integer >= 0"),
    (loose, {"A": (3, 4), "B": (5, 6)}, {},
     "loose: index k has two extents: 4 (A dimension 1) and 5 (B dimension 0)"),
    (forms, {"x": (5, 3, 4), "y": (2,)}, {}, "x dimension 0 has extent 5, expected 4 (2*N)"),
    (forms, {"x": (5, 3, 4)}, {},
     "x dimension 0 has extent 5, which no N >= 0 makes equal to 2*N"),
    (forms, {"x": (4, 0, 4)}, {},
     "x dimension 1 has extent 0, which no M >= 0 makes equal to M + 1"),
    (forms, {"x": (4, 3, 5)}, {}, "x dimension 2 has extent 5, expected 4"),
    (convolve, {"x": (3,), "w": (6,)}, {},
     "convolve: index i has extent -2 (n - k + 1): no position keeps every access in bounds"),
    (largest, {"x": (3, 0)}, {},
     "largest: max over j: its extent is 0, and an empty max has no value"),
    (window, {"x": (11,)}, {}, "window: x dimension 0 has extent 11, but x[i + 2] needs 12"),
    (joined, {"x": (2, 3), "y": (2, 4)}, {},
     "joined: concat: dimension n of x has extent 3, of y 4"),
]  # fmt: skip


@pytest.mark.parametrize(("fn", "shapes", "sizes", "message"), CASES)
def test_message(fn, shapes, sizes, message):
    with pytest.raises(ls.ShapeError) as error:
        infer_sizes(trace(fn), shapes, sizes)
    assert str(error.value) == message


def test_sizes_that_fit():
    assert infer_sizes(trace(matmul), {"A": (3, 4), "B": (4, 6)}) == {"m": 3, "k": 4, "n": 6}
    assert infer_sizes(trace(matmul), {}, {"m": 0, "k": 4, "n": 6}) == {"m": 0, "k": 4, "n": 6}
    assert infer_sizes(trace(matmul), {"A": (3, 4), "out": (3, 9)}) == {"m": 3, "k": 4, "n": 9}
    assert infer_sizes(trace(forms), {"x": (4, 3, 4)}) == {"N": 2, "M": 2}
    assert infer_sizes(trace(convolve), {"x": (3,), "w": (4,)}) == {"n": 3, "k": 4}
