"""NumPy, at its best: OpenBLAS picks its own kernels, output buffers are reused."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

CRIPPLING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Variables that pin OpenBLAS to a poorer kernel than it would choose."""


def environment(threads: int) -> dict[str, str]:
    """Return an environment in which NumPy's BLAS uses ``threads`` threads and its own kernels."""
    kept = {name: value for name, value in os.environ.items() if name not in CRIPPLING}
    limits = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    return {**kept, **dict.fromkeys(limits, str(threads))}


def make(
    row: Mapping[str, Any], inputs: list[np.ndarray], out: np.ndarray
) -> Callable[[], object] | None:
    """Return a call that computes the row into a buffer of its own; None when NumPy has no way."""
    function = row["numpy"]
    if function is None:
        return None
    buffer = np.empty_like(out)
    return lambda: function(*inputs, out=buffer)
