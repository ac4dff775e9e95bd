"""Random programs under random legal schedules, compiled for this machine."""

from __future__ import annotations

import numpy as np
from harness.guarded import GuardedArray, run_in_fork
from harness.imperfect import PROGRAMS as IMPERFECT
from harness.inputs import inputs, random_floats, small_integers
from harness.scripts import random_scripts
from harness.strategies import random_programs
from hypothesis import given, note
from hypothesis import strategies as st

from loopstack.ir.operators import NUMPY_DTYPE
from loopstack.ir.printer import print_program
from loopstack.ir.program import Program
from loopstack.kernel import Kernel, Specialization
from loopstack.machine.features import runnable_isa
from loopstack.reference.tolerance import compare, reference
from loopstack.schedule.script import Schedule


def run_guarded(kernel: Kernel, data: dict[str, np.ndarray], side: str) -> dict[str, np.ndarray]:
    """Run on arrays next to unreadable pages; return what was written."""
    program = kernel.program
    arrays = {}
    for array in program.arguments:
        shape = tuple(form.evaluate({}) for form in array.shape)
        guarded = GuardedArray(shape, NUMPY_DTYPE[array.dtype], side)
        guarded.array[...] = data.get(array.name, 77)
        arrays[array.name] = guarded.array
    kernel.run_on(arrays)
    written = [a.name for a in program.arguments if a.role in ("output", "inout")]
    return {name: arrays[name].copy() for name in written}


def assert_right(program: Program, script: Schedule | None, threads: int) -> None:
    note(f"{print_program(program)}{script}")
    kernel = Kernel(Specialization(program, {}, runnable_isa(), threads), script)
    note(kernel.nest)
    _ = kernel.compiled
    fill = random_floats if all(a.dtype[0] == "f" for a in program.arrays) else small_integers
    data = inputs(program, fill)
    wanted = reference(program, data)
    report = run_in_fork(lambda: [run_guarded(kernel, data, side) for side in ("high", "low")])
    assert report.ok, report
    for found in report.value:
        for name, (expected, error) in wanted.items():
            mismatch = compare(found[name], expected, error)
            assert mismatch is None, f"{name}{mismatch}"


@given(st.data())
def test_scheduled_programs(data):
    program = data.draw(random_programs())
    script = data.draw(random_scripts(program))
    assert_right(program, script, data.draw(st.sampled_from((1, 2))))


@given(st.data())
def test_scheduled_triangles(data):
    make = IMPERFECT[data.draw(st.sampled_from(sorted(IMPERFECT)))]
    program = make().bind({"N": data.draw(st.integers(1, 20))})
    script = data.draw(random_scripts(program))
    assert_right(program, script, data.draw(st.sampled_from((1, 2))))


@given(random_programs())
def test_default_schedules(program):
    assert_right(program, None, 1)
