"""Hand-written schedules through ``with_schedule``, compiled, called and checked."""

from __future__ import annotations

import numpy as np
import pytest
from harness import schedules
from harness.inputs import inputs, small_integers
from harness.kernels import CASES

import loopstack as ls
from loopstack.reference.tolerance import compare, reference

SIZES = {
    "matmul": ((13, 17, 33), (6, 16, 16), (1, 1, 1), (37, 40, 50), (64, 64, 64), (97, 3, 101)),
    "softmax": ((5, 33), (16, 8), (1, 1), (3, 100)),
    "conv2d": ((1, 3, 6, 11, 9, 3, 3), (2, 2, 3, 3, 4, 3, 3), (1, 1, 4, 20, 1, 1, 1)),
    "column_sum": ((7, 33), (1, 1), (16, 5), (64, 64)),
    "transpose": ((17, 9), (8, 8), (1, 5), (40, 40)),
    "pad_then_exp": ((1,), (13,), (16,), (100,)),
}
KERNELS = {label: ls.kernel(CASES[label].function) for label in SIZES}


@pytest.mark.parametrize(("label", "title"), schedules.CASES)
def test_scheduled(label, title):
    text = schedules.script(label, title)
    function = KERNELS[label]
    for extents in SIZES[label]:
        sizes = dict(zip(function.program.sizes, extents, strict=True))
        kernel = function.specialize(**sizes).with_schedule(text)
        assert ls.Schedule.parse(str(kernel.schedule)) == kernel.schedule
        data = inputs(kernel.program)
        found = kernel(*data.values())
        ((expected, error),) = reference(kernel.program, data).values()
        mismatch = compare(found, expected, error)
        assert mismatch is None, f"{label} {sizes}: {mismatch}\n{text}\n{kernel.nest}"
        kernel.check()


def test_every_schedule_gives_the_same_exact_result_for_small_integers():
    function = KERNELS["matmul"]
    kernel = function.specialize(m=31, n=37, k=41)
    data = inputs(kernel.program, small_integers)
    expected = data["A"] @ data["B"]
    for title in schedules.SCRIPTS["matmul"]:
        scheduled = kernel.with_schedule(schedules.script("matmul", title))
        np.testing.assert_array_equal(scheduled(*data.values()), expected, err_msg=title)


def test_the_same_schedule_gives_the_same_bits():
    function = KERNELS["matmul"]
    text = schedules.script("matmul", "blocked")
    kernel = function.specialize(m=65, n=67, k=63).with_schedule(text)
    data = inputs(kernel.program)
    first = kernel(*data.values())
    for _ in range(5):
        np.testing.assert_array_equal(kernel(*data.values()), first)
