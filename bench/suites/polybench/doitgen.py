"""doitgen: A[r, q, :] = A[r, q, :] * C4, in place."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def doitgen(
    NR: ls.size, NQ: ls.size, NP: ls.size,
    A: ls.f64["NR NQ NP"], C4: ls.f64["NP NP"], total: ls.f64["NP"],
):  # fmt: skip
    for r in range(NR):
        for q in range(NQ):
            for p in range(NP):
                total[p] = 0.0
                for s in range(NP):
                    total[p] += A[r, q, s] * C4[s, p]
            for p in range(NP):
                A[r, q, p] = total[p]


@doitgen.inputs
def inputs(sizes, seed):
    nr, nq, np_ = sizes["NR"], sizes["NQ"], sizes["NP"]
    i, j, k = np.ogrid[:nr, :nq, :np_]
    s, p = np.ogrid[:np_, :np_]
    return {"A": (i * j + k) % np_ / np_, "C4": s * p % np_ / np_, "total": np.zeros(np_)}
