"""Traced programs mean what NumPy says: frontend and interpreter, no code generated."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from harness.compiled_c import call_c, compile_c, needs_compiler
from harness.inputs import Arrays, inputs, outputs
from harness.kernels import CASES, Case

from loopstack.emit.c_text import emit_c
from loopstack.emit.numpy_text import emit_numpy
from loopstack.frontend.tensor import trace
from loopstack.ir.printer import print_program
from loopstack.ir.program import Program
from loopstack.ir.reader import read_program
from loopstack.ir.verifier import verify
from loopstack.reference.tolerance import compare, reference

EACH = pytest.mark.parametrize("label", sorted(CASES))


def meaning(case: Case, program: Program, data: Arrays) -> Arrays:
    """Return NumPy's float64 results, cast to the dtypes of the program's outputs."""
    wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in data.values()]
    found = case.numpy(*wide)
    results = found if isinstance(found, tuple) else (found,)
    names = [a for a in program.arguments if a.role == "output"]
    dtypes = {"bool_": "bool", "i32": "int32", "i64": "int64", "f32": "float32", "f64": "float64"}
    return {a.name: np.asarray(r).astype(dtypes[a.dtype]) for a, r in zip(names, results)}


def tried(case: Case, program: Program) -> list[tuple[dict[str, int], Program]]:
    return [(sizes, program.bind(sizes)) for sizes in case.sizes]


@EACH
def test_interpreter_agrees_with_numpy(label):
    case = CASES[label]
    program = trace(case.function)
    for sizes, bound in tried(case, program):
        data = inputs(bound)
        wanted = meaning(case, bound, data)
        for name, (found, error) in reference(bound, data).items():
            assert compare(wanted[name], found, error) is None, sizes


@EACH
def test_programs_are_well_formed_and_print(label):
    program = trace(CASES[label].function)
    verify(program)
    assert read_program(print_program(program)) == program


@needs_compiler
@EACH
def test_c_text_agrees_with_the_interpreter(label):
    case = CASES[label]
    program = trace(case.function)
    library = compile_c(
        emit_c(program, name="entry"), ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror")
    )
    for sizes, bound in tried(case, program):
        data = inputs(bound)
        arrays = {**data, **outputs(bound)}
        call_c(library, program, sizes, arrays, name="entry")
        for name, (expected, error) in reference(bound, data).items():
            assert compare(arrays[name], expected, error) is None, sizes


@EACH
def test_numpy_text_agrees_with_the_interpreter(label):
    case = CASES[label]
    program = trace(case.function)
    namespace: dict = {}
    exec(compile(emit_numpy(program), label, "exec"), namespace)
    function = namespace[program.name]
    keywords = list(inspect.signature(function).parameters)[-len(program.sizes) :]
    for sizes, bound in tried(case, program)[:6]:
        data = inputs(bound)
        given = {k: sizes[n] for k, n in zip(keywords, program.sizes)}
        with np.errstate(all="ignore"):
            found = function(*data.values(), **given)
        results = found if isinstance(found, tuple) else (found,)
        for result, (expected, error) in zip(results, reference(bound, data).values()):
            assert compare(np.asarray(result), expected, error) is None, sizes
