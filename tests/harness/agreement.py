"""Does a scheduled program compute what the interpreter computes?

    as_c        the lowered nest as C: shows what lowering does, whatever the code generator does
    natively    machine code for this CPU

Both run in a child, on arrays next to unreadable pages on either side.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.guarded import GuardedArray, run_in_fork
from harness.inputs import Arrays, inputs
from harness.nest_runner import run_nest_guarded
from loopstack.ir.operators import NUMPY_DTYPE
from loopstack.ir.program import Program
from loopstack.kernel import Kernel, Specialization
from loopstack.lower.pipeline import lower
from loopstack.machine.features import runnable_isa
from loopstack.reference.tolerance import compare, reference
from loopstack.schedule.script import Schedule, check

Results = Mapping[str, tuple[np.ndarray, np.ndarray]]


def script(commands: str) -> Schedule:
    """Return the schedule of commands with semicolons between them."""
    return Schedule.parse("schedule 1\n" + commands.replace(";", "\n"))


def as_c(program: Program, schedule: Schedule, isa: str = "avx2", threads: int = 1) -> None:
    """Fail unless the lowered nest agrees with the interpreter."""
    nest = lower(check(schedule, program), isa, threads=threads)
    data = inputs(program)
    wanted = reference(program, data)
    for name, found in run_nest_guarded(nest, program, data).items():
        for result in found:
            _assert_close(wanted, {name: result}, nest)


def natively(
    program: Program, schedule: Schedule, threads: int = 1, data: Arrays | None = None
) -> None:
    """Fail unless machine code agrees with the interpreter, on random numbers or on ``data``."""
    kernel = Kernel(Specialization(program, {}, runnable_isa(), threads), schedule)
    _ = kernel.compiled
    data = inputs(program) if data is None else data
    report = run_in_fork(lambda: [_run(kernel, data, side) for side in ("high", "low")])
    assert report.ok, f"{report}\n{kernel.nest}"
    wanted = reference(program, data)
    for found in report.value:
        _assert_close(wanted, found, kernel.nest)


def _run(kernel: Kernel, data: Arrays, side: str) -> Arrays:
    arrays = {}
    for array in kernel.program.arguments:
        shape = tuple(form.evaluate({}) for form in array.shape)
        guarded = GuardedArray(shape, NUMPY_DTYPE[array.dtype], side)  # type: ignore[arg-type]
        guarded.array[...] = data.get(array.name, 77)
        arrays[array.name] = guarded.array
    kernel.run_on(arrays)
    written = [a.name for a in kernel.program.arguments if a.role in ("output", "inout")]
    return {name: arrays[name].copy() for name in written}


def _assert_close(wanted: Results, found: Mapping[str, np.ndarray], nest: str) -> None:
    for name, result in found.items():
        mismatch = compare(result, *wanted[name])
        assert mismatch is None, f"{name}{mismatch}\n{nest}"
