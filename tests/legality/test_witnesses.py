"""Witnesses of random illegal schedules are true: the instances, the element, and both orders.

Those of the examples in tests/error are replayed there.
"""

from __future__ import annotations

from harness import programs
from harness import scheduled_programs as more
from harness.agreement import script
from harness.bands import LINES
from harness.imperfect import PROGRAMS as IMPERFECT
from harness.maps import mapped_scripts, parallelize, privatize
from harness.scratch import PROGRAMS as SCRATCH
from harness.scripts import random_scripts
from harness.witnesses import Replay
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from loopstack.ir.loop_tree import Tree
from loopstack.ir.printer import print_program
from loopstack.poly import legality
from loopstack.schedule.script import build

SOURCES = (
    programs.matmul, programs.softmax, programs.jacobi_1d, programs.lu, programs.scaled_sum,
    more.conv_1d, more.blur, more.ordered_sum, more.in_place, more.overwritten_input, more.seidel,
    *IMPERFECT.values(), *SCRATCH.values(),
)  # fmt: skip
LEAST = {"T": 2, "N": 3}


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    program = draw(st.sampled_from(SOURCES))()
    sizes = {s: max(draw(st.integers(2, 5)), LEAST.get(s, 1)) for s in program.sizes}
    bound = program.bind(sizes)
    if draw(st.booleans()):
        schedule = draw(random_scripts(bound, most_commands=9, legal=False))
    else:
        lines = (*LINES, privatize, parallelize, parallelize, parallelize)
        schedule = draw(mapped_scripts(bound, most_commands=9, legal=False, lines=lines))
    note(f"{print_program(bound)}{schedule}")
    return build(schedule, bound)


@settings(max_examples=3 * settings().max_examples)
@given(trees())
def test_witnesses_are_true(tree: Tree) -> None:
    violation = legality.check(tree)
    if violation is None:
        event("legal")
        return
    note(str(violation))
    event(violation.kind)
    Replay(tree, violation).check()


def test_a_true_witness_where_isl_finds_no_least_one() -> None:
    program = SCRATCH["first_value"]().bind({"N": 3})
    tree = build(script("map S1.i S1.j S1.k -> a = 2*k - 2*j - 1, b = j, c = i + j + 1"), program)
    violation = legality.check(tree)
    assert violation is not None
    Replay(tree, violation).check()
