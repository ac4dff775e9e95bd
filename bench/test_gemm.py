"""The gemm suite under pytest-benchmark: ``pytest bench --benchmark-only``.

Each row is a group: our kernel, NumPy and ONNX Runtime. These runs are not interleaved; for ratios
use ``loopstack bench gemm``.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench.baselines import numpy_, onnxruntime_
from bench.harness.child import load_suite
from bench.harness.rows import Field

pytest.importorskip("pytest_benchmark")
ROWS = [row for row in load_suite("gemm").ROWS if row["quick"]]


@pytest.fixture(params=ROWS, ids=lambda row: row["name"])
def arena(request, benchmark):
    benchmark.group = f"gemm {request.param['name']}"
    return Field.of(request.param, threads=1)


def test_ours(arena, benchmark):
    out = benchmark(lambda: arena.kernel(*arena.arrays, out=arena.out))
    np.testing.assert_allclose(out, np.matmul(*arena.arrays), rtol=1e-3)


def test_numpy(arena, benchmark):
    benchmark(numpy_.make(arena.row, arena.arrays, arena.out))


def test_onnxruntime(arena, benchmark):
    missing = onnxruntime_.available()
    if missing:
        pytest.skip(missing)
    benchmark(onnxruntime_.make(arena.row, list(arena.inputs), arena.arrays, arena.out, threads=1))
