"""Generated code in the emulator: AVX2 gives the bits this CPU gives, AVX-512 is right.

Arrays are mapped at their exact sizes, so every run is also a check of bounds, of the lanes that
masked tails leave out, and of the calling convention.
"""

from __future__ import annotations

import numpy as np
import pytest
from harness import schedules
from harness.emulated import run_emulated
from harness.inputs import inputs, outputs
from harness.kernels import CASES
from harness.machine_code import needs_x86

import loopstack as ls
from loopstack.kernel import Kernel
from loopstack.machine import features
from loopstack.reference.tolerance import compare, reference

EACH = pytest.mark.parametrize("label", sorted(CASES))
KERNELS = {label: ls.kernel(case.function) for label, case in CASES.items()}
MOST_ELEMENTS = 6000  # of all arguments: the emulator runs some 10^5 instructions a second
needs_avx2 = pytest.mark.skipif("avx2" not in features.detect().isas, reason="needs AVX2")


def specialized(label: str, sizes: dict[str, int], isa: str, threads: int) -> Kernel:
    kernel = KERNELS[label].specialize(**sizes)
    specialization = type(kernel.specialization)(
        **{**vars(kernel.specialization), "isa": isa, "threads": threads}
    )
    return Kernel(specialization, specialization.default_schedule())


def affordable(label: str) -> list[dict[str, int]]:
    """The sizes of a case that the emulator runs in well under a second."""
    chosen = []
    for sizes in CASES[label].sizes:
        bound = KERNELS[label].program.bind(sizes)
        elements = sum(a.size for a in (*inputs(bound).values(), *outputs(bound).values()))
        if elements <= MOST_ELEMENTS and np.prod([max(n, 1) for n in sizes.values()]) <= 30_000:
            chosen.append(sizes)
    return chosen[:5]


def check(kernel: Kernel, what: str) -> None:
    data = inputs(kernel.program)
    found = run_emulated(kernel.program, kernel.nest, kernel.isa, data, kernel.threads)
    for name, (expected, error) in reference(kernel.program, data).items():
        mismatch = compare(found[name], expected, error)
        assert mismatch is None, f"{what}: {name}{mismatch}\n{kernel.nest}"


@EACH
@pytest.mark.parametrize("threads", [1, 3])
def test_avx512_is_right(label: str, threads: int) -> None:
    for sizes in affordable(label):
        check(specialized(label, sizes, "avx512", threads), f"{label} {sizes}")


@needs_x86
@needs_avx2
@EACH
def test_avx2_gives_the_bits_this_cpu_gives(label: str) -> None:
    for sizes in affordable(label):
        kernel = specialized(label, sizes, "avx2", 1)
        data = inputs(kernel.program)
        here = {**{n: a.copy() for n, a in data.items()}, **outputs(kernel.program)}
        kernel.run_on(here)
        for name, found in run_emulated(kernel.program, kernel.nest, "avx2", data).items():
            np.testing.assert_array_equal(found, here[name], err_msg=f"{label} {sizes}")


SCHEDULED = {
    "matmul": {"m": 13, "n": 33, "k": 17},
    "softmax": {"i": 5, "j": 33},
    "conv2d": {"n": 1, "ci": 2, "h": 5, "w": 9, "co": 3, "kh": 3, "kw": 3},
    "column_sum": {"i": 7, "j": 33},
    "transpose": {"i": 17, "j": 9},
    "pad_then_exp": {"n": 13},
}


@pytest.mark.parametrize(("label", "title"), schedules.CASES)
def test_scheduled_avx512(label: str, title: str) -> None:
    names = KERNELS[label].program.sizes
    sizes = {name: SCHEDULED[label].get(name, 5) for name in names}
    kernel = specialized(label, sizes, "avx512", 3)
    scheduled = kernel.with_schedule(schedules.script(label, title))
    check(scheduled, f"{label} {title}")
