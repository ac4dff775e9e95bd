"""Random scripts, legal and not: ``check`` agrees with runs on symbolic values.

A legal tree gives the program's results however its parallel and vector loops are run; an illegal
one does not in at least one of them. No script loses, repeats or invents an instance.
"""

from __future__ import annotations

from collections import Counter

from harness import programs
from harness.scripts import random_scripts
from harness.tree_replay import (
    agrees,
    instances_of,
    program_instances,
    run_program,
)
from hypothesis import event, given
from hypothesis import strategies as st

from loopstack.ir.affine import affine, name
from loopstack.ir.loop_tree import Tree
from loopstack.ir.printer import print_program
from loopstack.ir.program import Program, Reduction, Statement
from loopstack.poly import legality, quick
from loopstack.poly.accesses import View
from loopstack.schedule.script import Schedule, build

SMALL = st.sampled_from((1, 2, 3, 4, 5))


def conv_1d() -> Program:
    """A window that slides: two loops in one subscript."""
    product = programs.op("mul", programs.load("x", "o+r"), programs.load("w", "r"))
    s = Statement(
        "y", ("o", "r"), programs.box(o="o", r="r"), programs.access("y", "o"), product,
        Reduction("sum"), (0, 0, 0),
    )  # fmt: skip
    data = programs.array("x", "o", "input")
    data = type(data)("x", "f32", (name("$o") + name("$r"),), "input")
    arrays = (data, programs.array("w", "r", "input"), programs.array("y", "o", "output"))
    return Program("conv_1d", ("o", "r"), arrays, (s,))


def blur() -> Program:
    """A producer read at two neighbours: compute_at and inline have work to do."""
    half = programs.op("add", programs.load("t", "i"), programs.load("t", "i+1"))
    statements = (
        Statement("t", ("i",), programs.forms("i $n-i"), programs.access("t", "i"),
                  programs.op("exp", programs.load("x", "i")), None, (0, 0)),
        Statement("y", ("i",), programs.box(i="n"), programs.access("y", "i"), half, None, (1, 0)),
    )  # fmt: skip
    long = (affine("$n") + 1,)
    x = programs.array("x", "n", "input")
    arrays = (
        type(x)("x", "f32", long, "input"),
        programs.array("y", "n", "output"),
        type(x)("t", "f32", long, "temporary"),
    )
    return Program("blur", ("n",), arrays, statements)


def ordered_sum() -> Program:
    """A sum whose order counts."""
    p = programs.matmul()
    return Program("ordered_sum", p.sizes, p.arrays, p.statements, reassociate=False)


def in_place() -> Program:
    """Reads its own array: forwards and backwards differ."""
    s = Statement("A", ("i", "j"), programs.forms("i $n-1-i j-1 $n-1-j"),
                  programs.access("A", "i j"),
                  programs.op("add", programs.load("A", "i j-1"), programs.load("A", "i j")))  # fmt: skip
    return Program("in_place", ("n",), (programs.array("A", "n n", "inout"),), (s,))


PROGRAMS = (
    programs.matmul, programs.softmax, programs.jacobi_1d, programs.lu, programs.pad_then_exp,
    programs.repeat_rows, programs.scaled_sum, conv_1d, blur, ordered_sum, in_place,
)  # fmt: skip


class Case:
    """A program and a script, printed as text that can be pasted into a test."""

    def __init__(self, program: Program, script: Schedule) -> None:
        self.program = program
        self.script = script

    @property
    def tree(self) -> Tree:
        return build(self.script, self.program)

    def __repr__(self) -> str:
        return f"\n{print_program(self.program)}{self.script}"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    program = draw(st.sampled_from(PROGRAMS))()
    least = {"T": 2, "N": 3}
    bound = program.bind({s: max(draw(SMALL), least.get(s, 1)) for s in program.sizes})
    return Case(bound, draw(random_scripts(bound, most_commands=6, legal=False)))


@given(cases())
def test_check_agrees_with_symbolic_runs(case: Case) -> None:
    tree = case.tree
    legal = legality.check(tree) is None
    event("legal" if legal else "illegal")
    assert agrees(tree, run_program(tree.program)) == legal


@given(cases())
def test_every_instance_runs_exactly_once(case: Case) -> None:
    tree = case.tree
    found, wanted = instances_of(tree), program_instances(tree.program)
    local = {b.array.name for b in tree.buffers}
    for s in tree.program.statements:
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
        if sure:
            assert legality._search(view, first, second) is None
