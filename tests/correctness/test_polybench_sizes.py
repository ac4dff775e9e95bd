"""All 30 kernels of PolyBench at sizes that leave little of their domains, and at primes.

The default schedule for one thread and for two runs next to unreadable pages, and is compared with
the interpreter. A size too small for an access of the text is refused by name.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from harness.agreement import natively

from bench.suites import polybench
from loopstack.errors import ShapeError
from loopstack.kernel import Specialization
from loopstack.machine.features import runnable_isa

SIZES = (0, 1, 2, 3, 5, 7)
PRIMES = (5, 11, 13, 3, 7)
"""One for each size of a kernel, in its order: no two agree."""
NEEDS_ONE = {"correlation": "M", "durbin": "N"}
"""Kernels that touch a first or last element whatever the size."""


def assert_right(name: str, sizes: dict[str, int]) -> None:
    function = polybench.load(name)
    data = {n: np.asarray(array) for n, array in function.inputs_function(sizes, 0).items()}
    for threads in (1, 2):
        specialization = Specialization(function.program, sizes, runnable_isa(), threads)
        schedule = specialization.default_schedule()
        natively(specialization.bound, schedule, threads, data)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", polybench.NAMES)
def test_one_small_size(name: str, size: int) -> None:
    sizes = dict.fromkeys(polybench.load(name).program.sizes, size)
    if size == 0 and name in NEEDS_ONE:
        message = re.escape(f"needs {NEEDS_ONE[name]} >= 1, found 0 and 1")
        with pytest.raises(ShapeError, match=message):
            polybench.load(name).specialize(**sizes)
    else:
        assert_right(name, sizes)


@pytest.mark.parametrize("name", polybench.NAMES)
def test_primes(name: str) -> None:
    sizes = dict(zip(polybench.load(name).program.sizes, PRIMES))
    if name == "gramschmidt":  # columns beyond the number of rows are rounding errors
        sizes = {"M": 13, "N": 5}
    assert_right(name, sizes)
