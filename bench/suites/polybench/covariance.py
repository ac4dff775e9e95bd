"""covariance: the covariance matrix of M columns."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def covariance(
    M: ls.size, N: ls.size, float_n: ls.f64,
    data: ls.f64["N M"], cov: ls.f64["M M"], mean: ls.f64["M"],
):  # fmt: skip
    for j in range(M):
        mean[j] = 0.0
        for i in range(N):
            mean[j] += data[i, j]
        mean[j] /= float_n
    for i in range(N):
        for j in range(M):
            data[i, j] -= mean[j]
    for i in range(M):
        for j in range(i, M):
            cov[i, j] = 0.0
            for k in range(N):
                cov[i, j] += data[k, i] * data[k, j]
            cov[i, j] /= float_n - 1.0
            cov[j, i] = cov[i, j]


@covariance.inputs
def inputs(sizes, seed):
    m, n = sizes["M"], sizes["N"]
    i, j = np.ogrid[:n, :m]
    return {
        "float_n": np.float64(n),
        "data": i * j / m,
        "cov": np.zeros((m, m)),
        "mean": np.zeros(m),
    }
