"""trmm: B = alpha*A^T*B in place, A unit lower triangular."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def trmm(M: ls.size, N: ls.size, alpha: ls.f64, A: ls.f64["M M"], B: ls.f64["M N"]):
    for i in range(M):
        for j in range(N):
            for k in range(i + 1, M):
                B[i, j] += A[k, i] * B[k, j]
            B[i, j] = alpha * B[i, j]


@trmm.inputs
def inputs(sizes, seed):
    m, n = sizes["M"], sizes["N"]
    i, j = np.ogrid[:m, :n]
    r, c = np.ogrid[:m, :m]
    return {
        "alpha": np.float64(1.5),
        "A": np.where(c < r, (r + c) % m / m, 0.0) + np.eye(m),
        "B": (n + i - j) % n / n,
    }
