"""symm: C = alpha*A*B + beta*C, A symmetric and given by its lower triangle."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def symm(
    M: ls.size, N: ls.size, alpha: ls.f64, beta: ls.f64,
    C: ls.f64["M N"], A: ls.f64["M M"], B: ls.f64["M N"],
):  # fmt: skip
    for i in range(M):
        for j in range(N):
            total = 0.0
            for k in range(i):
                C[k, j] += alpha * B[i, j] * A[i, k]
                total += B[k, j] * A[i, k]
            C[i, j] = beta * C[i, j] + alpha * B[i, j] * A[i, i] + alpha * total


@symm.inputs
def inputs(sizes, seed):
    m, n = sizes["M"], sizes["N"]
    i, j = np.ogrid[:m, :n]
    r, c = np.ogrid[:m, :m]
    return {
        "alpha": np.float64(1.5),
        "beta": np.float64(1.2),
        "C": (i + j) % 100 / m,
        "A": np.where(c <= r, (r + c) % 100 / m, -999.0),  # the upper part is never read
        "B": (n + i - j) % 100 / m,
    }
