"""nussinov: the largest number of base pairs of an RNA sequence, in integers."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.scalar
def match(left, right):
    """Return 1 for bases that pair."""
    return 1 if left + right == 3 else 0


@ls.affine(reassociate=True)
def nussinov(N: ls.size, seq: ls.i32["N"], table: ls.i32["N N"]):
    for i in range(N - 1, -1, -1):
        for j in range(i + 1, N):
            if j - 1 >= 0:
                table[i, j] = max(table[i, j], table[i, j - 1])
            if i + 1 < N:
                table[i, j] = max(table[i, j], table[i + 1, j])
            if j - 1 >= 0 and i + 1 < N:
                if i < j - 1:  # neighbours do not pair
                    table[i, j] = max(table[i, j], table[i + 1, j - 1] + match(seq[i], seq[j]))
                else:
                    table[i, j] = max(table[i, j], table[i + 1, j - 1])
            for k in range(i + 1, j):
                table[i, j] = max(table[i, j], table[i, k] + table[k + 1, j])


@nussinov.inputs
def inputs(sizes, seed):
    n = sizes["N"]
    bases = (np.arange(1, n + 1) % 4).astype(np.int32)
    return {"seq": bases, "table": np.zeros((n, n), np.int32)}
