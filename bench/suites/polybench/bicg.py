"""bicg: s = A^T r and q = A p, in one pass over A."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def bicg(
    M: ls.size, N: ls.size,
    A: ls.f64["N M"], s: ls.f64["M"], q: ls.f64["N"], p: ls.f64["M"], r: ls.f64["N"],
):  # fmt: skip
    for i in range(M):
        s[i] = 0.0
    for i in range(N):
        q[i] = 0.0
        for j in range(M):
            s[j] = s[j] + r[i] * A[i, j]
            q[i] = q[i] + A[i, j] * p[j]


@bicg.inputs
def inputs(sizes, seed):
    m, n = sizes["M"], sizes["N"]
    i, j = np.ogrid[:n, :m]
    return {
        "A": i * (j + 1) % n / n,
        "s": np.zeros(m),
        "q": np.zeros(n),
        "p": np.arange(m) / m,
        "r": np.arange(n) / n,
    }
