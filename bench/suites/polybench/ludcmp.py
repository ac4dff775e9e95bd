"""ludcmp: solve A x = b by an LU decomposition in place."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def ludcmp(N: ls.size, A: ls.f64["N N"], b: ls.f64["N"], x: ls.f64["N"], y: ls.f64["N"]):
    for i in range(N):
        for j in range(i):
            w = A[i, j]
            for k in range(j):
                w -= A[i, k] * A[k, j]
            A[i, j] = w / A[j, j]
        for j in range(i, N):
            w = A[i, j]
            for k in range(i):
                w -= A[i, k] * A[k, j]
            A[i, j] = w
    for i in range(N):
        w = b[i]
        for j in range(i):
            w -= A[i, j] * y[j]
        y[i] = w
    for i in range(N - 1, -1, -1):
        w = y[i]
        for j in range(i + 1, N):
            w -= A[i, j] * x[j]
        x[i] = w / A[i, i]


@ludcmp.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    i, j = np.ogrid[:n, :n]
    lower = np.where(j < i, 1 - j / n, 0.0) + np.eye(n)
    return {
        "A": lower @ lower.T,
        "b": np.arange(1, n + 1) / n / 2 + 4,
        "x": np.zeros(n),
        "y": np.zeros(n),
    }
