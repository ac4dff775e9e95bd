"""cholesky: A = L L^T in place, lower triangle."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def cholesky(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[j, k]
            A[i, j] /= A[j, j]
        for k in range(i):
            A[i, i] -= A[i, k] * A[i, k]
        A[i, i] = ls.sqrt(A[i, i])


@cholesky.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    i, j = np.ogrid[:n, :n]
    lower = np.where(j < i, 1 - j / n, 0.0) + np.eye(n)
    return {"A": lower @ lower.T}
