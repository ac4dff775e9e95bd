"""Loops that several statements share, cut into pieces; bounds of tiles along hyperplanes."""

from __future__ import annotations

import re

from harness import programs
from harness import scheduled_programs as more
from harness.agreement import script
from harness.golden import Golden
from harness.imperfect import PROGRAMS

from loopstack.ir.program import Program
from loopstack.lower.pipeline import lower
from loopstack.poly import legality
from loopstack.reference.domain import points
from loopstack.schedule.script import build, check


def nest(program: Program, commands: str) -> str:
    return lower(check(script(commands), program), "avx2")


def test_a_statement_of_one_iteration_stands_beside_the_loop(golden: Golden) -> None:
    commands = (
        "distribute S0.k; map S0.k S0.i -> a = k, b = i, c = k; fuse S0.a S1.k shift=0; "
        "fuse S0.b S1.i shift=0; fuse S0.c S1.j shift=0"
    )
    text = nest(PROGRAMS["lu"]().bind({"N": 64}), commands)
    assert "if " not in text
    golden(text, "division_inside_update.nest")


def test_ends_of_shifted_loops_get_loops_of_their_own(golden: Golden) -> None:
    text = nest(programs.jacobi_1d().bind({"T": 9, "N": 40}), "fuse S0.i S1.i shift=1")
    assert "if " not in text
    golden(text, "shifted.nest")


def test_statements_of_a_vector_loop_get_bounds_of_their_own(golden: Golden) -> None:
    commands = "expand t at S0.i S0.j; distribute S0.j; fuse S1.j S2.j shift=3; vectorize S1.j"
    text = nest(more.scaled_rows().bind({"n": 100}), commands)
    assert "if " not in text
    golden(text, "vector.nest")


def test_parallel_loops_stay_whole() -> None:
    program = PROGRAMS["different_ranges"]().bind({"N": 9})
    commands = "distribute S0.i; fuse S0.i S1.i shift=0; parallelize S0.i"
    tree = build(script(commands), program)
    assert legality.check(tree) is None
    assert len(re.findall(r"for S0\.i .*parallel", lower(tree, "avx2"))) == 1


def test_tiles_along_hyperplanes_visit_no_empty_step(golden: Golden) -> None:
    """Inside a tile, t runs where the two hyperplanes leave room for i, not along the whole box."""
    tree = check(
        script("skew S.i S.t 1; tile S.t S.i 8 8 along t, i -> a, b, t, i; wavefront S.a S.b -> w"),
        more.seidel().bind({"T": 40, "N": 200}),
    )
    text = lower(tree, "avx2")
    golden(text, "tiles_along_hyperplanes.nest")
    (leaf,) = tree.leaves().values()
    assert len(points(leaf.constraints, [x.name for x in tree.path("S")])["S.t"]) == 40 * 198
