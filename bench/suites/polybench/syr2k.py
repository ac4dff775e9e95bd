"""syr2k: C = alpha*(A*B^T + B*A^T) + beta*C, lower triangle."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def syr2k(
    N: ls.size, M: ls.size, alpha: ls.f64, beta: ls.f64,
    C: ls.f64["N N"], A: ls.f64["N M"], B: ls.f64["N M"],
):  # fmt: skip
    for i in range(N):
        for j in range(i + 1):
            C[i, j] *= beta
        for k in range(M):
            for j in range(i + 1):
                C[i, j] += A[j, k] * alpha * B[i, k] + B[j, k] * alpha * A[i, k]


@syr2k.inputs
def inputs(sizes, seed):
    n, m = sizes["N"], sizes["M"]
    i, j = np.ogrid[:n, :m]
    r, c = np.ogrid[:n, :n]
    return {
        "alpha": np.float64(1.5),
        "beta": np.float64(1.2),
        "C": (r * c + 3) % n / m,
        "A": (i * j + 1) % n / n,
        "B": (i * j + 2) % m / m,
    }
