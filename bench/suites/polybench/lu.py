"""lu: A = L U in place, without pivots."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def lu(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[k, j]
            A[i, j] /= A[j, j]
        for j in range(i, N):
            for k in range(i):
                A[i, j] -= A[i, k] * A[k, j]


@lu.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    i, j = np.ogrid[:n, :n]
    lower = np.where(j < i, 1 - j / n, 0.0) + np.eye(n)
    return {"A": lower @ lower.T}
