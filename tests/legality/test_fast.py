"""The fast test never calls an order kept that the exact search finds broken; what it settles."""

from __future__ import annotations

from harness import programs
from harness import scheduled_programs as more
from harness.affine_programs import affine_programs
from harness.bands import LINES
from harness.imperfect import PROGRAMS as IMPERFECT
from harness.maps import mapped_scripts, parallelize, privatize
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from bench.suites import polybench
from loopstack.ir.loop_tree import Tree
from loopstack.ir.printer import print_program
from loopstack.ir.program import Program
from loopstack.poly import legality
from loopstack.poly.accesses import View
from loopstack.poly.fast import FastTest
from loopstack.poly.first_values import with_first_values
from loopstack.schedule.script import build

SOURCES = (
    programs.matmul, programs.softmax, programs.jacobi_1d, programs.lu, programs.scaled_sum,
    more.conv_1d, more.blur, more.ordered_sum, more.in_place, more.overwritten_input, more.seidel,
    *IMPERFECT.values(),
)  # fmt: skip
KERNELS = (
    "jacobi-2d", "seidel-2d", "fdtd-2d", "floyd-warshall", "lu", "cholesky", "trisolv", "durbin",
    "nussinov", "gramschmidt", "correlation", "symm", "trmm", "adi", "deriche",
)  # fmt: skip

EXAMPLES = 200
"""Trees are cheap, and few of them make a mistake show."""


@st.composite
def bound_programs(draw: st.DrawFn) -> Program:
    if draw(st.booleans()):
        program = draw(st.sampled_from(SOURCES))()
        least = {"T": 2, "N": 3}
        return program.bind({s: max(draw(st.integers(0, 5)), least.get(s, 1))
                             for s in program.sizes})  # fmt: skip
    name = draw(st.sampled_from(KERNELS))
    sizes = {s: draw(st.integers(3, 6)) for s in polybench.sizes_of(name, "mini")}
    return polybench.load(name).specialize(threads=1, **sizes).program


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Draw a program and any script for it, legal or not."""
    program = draw(bound_programs())
    script = draw(mapped_scripts(program, most_commands=6, legal=False, lines=LINES))
    note(f"{print_program(program)}{script}")
    return build(script, program)


@st.composite
def random_trees(draw: st.DrawFn) -> Tree:
    """Draw a program of any nests, and any script for it."""
    program = draw(affine_programs())
    lines = (*LINES, parallelize, parallelize, privatize)
    script = draw(mapped_scripts(program, most_commands=5, legal=False, lines=lines))
    note(f"{print_program(program)}{script}")
    return build(script, program)


@given(trees())
def test_what_is_surely_kept_is_kept(tree: Tree) -> None:
    check(tree)


@settings(max_examples=max(EXAMPLES, settings.default.max_examples))
@given(random_trees())
def test_what_is_surely_kept_of_any_program_is_kept(tree: Tree) -> None:
    check(tree)


def check(tree: Tree) -> None:
    view = View(with_first_values(tree))
    test = FastTest(view)
    unsure = test.open_statements()
    for first, second in legality._conflicts(view):
        pair = first.statement.name, second.statement.name
        sure = pair not in unsure or test.keeps(first, second)
        broken = sure and legality._search(view, first, second) is not None
        event("surely kept" if sure else "not sure")
        assert not broken, f"{first.statement.name} -> {second.statement.name}"
