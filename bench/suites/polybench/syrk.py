"""syrk: C = alpha*A*A^T + beta*C, lower triangle."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def syrk(N: ls.size, M: ls.size, alpha: ls.f64, beta: ls.f64, C: ls.f64["N N"], A: ls.f64["N M"]):
    for i in range(N):
        for j in range(i + 1):
            C[i, j] *= beta
        for k in range(M):
            for j in range(i + 1):
                C[i, j] += alpha * A[i, k] * A[j, k]


@syrk.inputs
def inputs(sizes, seed):
    n, m = sizes["N"], sizes["M"]
    i, j = np.ogrid[:n, :m]
    r, c = np.ogrid[:n, :n]
    return {
        "alpha": np.float64(1.5),
        "beta": np.float64(1.2),
        "C": (r * c + 2) % m / m,
        "A": (i * j + 1) % n / n,
    }
