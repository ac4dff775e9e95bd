"""correlation: the matrix of correlation coefficients of M columns."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def correlation(
    M: ls.size, N: ls.size, float_n: ls.f64,
    data: ls.f64["N M"], corr: ls.f64["M M"], mean: ls.f64["M"], stddev: ls.f64["M"],
):  # fmt: skip
    for j in range(M):
        mean[j] = 0.0
        for i in range(N):
            mean[j] += data[i, j]
        mean[j] /= float_n
    for j in range(M):
        stddev[j] = 0.0
        for i in range(N):
            stddev[j] += (data[i, j] - mean[j]) * (data[i, j] - mean[j])
        stddev[j] /= float_n
        stddev[j] = ls.sqrt(stddev[j])
        stddev[j] = 1.0 if stddev[j] <= 0.1 else stddev[j]  # a constant column
    for i in range(N):
        for j in range(M):
            data[i, j] -= mean[j]
            data[i, j] /= ls.sqrt(float_n) * stddev[j]
    for i in range(M - 1):
        corr[i, i] = 1.0
        for j in range(i + 1, M):
            corr[i, j] = 0.0
            for k in range(N):
                corr[i, j] += data[k, i] * data[k, j]
            corr[j, i] = corr[i, j]
    corr[M - 1, M - 1] = 1.0


@correlation.inputs
def inputs(sizes, seed):
    m, n = sizes["M"], sizes["N"]
    i, j = np.ogrid[:n, :m]
    return {
        "float_n": np.float64(n),
        "data": i * j / m + i,
        "corr": np.zeros((m, m)),
        "mean": np.zeros(m),
        "stddev": np.zeros(m),
    }
