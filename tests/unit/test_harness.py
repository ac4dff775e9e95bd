"""The test harness notices what it is there to notice."""

from __future__ import annotations

import ctypes
import os
import signal

import numpy as np
import pytest
from harness import programs
from harness.compiled_c import needs_compiler
from harness.golden import Golden
from harness.guarded import GuardedArray, run_in_fork
from harness.inputs import inputs, special_values
from harness.nest_runner import run_nest
from harness.scripts import random_scripts
from harness.strategies import instances, random_programs
from hypothesis import given
from hypothesis import strategies as st

from loopstack.ir.printer import print_program
from loopstack.ir.reader import read_program
from loopstack.ir.verifier import verify
from loopstack.reference.interpreter import run
from loopstack.schedule.script import check


@pytest.mark.parametrize(("side", "offset"), [("high", 20), ("low", -1)])
def test_one_byte_outside_is_a_segmentation_fault(side, offset):
    with GuardedArray((5,), np.float32, side) as guarded:
        address = guarded.array.ctypes.data

        def touch(at: int) -> int:
            return ctypes.c_char.from_address(address + at).value[0]

        assert run_in_fork(lambda: touch(0)).ok
        assert run_in_fork(lambda: touch(19)).ok
        report = run_in_fork(lambda: touch(offset))
        assert report.signal == signal.SIGSEGV
        assert str(report) == "killed by SIGSEGV"


def test_guarded_arrays_may_be_empty_or_large():
    for shape in ((0,), (3, 0), (2000, 3), (1024,)):
        with GuardedArray(shape, np.float64) as guarded:
            guarded.array[...] = 1.5
            assert guarded.array.sum() == 1.5 * np.prod(shape)


def test_a_child_reports_results_errors_and_hangs():
    assert run_in_fork(lambda: np.arange(3)).value.tolist() == [0, 1, 2]
    assert run_in_fork(lambda: 1 // 0).error.startswith("ZeroDivisionError")
    assert run_in_fork(signal.pause, timeout_s=1).signal == signal.SIGALRM
    assert run_in_fork(os.getpid).value != os.getpid()


def test_golden_files(tmp_path):
    Golden(tmp_path, update=True)("one\n", "a.txt")
    Golden(tmp_path, update=False)("one\n", "a.txt")
    with pytest.raises(pytest.fail.Exception, match=r"-one\n\+two"):
        Golden(tmp_path, update=False)("two\n", "a.txt")
    with pytest.raises(pytest.fail.Exception, match="no golden"):
        Golden(tmp_path, update=False)("two\n", "b.txt")


def test_special_values_hold_every_kind():
    values = special_values(np.random.default_rng(0), (400,), np.dtype(np.float32))
    assert np.isnan(values).any()
    assert np.isposinf(values).any()
    assert np.isneginf(values).any()
    assert ((np.abs(values) < np.finfo(np.float32).tiny) & (values != 0)).any()
    assert np.signbit(values[values == 0]).any()


@given(random_programs())
def test_random_programs_are_well_formed_and_run(program):
    verify(program)
    assert read_program(print_program(program)) == program
    if instances(program) < 2000:
        run(program, inputs(program), "faithful")


@given(st.data())
def test_random_scripts_are_legal(data):
    program = data.draw(random_programs())
    check(data.draw(random_scripts(program)), program)


BROKEN = """nest broken
threads 1
array x f32 argument 0
array alpha f32 argument 1
array out f32 argument 2
array acc f32 register 2
workspace 0 0
{{
  acc[0] = 0.0:f32
  for i = 0 .. {extent} {{
    acc[0] = add(acc[0], mul(alpha[0], x[i]))
  }}
  out[0] = acc[{lane}]
}}
"""


@needs_compiler
def test_the_nest_runner_notices_overruns_and_unwritten_registers():
    program = programs.scaled_sum().bind({"n": 5})
    data = inputs(program)

    def result(extent: int, lane: int):
        text = BROKEN.format(extent=extent, lane=lane)
        return run_in_fork(lambda: run_nest(text, program, data)["out"].item())

    right = run(program, data)["out"].item()
    assert result(5, 0).value == pytest.approx(right, rel=1e-6)
    assert result(6, 0).signal == signal.SIGSEGV
    assert abs(result(5, 1).value) > 1e30  # the pattern of memory that nothing wrote
    assert result(5, 2).signal in (signal.SIGILL, signal.SIGTRAP)
