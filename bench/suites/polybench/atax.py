"""atax: y = A^T (A x)."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def atax(
    M: ls.size, N: ls.size,
    A: ls.f64["M N"], x: ls.f64["N"], y: ls.f64["N"], tmp: ls.f64["M"],
):  # fmt: skip
    for i in range(N):
        y[i] = 0.0
    for i in range(M):
        tmp[i] = 0.0
        for j in range(N):
            tmp[i] = tmp[i] + A[i, j] * x[j]
        for j in range(N):
            y[j] = y[j] + A[i, j] * tmp[i]


@atax.inputs
def inputs(sizes, seed):
    m, n = sizes["M"], sizes["N"]
    i, j = np.ogrid[:m, :n]
    return {
        "A": (i + j) % n / (5 * m),
        "x": 1 + np.arange(n) / n,
        "y": np.zeros(n),
        "tmp": np.zeros(m),
    }
