"""Random affine functions under random legal schedules: machine code and C do what Python does.

The text of a function is run as plain Python; its program by the interpreter, which also says how
far a right result may be off. Integers are exact, and wrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from harness.compiled_c import call_c, compile_c, needs_compiler
from harness.guarded import run_in_fork
from harness.inputs import inputs, small_integers
from harness.plain_python import run_plain
from harness.random_affine import AffineText, random_affine_texts
from harness.scripts import random_scripts
from hypothesis import assume, event, given, note, settings
from hypothesis import strategies as st

import loopstack as ls
from loopstack.errors import FrontendError
from loopstack.frontend.affine import parse
from loopstack.ir.printer import print_program
from loopstack.ir.program import Program
from loopstack.kernel import Kernel, Specialization
from loopstack.machine.features import runnable_isa
from loopstack.reference.tolerance import compare, reference

SIZES = {1: (0, 1, 2, 3, 5, 7, 11, 13), 2: (0, 1, 2, 3, 5, 7, 11), 3: (0, 1, 2, 3, 5, 7)}
FLAGS = ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror")
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A function at integer sizes, with data and what they should become."""

    text: AffineText
    program: Program
    sizes: dict[str, int]
    data: Arrays

    @property
    def bound(self) -> Program:
        return self.program.bind(self.sizes)

    def wanted(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return reference(self.bound, self.data)

    def __repr__(self) -> str:
        return f"{self.text}# {self.sizes}\n{print_program(self.program)}"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    text = draw(random_affine_texts())
    program = _parse(text)
    sizes = {n: draw(st.sampled_from(SIZES[max(text.depth, 1)])) for n in program.sizes}
    return Case(text, program, sizes, inputs(program.bind(sizes), small_integers))


def _parse(text: AffineText) -> Program:
    try:
        return parse(text.function(), reassociate=text.reassociate)
    except FrontendError as error:
        assume("has no assignment" not in str(error))  # no instance of any statement ever runs
        raise


def assert_right(found: Arrays, case: Case) -> None:
    for name, (expected, error) in case.wanted().items():
        mismatch = compare(found[name], expected, error)
        assert mismatch is None, f"{name}{mismatch}"


def assert_native(case: Case, kernel: Kernel) -> None:
    note(f"{case.sizes}\n{kernel.schedule}{kernel.nest}")
    _ = kernel.compiled
    found = {name: array.copy() for name, array in case.data.items()}

    def run() -> Arrays:
        kernel.run_on(found)
        return found

    report = run_in_fork(run, timeout_s=20)
    assert report.ok, report
    assert_right(report.value, case)


@given(cases())
def test_the_interpreter_does_what_the_text_does(case: Case) -> None:
    assert_right(run_plain(case.text.function(), case.sizes, case.data), case)


@given(st.data(), cases(), st.sampled_from((1, 2)))
def test_random_schedules(data: Any, case: Case, threads: int) -> None:
    script = data.draw(random_scripts(case.bound, most_commands=10))
    for command in script.commands:
        event(command.keyword)
    kernel = Kernel(Specialization(case.program, case.sizes, runnable_isa(), threads), script)
    assert_native(case, kernel)


@given(cases(), st.sampled_from((1, 2)))
def test_default_schedules(case: Case, threads: int) -> None:
    specialization = Specialization(case.program, case.sizes, runnable_isa(), threads)
    assert_native(case, Kernel(specialization, specialization.default_schedule()))


@needs_compiler
@settings(max_examples=max(settings().max_examples // 3, 1))
@given(cases())
def test_c_text(case: Case) -> None:
    library = compile_c(ls.emit_c(case.program), FLAGS)
    found = {name: array.copy() for name, array in case.data.items()}
    call_c(library, case.program, case.sizes, found)
    assert_right(found, case)
