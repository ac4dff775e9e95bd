"""All 30 kernels of PolyBench: three ways of running each agree.

mini    the program's own order as machine code, against the body run as plain Python
tiny    the same code, and the default schedule, against the interpreter under its error bounds
        the C text of the default schedule, compiled, against the same
small   the same code, and the C text of the default schedule, against the C text of the program
"""

from __future__ import annotations

import numpy as np
import pytest
from harness.compiled_c import call_c, compile_c, needs_compiler
from harness.plain_python import run_plain

import loopstack as ls
from bench.suites import polybench
from loopstack.kernel import Kernel, Specialization
from loopstack.machine.features import target_isa
from loopstack.measure.oracle import work_per_element
from loopstack.reference.tolerance import compare, reference

TINY = 7
WARNINGS = ("-Wall", "-Wextra", "-Werror")
SLACK = 64.0
"""Units in the last place a step of the longest chain may add, at the scale of the array."""


def sizes_and_data(name, dataset):
    """Return the sizes and arrays of a data set; ``tiny`` caps the sizes of mini.

    The matrix of gramschmidt has more columns than rows: those beyond are rounding errors that no
    two orders share. It is turned round.
    """
    sizes = polybench.sizes_of(name, "mini" if dataset == "tiny" else dataset)
    if dataset == "tiny":
        sizes = {n: min(value, TINY) for n, value in sizes.items()}
    if name == "gramschmidt":
        sizes = {"M": sizes["N"] + 2, "N": sizes["M"]}
    data = polybench.load(name).inputs_function(sizes, 0)
    return sizes, {n: np.asarray(array) for n, array in data.items()}


def run_native(program, sizes, data, schedule="schedule 1"):
    """Return the arrays after the machine code of ``schedule`` ran on copies."""
    kernel = Kernel(Specialization(program, sizes, target_isa()))
    if schedule is not None:
        kernel = kernel.with_schedule(schedule)
    found = {name: array.copy() for name, array in data.items()}
    kernel.run_on(found)
    return found


def agree(program, sizes, found, wanted):
    """Compare what is written, at a tolerance from the dtype and the length of the chains."""
    bound = program.bind(sizes)
    for array in bound.arguments:
        if array.role != "inout":
            continue
        expected = wanted[array.name].astype(np.float64)
        scale = np.abs(expected).max(initial=0.0)
        is_float = wanted[array.name].dtype.kind == "f"
        unit = np.finfo(wanted[array.name].dtype).eps if is_float else 0.0
        allowed = SLACK * unit * max(work_per_element(bound), 1.0) * scale
        worst = np.abs(found[array.name].astype(np.float64) - expected).max(initial=0.0)
        assert worst <= allowed, (array.name, worst, allowed)


@pytest.mark.parametrize("name", polybench.NAMES)
def test_mini_as_plain_python(name):
    function = polybench.load(name)
    sizes, data = sizes_and_data(name, "mini")
    wanted = run_plain(function, sizes, data)
    agree(function.program, sizes, run_native(function.program, sizes, data), wanted)


@pytest.mark.parametrize("name", polybench.NAMES)
def test_tiny_as_interpreted(name):
    program = polybench.load(name).program
    sizes, data = sizes_and_data(name, "tiny")
    expected = reference(program.bind(sizes), data)
    for schedule in ("schedule 1", None):
        found = run_native(program, sizes, data, schedule)
        for array, (result, bound) in expected.items():
            assert compare(found[array], result, bound) is None, (array, schedule)


@needs_compiler
@pytest.mark.parametrize("name", polybench.NAMES)
def test_small_as_c(name):
    program = polybench.load(name).program
    sizes, data = sizes_and_data(name, "small")
    found = run_native(program, sizes, data)
    library = compile_c(ls.emit_c(program), ("-std=c11", "-O1", *WARNINGS))
    call_c(library, program, sizes, data)
    agree(program, sizes, found, data)


def run_scheduled_c(name, sizes, data, threads=1):
    """Return the arrays after the compiled C text of the default schedule ran on copies."""
    kernel = Kernel(Specialization(polybench.load(name).program, sizes, target_isa(), threads))
    kernel = kernel.with_schedule(kernel.specialization.default_schedule())
    library = compile_c(ls.emit_c(kernel, scheduled=True), ("-std=c11", "-O1", *WARNINGS))
    found = {array: values.copy() for array, values in data.items()}
    call_c(library, kernel.program, {}, found)
    return found


@needs_compiler
@pytest.mark.parametrize("name", polybench.NAMES)
def test_tiny_schedule_as_c(name):
    sizes, data = sizes_and_data(name, "tiny")
    expected = reference(polybench.load(name).program.bind(sizes), data)
    found = run_scheduled_c(name, sizes, data)
    for array, (result, bound) in expected.items():
        assert compare(found[array], result, bound) is None, array


@needs_compiler
@pytest.mark.parametrize("name", polybench.NAMES)
def test_small_schedule_as_c(name):
    program = polybench.load(name).program
    sizes, data = sizes_and_data(name, "small")
    found = run_scheduled_c(name, sizes, data)
    call_c(compile_c(ls.emit_c(program), ("-std=c11", "-O1", *WARNINGS)), program, sizes, data)
    agree(program, sizes, found, data)


@needs_compiler
@pytest.mark.parametrize("name", ["gemm", "jacobi-2d", "lu", "seidel-2d"])
def test_small_schedule_of_two_threads_as_c(name):
    program = polybench.load(name).program
    sizes, data = sizes_and_data(name, "small")
    found = run_scheduled_c(name, sizes, data, threads=2)
    agree(program, sizes, found, run_native(program, sizes, data))


def test_the_function_takes_what_the_benchmark_passes():
    sizes, data = sizes_and_data("gemm", "mini")
    gemm = polybench.load("gemm")
    wanted = data["alpha"] * data["A"] @ data["B"] + data["beta"] * data["C"]
    arrays = {name: data[name].copy() for name in "CAB"}
    assert gemm(*sizes.values(), 1.5, 1.2, *arrays.values()) is None
    assert np.allclose(arrays["C"], wanted, rtol=1e-12)


@pytest.mark.parametrize("name", polybench.NAMES)
def test_every_data_set_has_sizes(name):
    sizes = [polybench.sizes_of(name, dataset) for dataset in polybench.DATASETS]
    assert len(sizes) == 5
    assert all(set(each) == set(polybench.load(name).program.sizes) for each in sizes)
