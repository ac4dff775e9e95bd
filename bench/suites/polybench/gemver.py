"""gemver: a rank-2 update of A, and two products with it."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def gemver(
    N: ls.size, alpha: ls.f64, beta: ls.f64, A: ls.f64["N N"],
    u1: ls.f64["N"], v1: ls.f64["N"], u2: ls.f64["N"], v2: ls.f64["N"],
    w: ls.f64["N"], x: ls.f64["N"], y: ls.f64["N"], z: ls.f64["N"],
):  # fmt: skip
    for i in range(N):
        for j in range(N):
            A[i, j] = A[i, j] + u1[i] * v1[j] + u2[i] * v2[j]
    for i in range(N):
        for j in range(N):
            x[i] = x[i] + beta * A[j, i] * y[j]
    for i in range(N):
        x[i] = x[i] + z[i]
    for i in range(N):
        for j in range(N):
            w[i] = w[i] + alpha * A[i, j] * x[j]


@gemver.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    i, j = np.ogrid[:n, :n]
    rising = np.arange(1, n + 1) / n
    return {
        "alpha": np.float64(1.5),
        "beta": np.float64(1.2),
        "A": i * j % n / n,
        "u1": np.arange(n, dtype=np.float64),
        "v1": rising / 4,
        "u2": rising / 2,
        "v2": rising / 6,
        "w": np.zeros(n),
        "x": np.zeros(n),
        "y": rising / 8,
        "z": rising / 9,
    }
