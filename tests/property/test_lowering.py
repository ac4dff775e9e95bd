"""Whatever a legal schedule does to a program, the lowered nest computes the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness import programs
from harness.compiled_c import needs_compiler
from harness.imperfect import PROGRAMS as IMPERFECT
from harness.inputs import inputs, random_floats, small_integers
from harness.nest_runner import run_nest_guarded
from harness.scripts import random_scripts
from harness.strategies import random_programs
from hypothesis import event, given, note
from hypothesis import strategies as st

from loopstack.ir.printer import print_program
from loopstack.ir.program import Program
from loopstack.lower.pipeline import lower
from loopstack.reference.tolerance import compare, reference
from loopstack.schedule.script import Schedule, check

HAND_WRITTEN = (programs.matmul, programs.softmax, programs.pad_then_exp, programs.scaled_sum)
SIZES = st.sampled_from((1, 2, 3, 5, 7, 8, 9, 16, 17, 33))


@dataclass(frozen=True)
class Scheduled:
    """A drawn case, printed as text that can be pasted into a test."""

    program: Program
    script: Schedule

    def __repr__(self) -> str:
        return f"\n{print_program(self.program)}{self.script}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


@st.composite
def bound_programs(draw: st.DrawFn) -> Program:
    """Draw a random program, or a hand-written one at random sizes."""
    kind = draw(st.sampled_from(("random", "written", "imperfect")))
    if kind == "random":
        return draw(random_programs())
    if kind == "imperfect":
        make = IMPERFECT[draw(st.sampled_from(sorted(IMPERFECT)))]
        return make().bind({"N": draw(st.integers(1, 9))})
    program = draw(st.sampled_from(HAND_WRITTEN))()
    return program.bind({size: draw(SIZES) for size in program.sizes})


@st.composite
def scheduled(draw: st.DrawFn) -> Scheduled:
    program = draw(bound_programs())
    return Scheduled(program, draw(random_scripts(program)))


@st.composite
def unscheduled(draw: st.DrawFn) -> Scheduled:
    return Scheduled(draw(bound_programs()), Schedule.parse("schedule 1\n"))


def assert_same(case: Scheduled, isa: str) -> None:
    """Lower, run as C next to guard pages on either side, compare with the oracle."""
    program = case.program
    nest = lower(check(case.script, program), isa)
    note(nest)
    fill = random_floats if all(a.dtype[0] == "f" for a in program.arrays) else small_integers
    data = inputs(program, fill)
    wanted = reference(program, data)
    for name, results in run_nest_guarded(nest, program, data).items():
        for found in results:
            mismatch = compare(found, *wanted[name])
            assert mismatch is None, f"{name}{mismatch}"


@needs_compiler
@given(scheduled(), st.sampled_from(("avx2", "avx512")))
def test_scheduled_programs_compute_the_same(case, isa):
    for command in case.script.commands:
        event(command.keyword)
    assert_same(case, isa)


@needs_compiler
@given(unscheduled())
def test_the_identity_schedule(case):
    assert_same(case, "avx2")


@given(scheduled())
def test_scripts_print_and_parse_back(case):
    assert Schedule.parse(str(case.script)) == case.script
    assert str(Schedule.parse(str(case.script))) == str(case.script)
