"""Softmax along rows."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.kernel
def softmax(x: ls.f32["i j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    e = ls.exp(x[i, j] - ls.max(x[i, j], over=j))
    return e / ls.sum(e, over=j)


def numpy_softmax(x, out):
    np.subtract(x, x.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    return np.divide(out, out.sum(axis=1, keepdims=True), out=out)


def _row(i, j, quick=False):
    return {
        "name": f"{i}x{j}",
        "function": softmax,
        "sizes": {"i": i, "j": j},
        "numpy": numpy_softmax,
        "onnx": ("Softmax", {"axis": 1}),
        "constant": None,
        "quick": quick,
    }


ROWS = [_row(1024, 1024, True), _row(64, 4096), _row(8192, 64), _row(333, 777)]
