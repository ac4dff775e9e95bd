"""Random maps, tiles along hyperplanes and private copies: ``check`` agrees with symbolic runs."""

from __future__ import annotations

from collections.abc import Mapping

from harness import programs
from harness import scheduled_programs as more
from harness.imperfect import PROGRAMS as IMPERFECT
from harness.maps import mapped_scripts, parallelize, privatize
from harness.parts import parts_of, whole_program
from harness.scratch import PROGRAMS as SCRATCH
from harness.tree_replay import agrees, instances_of, program_instances, run_program
from hypothesis import assume, event, given, note
from hypothesis import strategies as st

from loopstack.ir.loop_tree import Tree
from loopstack.ir.printer import print_program
from loopstack.ir.program import Program
from loopstack.poly import legality
from loopstack.schedule.script import Schedule, build

PROGRAMS = (
    programs.matmul, programs.jacobi_1d, programs.lu, more.ordered_sum, more.in_place,
    more.seidel, *IMPERFECT.values(),
)  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> tuple[Program, Schedule]:
    make = draw(st.sampled_from(PROGRAMS))
    least = {"T": 2, "N": 3}
    program = make()
    sizes = {s: max(draw(st.integers(0, 4)), least.get(s, 1)) for s in program.sizes}
    bound = program.bind(sizes)
    script = draw(mapped_scripts(bound, legal=False))
    note(f"{print_program(bound)}{script}")
    return bound, script


def _whole(tree: Tree, parts: Mapping[str, str]) -> Program:
    whole = whole_program(tree.program, parts)
    assume(whole is not None)
    assert whole is not None
    return whole


@given(cases())
def test_check_agrees_with_symbolic_runs(case: tuple[Program, Schedule]) -> None:
    tree = build(case[1], case[0])
    legal = legality.check(tree) is None
    event("legal" if legal else "illegal")
    parts = parts_of(case[1])
    assert agrees(tree, run_program(_whole(tree, parts)), parts) == legal


@given(st.data())
def test_legal_private_copies_change_nothing(data: st.DataObject) -> None:
    make = SCRATCH[data.draw(st.sampled_from(sorted(SCRATCH)))]
    program = make().bind({"N": data.draw(st.integers(1, 4))})
    lines = (privatize, privatize, parallelize)
    script = data.draw(mapped_scripts(program, legal=False, lines=lines))
    note(f"{print_program(program)}{script}")
    tree = build(script, program)
    parts = parts_of(script)
    legal = legality.check(tree) is None
    event("legal" if legal else "illegal")
    whole = _whole(tree, parts)
    assert not legal or agrees(tree, run_program(whole), parts)
    assert run_program(program) == run_program(whole)


@given(cases())
def test_every_instance_runs_exactly_once(case: tuple[Program, Schedule]) -> None:
    tree, parts = build(case[1], case[0]), parts_of(case[1])
    whole = _whole(tree, parts)
    found, wanted = instances_of(tree, parts), program_instances(whole)
    local = {b.array.name for b in tree.buffers}
    for s in whole.statements:
        if s.write.array in local:
            assert set(found[s.name]) <= set(wanted[s.name])
        else:
            assert found[s.name] == wanted[s.name]
