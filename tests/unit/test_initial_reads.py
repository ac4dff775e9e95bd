"""Reads of elements that nothing wrote before: the quick proof against isl."""

from __future__ import annotations

from harness.affine_programs import affine_programs
from hypothesis import event, given

from bench.suites import polybench
from loopstack.ir.program import Program
from loopstack.poly.dependence import reads_initial_values
from loopstack.schedule.last_values import surely_reads_initial_values


@given(affine_programs())
def test_surely_is_never_wrong(program: Program) -> None:
    for array in program.arrays:
        sure = surely_reads_initial_values(program, array.name)
        event(f"sure: {sure}")
        assert not sure or reads_initial_values(program, array.name)


def test_the_borders_of_stencils_are_initial_values() -> None:
    sizes = polybench.sizes_of("heat-3d", "mini")
    program = polybench.load("heat-3d").specialize(threads=1, **sizes).program
    assert surely_reads_initial_values(program, "A")
    assert surely_reads_initial_values(program, "B")


def test_a_sum_of_each_iteration_is_read_where_it_was_written() -> None:
    sizes = polybench.sizes_of("doitgen", "mini")
    program = polybench.load("doitgen").specialize(threads=1, **sizes).program
    assert not surely_reads_initial_values(program, "sum")
