"""floyd-warshall: shortest paths between all pairs, in integers."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def floyd_warshall(N: ls.size, path: ls.i32["N N"]):
    for k in range(N):
        for i in range(N):
            for j in range(N):
                path[i, j] = min(path[i, j], path[i, k] + path[k, j])


@floyd_warshall.inputs
def inputs(sizes, seed):
    i, j = np.ogrid[: sizes["N"], : sizes["N"]]
    far = ((i + j) % 13 == 0) | ((i + j) % 7 == 0) | ((i + j) % 11 == 0)
    return {"path": np.where(far, 999, i * j % 7 + 1).astype(np.int32)}
