"""Slots of programs whose statements share loops."""

from __future__ import annotations

import json
import random

import pytest

from autoscheduler.space.affine import APART, LOOPS, NESTS, START, WRITTEN, AffineSlots
from autoscheduler.space.mask import Mask
from autoscheduler.space.slots import complete, defaults, draw_near
from autoscheduler.space.trees import TreeCache
from bench.suites import polybench
from loopstack.schedule.default import default_schedule
from loopstack.schedule.script import Schedule

TILED = """schedule 1
split S0.i 32 -> io, ii
tile S1.i S1.j 8 16 -> a, b, c, d
vectorize S0.j
"""


def slots_of(name: str, threads: int = 2) -> AffineSlots:
    program = polybench.load(name).program.bind(polybench.sizes_of(name, "mini"))
    default = str(default_schedule(program, "avx2", threads, {}))
    return AffineSlots(program, {"default": default, "original": "schedule 1\n"}, threads)


@pytest.mark.parametrize("name", polybench.NAMES)
def test_defaults_print_the_known_schedules(name: str) -> None:
    slots = slots_of(name)
    for start, script in slots.starts.items():
        assert slots.script({**defaults(slots.slots), START: start}) == script


def test_factors_of_a_known_schedule_are_slots() -> None:
    program = polybench.load("gemm").program.bind(polybench.sizes_of("gemm", "mini"))
    slots = AffineSlots(program, {"tiled": TILED}, 1)
    chosen = defaults(slots.slots)
    assert [(s.name, s.default) for s in slots.active(chosen)[1:]] == [
        ("tiled: factor 0", 32), ("tiled: factor 1", 8), ("tiled: factor 2", 16)
    ]  # fmt: skip
    changed = {**chosen, "tiled: factor 0": 128, "tiled: factor 2": 24}
    assert slots.script(changed) == TILED.replace("i 32", "i 128").replace("8 16", "8 24")


def test_answers_of_a_nest() -> None:
    slots = slots_of("trmm")
    chosen = {**defaults(slots.slots), START: NESTS, LOOPS: WRITTEN}
    assert slots.script(chosen) == "schedule 1\nvectorize S0.k\n"
    outer = {"as written, S0.i: tile j": 16, "as written, S0.i: lanes": "none",
             "as written, S0.i: parallel": "j", "as written, S0.i: jam": "i",
             "as written, S0.i: by": 2}  # fmt: skip
    assert slots.script({**chosen, **outer}) == (
        "schedule 1\nsplit S0.j 16 -> j_o, j\nreorder S0 j_o i j\n"
        "split S0.i 2 -> i, i_u tail=peel\nunroll_and_jam S0.i_u\nparallelize S0.j_o\n"
        "vectorize S0.k\n"
    )


def test_loops_apart() -> None:
    slots = slots_of("trmm")
    chosen = {**defaults(slots.slots), START: NESTS, LOOPS: APART}
    assert slots.script(chosen).startswith("schedule 1\ndistribute S0.j\ndistribute S0.i\n")


def test_one_thread_is_offered_no_parallel_loop() -> None:
    assert all(s.choices == ("none",) for s in slots_of("gemm", 1).slots if "parallel" in s.name)


@pytest.mark.parametrize("name", ["jacobi-2d", "lu", "adi", "nussinov", "gemm", "deriche"])
def test_mutations_print_schedules_and_some_are_legal(name: str) -> None:
    slots, rng = slots_of(name), random.Random(7)
    mask = Mask(TreeCache(slots.program), "avx2", 2, {})
    legal = 0
    for start in ("default", NESTS) * 12:
        first = {**defaults(slots.slots), START: start}
        chosen = draw_near(slots.active(first), first, rng, 1)
        stored = json.loads(json.dumps(chosen))
        assert complete(slots.slots, stored) == chosen
        script = slots.script(chosen)
        assert str(Schedule.parse(script)) == script
        legal += mask.admit(script) is not None
    assert legal > 0
