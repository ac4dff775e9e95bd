"""Matrix products: square, skinny, odd, batched."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


@ls.kernel
def batched(A: ls.f32["b m k"], B: ls.f32["b k n"]) -> ls.f32["b m n"]:
    b, m, n, k = ls.indices("b m n k")
    return ls.named("C", ls.sum(A[b, m, k] * B[b, k, n], over=k))


SHAPES = {
    "64": (64, 64, 64),
    "128": (128, 128, 128),
    "256": (256, 256, 256),
    "512": (512, 512, 512),
    "1024": (1024, 1024, 1024),
    "2048": (2048, 2048, 2048),
    "127x257x513": (127, 257, 513),
    "4096x64x64": (4096, 64, 64),
    "16x1024x4096": (16, 1024, 4096),
    "1x1024x1024": (1, 1024, 1024),
}
QUICK = ("64", "128", "256", "512", "127x257x513")


def _row(name, function, sizes):
    return {
        "name": name,
        "function": function,
        "sizes": sizes,
        "numpy": np.matmul,
        "onnx": ("MatMul", {}),
        "constant": "B",
        "quick": name in QUICK,
    }


ROWS = [_row(name, matmul, dict(zip("mnk", shape))) for name, shape in SHAPES.items()]
ROWS.append(_row("b64_32x32x64", batched, {"b": 64, "m": 32, "n": 32, "k": 64}))
