"""gesummv: y = alpha*A*x + beta*B*x."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def gesummv(
    N: ls.size, alpha: ls.f64, beta: ls.f64, A: ls.f64["N N"], B: ls.f64["N N"],
    tmp: ls.f64["N"], x: ls.f64["N"], y: ls.f64["N"],
):  # fmt: skip
    for i in range(N):
        tmp[i] = 0.0
        y[i] = 0.0
        for j in range(N):
            tmp[i] = A[i, j] * x[j] + tmp[i]
            y[i] = B[i, j] * x[j] + y[i]
        y[i] = alpha * tmp[i] + beta * y[i]


@gesummv.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    i, j = np.ogrid[:n, :n]
    return {
        "alpha": np.float64(1.5),
        "beta": np.float64(1.2),
        "A": (i * j + 1) % n / n,
        "B": (i * j + 2) % n / n,
        "tmp": np.zeros(n),
        "x": np.arange(n) / n,
        "y": np.zeros(n),
    }
