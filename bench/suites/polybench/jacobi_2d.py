"""jacobi-2d: a five-point stencil, two arrays in turn."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def jacobi_2d(TSTEPS: ls.size, N: ls.size, A: ls.f64["N N"], B: ls.f64["N N"]):
    for t in range(TSTEPS):  # noqa: B007
        for i in range(1, N - 1):
            for j in range(1, N - 1):
                B[i, j] = 0.2 * (A[i, j] + A[i, j - 1] + A[i, j + 1] + A[i + 1, j] + A[i - 1, j])
        for i in range(1, N - 1):
            for j in range(1, N - 1):
                A[i, j] = 0.2 * (B[i, j] + B[i, j - 1] + B[i, j + 1] + B[i + 1, j] + B[i - 1, j])


@jacobi_2d.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    i, j = np.ogrid[:n, :n]
    return {"A": (i * (j + 2) + 2) / n, "B": (i * (j + 3) + 3) / n}
