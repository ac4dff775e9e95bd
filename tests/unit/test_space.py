"""Schedule spaces: slots, the scripts they print, the mask."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from harness.spaces import HARDWARE, conv, matmul, softmax
from hypothesis import given
from hypothesis import strategies as st

from autoscheduler.space.contraction import Plan
from autoscheduler.space.edits import edit_script
from autoscheduler.space.mask import Mask, without_loop_names
from autoscheduler.space.slots import Slot, complete, cross, defaults, draw, mutate
from autoscheduler.space.templates import ProgramSpace, is_contraction
from autoscheduler.space.trees import TreeCache
from loopstack.ir.program import Program
from loopstack.schedule.script import Schedule, build

SLOTS = [Slot("a", (1, 2, 3, 4)), Slot("b", ("x", "y"), ordered=False), Slot("c", (7,))]
PROGRAMS = [matmul, softmax, conv]


def space(program: Program, threads: int = 2) -> ProgramSpace:
    return ProgramSpace(program, HARDWARE, threads, {})


def scripts(program: Program, count: int, seed: int = 0, threads: int = 2) -> list[str]:
    """Return the scripts of ``count`` random draws."""
    where, rng = space(program, threads), random.Random(seed)
    return [where.script(draw(where.slots, rng)) for _ in range(count)]


# ---- slots --------------------------------------------------------------------------------------
def test_drawing_is_seeded() -> None:
    first, second = (draw(SLOTS, random.Random(5)) for _ in range(2))
    assert first == second


@given(st.integers())
def test_mutation_stays_inside_the_slots_and_changes_something(seed: int) -> None:
    rng = random.Random(seed)
    parent = draw(SLOTS, rng)
    child = mutate(SLOTS, parent, rng)
    assert child != parent
    assert all(child[slot.name] in slot.choices for slot in SLOTS)


def test_slots_without_alternatives_cannot_mutate() -> None:
    assert mutate([SLOTS[2]], {"c": 7}, random.Random(0)) == {"c": 7}


@given(st.integers())
def test_crossing_takes_every_answer_from_a_parent(seed: int) -> None:
    rng = random.Random(seed)
    one, other = draw(SLOTS, rng), draw(SLOTS, rng)
    child = cross(SLOTS, one, other, rng)
    assert all(child[name] in (one[name], other[name]) for name in child)


def test_completing_replaces_answers_that_are_no_choice() -> None:
    assert complete(SLOTS, {"a": 3, "b": "z"}) == {"a": 3, "b": "x", "c": 7}


# ---- templates ----------------------------------------------------------------------------------
def test_what_counts_as_a_contraction() -> None:
    assert [is_contraction(s) for s in space(matmul()).shapes] == [True]
    assert [is_contraction(s) for s in space(conv()).shapes] == [True]
    assert [is_contraction(s) for s in space(softmax()).shapes] == [False] * 4


def test_the_first_answers_are_a_register_block() -> None:
    where = space(matmul())
    assert where.script(defaults(where.slots)) == (
        "schedule 1\n"
        "split C.n 24 -> nr, nv tail=mask\n"
        "split C.m 4 -> mr, mv tail=peel\n"
        "reorder C nr mr k mv nv\n"
        "split C.k 4 -> ko, ku tail=peel\n"
        "unroll C.ku\n"
        "unroll_and_jam C.mv\n"
        "vectorize C.nv\n"
    )


@pytest.mark.parametrize("make", PROGRAMS)
def test_every_script_parses_and_prints_back(make: Callable[[], Program]) -> None:
    for script in scripts(make(), 60):
        assert str(Schedule.parse(script)).strip() == script.strip()


@pytest.mark.parametrize("make", PROGRAMS)
def test_almost_every_script_builds(make: Callable[[], Program]) -> None:
    program = make()
    for script in scripts(program, 60):
        build(Schedule.parse(script), program)


def test_register_blocks_fit_the_registers() -> None:
    where, rng = space(matmul()), random.Random(1)
    (template,) = where.apart
    for _ in range(300):
        chosen = draw(where.slots, rng)
        plan = Plan.of(template, {name.split(": ")[-1]: value for name, value in chosen.items()})
        assert plan.mr * plan.vectors + plan.vectors + 1 <= HARDWARE.vector_registers
        assert plan.mr <= template.shape.extents[plan.rows]


def test_one_thread_never_asks_for_parallel_loops() -> None:
    assert not any("parallelize" in script for script in scripts(matmul(), 40, threads=1))


# ---- the mask -----------------------------------------------------------------------------------
def mask(program: Program) -> Mask:
    return Mask(TreeCache(program), "avx2", 2, {})


@pytest.mark.parametrize("make", PROGRAMS)
def test_the_mask_admits_most_template_scripts(make: Callable[[], Program]) -> None:
    program = make()
    door = mask(program)
    admitted = [door.admit(script) for script in scripts(program, 40)]
    assert sum(candidate is not None for candidate in admitted) > 20


def test_the_mask_admits_a_schedule_once() -> None:
    door = mask(matmul())
    assert door.admit("schedule 1\nvectorize C.n\n") is not None
    assert door.admit("schedule 1\nvectorize C.n\n") is None
    assert door.repeated == 1


def test_the_mask_knows_schedules_apart_from_their_loop_names() -> None:
    door = mask(matmul())
    assert door.admit("schedule 1\nsplit C.m 8 -> mo, mi\n") is not None
    assert door.admit("schedule 1\nsplit C.m 8 -> outer, inner\n") is None


@pytest.mark.parametrize(
    "script",
    [
        "schedule 1\nparallelize top.j\n",  # carries the reduction
        "schedule 1\nfuse top.i out.i\nreorder nothing\n",  # does not parse or build
        "schedule 1\nsplit out.q 4 -> a, b\n",  # no such loop
    ],
)
def test_the_mask_turns_illegal_scripts_away(script: str) -> None:
    door = mask(softmax())
    assert door.admit(script) is None
    assert door.refused == 1


def test_loop_names_are_numbered_in_order() -> None:
    nest = "for C.m = 0 .. 4 {\n  for C.n = 0 .. 4 {\n  C[4*C.m + C.n] = A[C.m]\n"
    assert without_loop_names(nest) == (
        "for L0 = 0 .. 4 {\n  for L1 = 0 .. 4 {\n  C[+4*L0 +L1] = A[L0]\n"
    )


@pytest.mark.parametrize("make", PROGRAMS)
def test_trees_from_known_prefixes_are_the_same_trees(make: Callable[[], Program]) -> None:
    program = make()
    cache = TreeCache(program)
    for script in scripts(program, 25):
        schedule = Schedule.parse(script)
        assert cache.build(schedule) == build(schedule, program)


# ---- edits --------------------------------------------------------------------------------------
@given(st.integers())
def test_edits_parse(seed: int) -> None:
    rng, program = random.Random(seed), matmul()
    script = "schedule 1\nsplit C.m 8 -> mo, mi\n"
    for _ in range(3):
        tree = build(Schedule.parse(script), program)
        edited = edit_script(script, tree, rng)
        Schedule.parse(edited)
        try:
            build(Schedule.parse(edited), program)
        except Exception:
            continue
        script = edited
