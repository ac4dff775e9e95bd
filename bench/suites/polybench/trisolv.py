"""trisolv: solve L x = b, L lower triangular."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def trisolv(N: ls.size, L: ls.f64["N N"], x: ls.f64["N"], b: ls.f64["N"]):
    for i in range(N):
        x[i] = b[i]
        for j in range(i):
            x[i] -= L[i, j] * x[j]
        x[i] = x[i] / L[i, i]


@trisolv.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    i, j = np.ogrid[:n, :n]
    return {
        "L": np.where(j <= i, (i + n - j + 1) * 2 / n, 0.0),
        "x": np.full(n, -999.0),
        "b": np.arange(n, dtype=np.float64),
    }
