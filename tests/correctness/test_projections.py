"""Successive projections in blocks of steps, against the program's own loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import loopstack as ls
from bench.suites import polybench
from loopstack.ir.loop_tree import identity_tree
from loopstack.poly import legality
from loopstack.schedule.affine_default import affine_schedule
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.script import build

SIZES = ((2, 2), (5, 40), (17, 16), (33, 35), (40, 50), (61, 80), (101, 97))


def arrays(m: int, n: int) -> dict[str, Any]:
    """Return columns far from dependent; those beyond the number of rows depend on the others."""
    a = np.random.default_rng(m).uniform(0.5, 1.5, (m, n))
    a[np.arange(min(m, n)), np.arange(min(m, n))] += m
    a[:, m:] = np.nan
    return {"A": a, "R": np.zeros((n, n)), "Q": np.zeros((m, n))}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("m", "n"), SIZES)
def test_blocks_of_steps_equal_steps(m: int, n: int, threads: int) -> None:
    kernel = polybench.load("gramschmidt").specialize(M=m, N=n, threads=threads)
    assert "S3_beyond" in str(kernel.schedule), "blocks are not in use"
    assert ("parallelize S3_beyond.co" in str(kernel.schedule)) == (threads > 1)
    found, right = arrays(m, n), arrays(m, n)
    kernel.run_on(found)
    kernel.with_schedule("schedule 1\n").run_on(right)
    for name, values in right.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-10, atol=1e-11, err_msg=name)


@pytest.mark.parametrize(("l2_bytes", "vectors"), [(1 << 20, 4), (1 << 14, 2), (1 << 12, 0)])
@pytest.mark.parametrize("lanes", [4, 8])
def test_columns_fit_the_cache(l2_bytes: int, vectors: int, lanes: int) -> None:
    program = polybench.load("gramschmidt").specialize(M=400 // lanes, N=90, threads=1).program
    hardware = Hardware("avx2", 8 * lanes, 16, 1 << 15, l2_bytes)
    schedule = affine_schedule(program, hardware, 2)
    assert (f".j1 {vectors * lanes} -> co" in str(schedule)) == bool(vectors)
    tree = build(schedule, program)
    assert tree != identity_tree(program)
    assert legality.check(tree) is None


@ls.affine(reassociate=True)
def of_rows(M: ls.size, N: ls.size, A: ls.f64["N M"], R: ls.f64["N N"]):
    for k in range(N):
        for j in range(k + 1, N):
            R[k, j] = 0.0
            for i in range(M):
                R[k, j] += A[k, i] * A[j, i]
            for i in range(M):
                A[j, i] = A[j, i] - A[k, i] * R[k, j]


def test_vectors_along_rows_are_left_alone() -> None:
    kernel = of_rows.specialize(M=40, N=50, threads=1)
    assert "_beyond" not in str(kernel.schedule)
