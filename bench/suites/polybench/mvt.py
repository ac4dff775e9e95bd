"""mvt: two products, with A and with its transpose."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def mvt(
    N: ls.size, x1: ls.f64["N"], x2: ls.f64["N"], y_1: ls.f64["N"], y_2: ls.f64["N"],
    A: ls.f64["N N"],
):  # fmt: skip
    for i in range(N):
        for j in range(N):
            x1[i] = x1[i] + A[i, j] * y_1[j]
    for i in range(N):
        for j in range(N):
            x2[i] = x2[i] + A[j, i] * y_2[j]


@mvt.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    i, j = np.ogrid[:n, :n]
    line = np.arange(n)
    return {
        "x1": line % n / n,
        "x2": (line + 1) % n / n,
        "y_1": (line + 3) % n / n,
        "y_2": (line + 4) % n / n,
        "A": i * j % n / n,
    }
