"""Dependences and their text; ``show("dependences")`` prints the latter."""

from __future__ import annotations

import pytest
from harness import programs
from harness import scheduled_programs as more
from harness.golden import Golden

from loopstack.ir.program import Program
from loopstack.poly.dependence import dependences, describe, relaxed

PROGRAMS = {
    "matmul": programs.matmul,
    "ordered_sum": more.ordered_sum,
    "softmax": programs.softmax,
    "jacobi_1d": programs.jacobi_1d,
    "lu": programs.lu,
    "pad_then_exp": programs.pad_then_exp,
    "in_place": more.in_place,
    "repeat_rows": programs.repeat_rows,
}


@pytest.mark.parametrize("label", PROGRAMS)
def test_description(label: str, golden: Golden) -> None:
    golden(describe(PROGRAMS[label]()), f"{label}.txt")


def test_bound_programs_have_the_same_dependences() -> None:
    """Distances that sizes bound become numbers; nothing else changes."""
    bound = describe(programs.lu().bind({"N": 9}))
    assert "k 1, i 0..7, j 0" in bound
    assert bound.replace("i 0..7", "i 0..") == describe(programs.lu())


def test_a_dependence_carries_its_relation() -> None:
    (carried,) = [d for d in dependences(more.in_place().bind({"n": 4})) if d.kind == "flow"]
    assert (carried.source, carried.target, carried.array) == ("A", "A", "A")
    assert carried.distances == ((0, 0), (1, 1))
    assert carried.is_loop_carried
    assert carried.relation.wrap().count_val().to_python() == 8


@pytest.mark.parametrize(
    ("program", "statement", "expected"),
    [
        (programs.matmul(), "C", True),
        (programs.matmul("i32"), "C", True),
        (more.ordered_sum(), "C", False),
        (programs.softmax(), "most", True),
        (programs.softmax(), "e", False),
    ],
)
def test_which_reductions_are_relaxed(program: Program, statement: str, expected: bool) -> None:
    assert relaxed(program, statement) is expected


def test_integer_sums_wrap_so_their_order_never_counts() -> None:
    from dataclasses import replace

    assert relaxed(replace(programs.matmul("i64"), reassociate=False), "C")
