"""gemm: C = alpha*A*B + beta*C."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def gemm(
    NI: ls.size, NJ: ls.size, NK: ls.size, alpha: ls.f64, beta: ls.f64,
    C: ls.f64["NI NJ"], A: ls.f64["NI NK"], B: ls.f64["NK NJ"],
):  # fmt: skip
    for i in range(NI):
        for j in range(NJ):
            C[i, j] *= beta
        for k in range(NK):
            for j in range(NJ):
                C[i, j] += alpha * A[i, k] * B[k, j]


@gemm.inputs
def inputs(sizes, seed):
    ni, nj, nk = sizes["NI"], sizes["NJ"], sizes["NK"]
    return {
        "alpha": np.float64(1.5),
        "beta": np.float64(1.2),
        "C": table(ni, nj, lambda i, j: (i * j + 1) % ni / ni),
        "A": table(ni, nk, lambda i, j: i * (j + 1) % nk / nk),
        "B": table(nk, nj, lambda i, j: i * (j + 2) % nj / nj),
    }


def table(rows, columns, formula):
    return formula(*np.ogrid[:rows, :columns])
