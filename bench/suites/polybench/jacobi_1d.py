"""jacobi-1d: a three-point stencil, two arrays in turn."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def jacobi_1d(TSTEPS: ls.size, N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
    for t in range(TSTEPS):  # noqa: B007
        for i in range(1, N - 1):
            B[i] = 0.33333 * (A[i - 1] + A[i] + A[i + 1])
        for i in range(1, N - 1):
            A[i] = 0.33333 * (B[i - 1] + B[i] + B[i + 1])


@jacobi_1d.inputs
def inputs(sizes, seed):
    i = np.arange(sizes["N"])
    return {"A": (i + 2) / sizes["N"], "B": (i + 3) / sizes["N"]}
