"""seidel-2d: a nine-point stencil in place."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def seidel_2d(TSTEPS: ls.size, N: ls.size, A: ls.f64["N N"]):
    for t in range(TSTEPS):  # noqa: B007
        for i in range(1, N - 1):
            for j in range(1, N - 1):
                A[i, j] = (
                    A[i - 1, j - 1] + A[i - 1, j] + A[i - 1, j + 1]
                    + A[i, j - 1] + A[i, j] + A[i, j + 1]
                    + A[i + 1, j - 1] + A[i + 1, j] + A[i + 1, j + 1]
                ) / 9.0  # fmt: skip


@seidel_2d.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    i, j = np.ogrid[:n, :n]
    return {"A": (i * (j + 2) + 2) / n}
