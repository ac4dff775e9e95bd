"""durbin: the Levinson-Durbin recursion for a Toeplitz system."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def durbin(N: ls.size, r: ls.f64["N"], y: ls.f64["N"]):
    z = ls.empty("N", ls.f64)
    y[0] = -r[0]
    beta = 1.0
    alpha = -r[0]
    for k in range(1, N):
        beta = (1.0 - alpha * alpha) * beta
        total = 0.0
        for i in range(k):
            total += r[k - i - 1] * y[i]
        alpha = -(r[k] + total) / beta
        for i in range(k):
            z[i] = y[i] + alpha * y[k - i - 1]
        for i in range(k):
            y[i] = z[i]
        y[k] = alpha


@durbin.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    return {"r": n + 1.0 - np.arange(n), "y": np.zeros(n)}
