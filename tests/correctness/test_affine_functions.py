"""Affine functions: the machine code and the C text do what the Python text does."""

from __future__ import annotations

import numpy as np
import pytest
from harness.affine_functions import CASES, data_for
from harness.compiled_c import call_c, compile_c, needs_compiler
from harness.plain_python import run_plain

import loopstack as ls
from loopstack.frontend.affine import parse
from loopstack.ir.loop_tree import identity_tree
from loopstack.ir.printer import print_program
from loopstack.ir.reader import read_program
from loopstack.ir.verifier import verify
from loopstack.kernel import Kernel, Specialization
from loopstack.machine.features import target_isa
from loopstack.poly import legality
from loopstack.reference.interpreter import run

POINTS = [(name, sizes) for name, case in CASES.items() for sizes in case.sizes]
TOLERANCE = {"f64": 1e-12, "f32": 1e-5}


def same(program, found, wanted):
    for array in program.arguments:
        if array.role == "inout":
            near = TOLERANCE.get(array.dtype, 0.0)
            assert np.allclose(found[array.name], wanted[array.name], near, near, equal_nan=True)


@pytest.mark.parametrize("reassociate", [False, True])
@pytest.mark.parametrize(("name", "sizes"), POINTS, ids=str)
def test_as_written(name, sizes, reassociate):
    function = CASES[name].function
    program = verify(parse(function, reassociate=reassociate))
    assert read_program(print_program(program)) == program
    bound = program.bind(sizes)
    data = data_for(bound)
    wanted = run_plain(function, sizes, data)
    same(program, run(bound, data, "faithful"), wanted)
    kernel = Kernel(Specialization(program, sizes, target_isa()))
    assert legality.check(identity_tree(bound)) is None
    for schedule in ("schedule 1", str(kernel.schedule)):
        found = {array: values.copy() for array, values in data.items()}
        kernel.with_schedule(schedule).run_on(found)
        same(program, found, wanted)


@needs_compiler
@pytest.mark.parametrize("name", CASES)
def test_c_text(name):
    program = parse(CASES[name].function)
    library = compile_c(ls.emit_c(program), ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"))
    for sizes in CASES[name].sizes:
        data = data_for(program.bind(sizes))
        wanted = run_plain(CASES[name].function, sizes, data)
        call_c(library, program, sizes, data)
        same(program, data, wanted)
