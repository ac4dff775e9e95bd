"""3mm: G = (A*B) * (C*D)."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def k3mm(
    NI: ls.size, NJ: ls.size, NK: ls.size, NL: ls.size, NM: ls.size,
    E: ls.f64["NI NJ"], A: ls.f64["NI NK"], B: ls.f64["NK NJ"],
    F: ls.f64["NJ NL"], C: ls.f64["NJ NM"], D: ls.f64["NM NL"], G: ls.f64["NI NL"],
):  # fmt: skip
    for i in range(NI):
        for j in range(NJ):
            E[i, j] = 0.0
            for k in range(NK):
                E[i, j] += A[i, k] * B[k, j]
    for i in range(NJ):
        for j in range(NL):
            F[i, j] = 0.0
            for k in range(NM):
                F[i, j] += C[i, k] * D[k, j]
    for i in range(NI):
        for j in range(NL):
            G[i, j] = 0.0
            for k in range(NJ):
                G[i, j] += E[i, k] * F[k, j]


@k3mm.inputs
def inputs(sizes, seed):
    ni, nj, nk, nl, nm = (sizes[n] for n in ("NI", "NJ", "NK", "NL", "NM"))
    return {
        "E": np.zeros((ni, nj)),
        "A": table(ni, nk, lambda i, j: (i * j + 1) % ni / (5 * ni)),
        "B": table(nk, nj, lambda i, j: (i * (j + 1) + 2) % nj / (5 * nj)),
        "F": np.zeros((nj, nl)),
        "C": table(nj, nm, lambda i, j: i * (j + 3) % nl / (5 * nl)),
        "D": table(nm, nl, lambda i, j: (i * (j + 2) + 2) % nk / (5 * nk)),
        "G": np.zeros((ni, nl)),
    }


def table(rows, columns, formula):
    return formula(*np.ogrid[:rows, :columns])
