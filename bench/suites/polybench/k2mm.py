"""2mm: D = alpha*A*B*C + beta*D."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def k2mm(
    NI: ls.size, NJ: ls.size, NK: ls.size, NL: ls.size, alpha: ls.f64, beta: ls.f64,
    tmp: ls.f64["NI NJ"], A: ls.f64["NI NK"], B: ls.f64["NK NJ"], C: ls.f64["NJ NL"],
    D: ls.f64["NI NL"],
):  # fmt: skip
    for i in range(NI):
        for j in range(NJ):
            tmp[i, j] = 0.0
            for k in range(NK):
                tmp[i, j] += alpha * A[i, k] * B[k, j]
    for i in range(NI):
        for j in range(NL):
            D[i, j] *= beta
            for k in range(NJ):
                D[i, j] += tmp[i, k] * C[k, j]


@k2mm.inputs
def inputs(sizes, seed):
    ni, nj, nk, nl = (sizes[n] for n in ("NI", "NJ", "NK", "NL"))
    return {
        "alpha": np.float64(1.5),
        "beta": np.float64(1.2),
        "tmp": np.zeros((ni, nj)),
        "A": table(ni, nk, lambda i, j: (i * j + 1) % ni / ni),
        "B": table(nk, nj, lambda i, j: i * (j + 1) % nj / nj),
        "C": table(nj, nl, lambda i, j: (i * (j + 3) + 1) % nl / nl),
        "D": table(ni, nl, lambda i, j: i * (j + 2) % nk / nk),
    }


def table(rows, columns, formula):
    return formula(*np.ogrid[:rows, :columns])
