"""gramschmidt: A = Q R by the modified Gram-Schmidt process; A is overwritten.

The standard matrix has a low rank: what is left of most columns is rounding error, and their
directions in Q are whatever the order of summation made of it. So results are compared, and
schedules searched, on other data: columns that are far from dependent, and NaN for those beyond
the number of rows, which depend on the others in any matrix.
"""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def gramschmidt(M: ls.size, N: ls.size, A: ls.f64["M N"], R: ls.f64["N N"], Q: ls.f64["M N"]):
    for k in range(N):
        norm = 0.0
        for i in range(M):
            norm += A[i, k] * A[i, k]
        R[k, k] = ls.sqrt(norm)
        for i in range(M):
            Q[i, k] = A[i, k] / R[k, k]
        for j in range(k + 1, N):
            R[k, j] = 0.0
            for i in range(M):
                R[k, j] += Q[i, k] * A[i, j]
            for i in range(M):
                A[i, j] = A[i, j] - Q[i, k] * R[k, j]


@gramschmidt.inputs
def inputs(sizes, seed):
    m, n = sizes["M"], sizes["N"]
    a = np.random.default_rng(seed).uniform(0.5, 1.5, (m, n))
    a[np.arange(min(m, n)), np.arange(min(m, n))] += m
    a[:, m:] = np.nan
    return {"A": a, **outputs(m, n)}


def standard_inputs(sizes, seed):
    m, n = sizes["M"], sizes["N"]
    i, j = np.ogrid[:m, :n]
    return {"A": i * j % m / m * 100 + 10, **outputs(m, n)}


def outputs(m, n):
    return {"R": np.zeros((n, n)), "Q": np.zeros((m, n))}
