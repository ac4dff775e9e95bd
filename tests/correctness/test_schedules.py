"""Hand-written schedules and the default one: the lowered nest, run as C, against the oracle."""

from __future__ import annotations

import pytest
from harness import schedules
from harness.compiled_c import needs_compiler
from harness.inputs import inputs
from harness.kernels import CASES
from harness.nest_runner import run_nest_guarded

from loopstack.frontend.tensor import trace
from loopstack.ir.program import Program
from loopstack.lower.pipeline import lower
from loopstack.machine.vector_target import TARGETS
from loopstack.reference.tolerance import compare, reference
from loopstack.schedule.default import default_schedule
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.script import Schedule, check

pytestmark = needs_compiler
SIZES = {
    "matmul": ((13, 17, 33), (6, 16, 16), (1, 1, 1), (37, 40, 50), (0, 3, 5), (5, 0, 3)),
    "softmax": ((5, 33), (16, 8), (1, 1), (0, 4)),
    "conv2d": ((1, 3, 6, 11, 9, 3, 3), (2, 2, 3, 3, 4, 3, 3), (1, 1, 4, 20, 1, 1, 1)),
    "column_sum": ((7, 33), (1, 1), (16, 5), (0, 5), (5, 0)),
    "transpose": ((17, 9), (8, 8), (1, 5), (0, 3)),
    "pad_then_exp": ((1,), (13,), (16,), (0,)),
}


def hardware(isa: str) -> Hardware:
    """Return a small machine, the same wherever the tests run: a few rows fill its caches."""
    target = TARGETS[isa]
    return Hardware(isa, target.bytes, target.registers, l1_bytes=2048, l2_bytes=8192)


def assert_nest_is_right(program: Program, nest: str) -> None:
    data = inputs(program)
    wanted = reference(program, data)
    for name, results in run_nest_guarded(nest, program, data).items():
        for found in results:
            mismatch = compare(found, *wanted[name])
            assert mismatch is None, f"{name}{mismatch}\n{nest}"


def bound_at(label: str, extents: tuple[int, ...]) -> Program:
    program = trace(CASES[label].function)
    return program.bind(dict(zip(program.sizes, extents, strict=True)))


@pytest.mark.parametrize(("label", "title"), schedules.CASES)
def test_hand_written(label, title):
    script = Schedule.parse(schedules.script(label, title))
    for number, extents in enumerate(SIZES[label]):
        program = bound_at(label, extents)
        isa = ("avx2", "avx512")[number % 2]
        assert_nest_is_right(program, lower(check(script, program), isa))


@pytest.mark.parametrize("label", sorted(CASES))
def test_default(label):
    program = trace(CASES[label].function)
    for number, sizes in enumerate(CASES[label].sizes[-2:]):
        bound = program.bind(sizes)
        isa = ("avx2", "avx512")[number % 2]
        script = default_schedule(bound, isa, 2, hardware=hardware(isa))
        assert Schedule.parse(str(script)) == script
        assert_nest_is_right(bound, lower(check(script, bound), isa, threads=2))
