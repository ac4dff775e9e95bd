"""Random scripts, legal and not: ``check`` agrees with runs on symbolic values.

A legal tree gives the program's results however its parallel and vector loops are run; an illegal
one does not in at least one of them. No script loses, repeats or invents an instance.
"""

from __future__ import annotations

from collections import Counter

from harness import programs
from harness import scheduled_programs as more
from harness.imperfect import PROGRAMS as IMPERFECT
from harness.parts import parts_of, whole_program
from harness.scripts import random_scripts
from harness.tree_replay import (
    agrees,
    instances_of,
    program_instances,
    run_program,
)
from hypothesis import assume, event, given
from hypothesis import strategies as st

from loopstack.ir.loop_tree import Tree
from loopstack.ir.printer import print_program
from loopstack.ir.program import Program
from loopstack.poly import legality, quick
from loopstack.poly.accesses import View
from loopstack.poly.carried import surely_kept
from loopstack.schedule.script import Schedule, build

SMALL = st.sampled_from((0, 1, 2, 3, 4, 5))


PROGRAMS = (
    programs.matmul, programs.softmax, programs.jacobi_1d, programs.lu, programs.pad_then_exp,
    programs.repeat_rows, programs.scaled_sum, more.conv_1d, more.blur,
    more.ordered_sum, more.in_place, more.overwritten_input, *IMPERFECT.values(),
)  # fmt: skip


class Case:
    """A program and a script, printed as text that can be pasted into a test."""

    def __init__(self, program: Program, script: Schedule) -> None:
        self.program = program
        self.script = script

    @property
    def tree(self) -> Tree:
        return build(self.script, self.program)

    @property
    def parts(self) -> dict[str, str]:
        return parts_of(self.script)

    @property
    def whole(self) -> Program:
        """The program as commands rewrote it, with the parts of statements put together."""
        whole = whole_program(self.tree.program, self.parts)
        assume(whole is not None)
        assert whole is not None
        return whole

    def __repr__(self) -> str:
        return f"\n{print_program(self.program)}{self.script}"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    program = draw(st.sampled_from(PROGRAMS))()
    least = {"T": 2, "N": 3}
    bound = program.bind({s: max(draw(SMALL), least.get(s, 1)) for s in program.sizes})
    return Case(bound, draw(random_scripts(bound, most_commands=8, legal=False)))


@given(cases())
def test_check_agrees_with_symbolic_runs(case: Case) -> None:
    tree = case.tree
    legal = legality.check(tree) is None
    event("legal" if legal else "illegal")
    assert agrees(tree, run_program(case.whole), case.parts) == legal


@given(cases())
def test_every_instance_runs_exactly_once(case: Case) -> None:
    tree = case.tree
    found, wanted = instances_of(tree, case.parts), program_instances(case.whole)
    local = {b.array.name for b in tree.buffers}
    for s in case.whole.statements:
        if s.write.array in local:
            assert set(found[s.name]) <= set(wanted[s.name])
        else:
            assert found[s.name] == wanted[s.name]
            assert found[s.name] == Counter(set(found[s.name]))


@given(cases())
def test_scripts_print_and_parse_back(case: Case) -> None:
    again = Schedule.parse(str(case.script))
    assert again == case.script
    assert str(again) == str(case.script)
    assert build(again, case.program) == case.tree


@given(cases())
def test_quick_proofs_never_contradict_isl(case: Case) -> None:
    view = View(case.tree)
    for first, second in legality._conflicts(view):
        a, b = first.statement, second.statement
        if quick.runs_before(view.program, a.name, b.name):
            sure = quick.surely_ordered(view, first, second)
        else:
            sure = a is b and legality._surely_self_legal(view, first, second)
        if sure or surely_kept(view, first, second):
            assert legality._search(view, first, second) is None
