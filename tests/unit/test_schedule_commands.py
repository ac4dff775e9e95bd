"""What each command does to a tree: scripts, and the trees they make (golden files)."""

from __future__ import annotations

import numpy as np
import pytest
from harness import programs, scratch
from harness import scheduled_programs as more
from harness.golden import Golden
from harness.tree_text import tree_text

from loopstack.ir.loop_tree import Tree
from loopstack.ir.program import Program
from loopstack.reference.interpreter import run
from loopstack.schedule.script import Schedule, build

PROGRAMS = {
    "matmul": programs.matmul().bind({"m": 8, "n": 8, "k": 8}),
    "softmax": programs.softmax().bind({"i": 4, "j": 8}),
    "blur": more.blur().bind({"n": 8}),
    "seidel": more.seidel().bind({"T": 4, "N": 7}),
    "scaled": more.scaled_rows().bind({"n": 5}),
    "lu": programs.lu().bind({"N": 6}),
    "lent": scratch.lent_row().bind({"N": 4}),
    "conv": more.conv_1d().bind({"o": 10, "r": 3}),
}
CASES = {
    "split": ("matmul", "split C.m 4 -> mo, mi"),
    "split_of_a_split": ("matmul", "split C.m 6 -> mo, mi tail=peel; split C.mi 4 -> a, b"),
    "split_keeps_the_kind_inside": ("matmul", "vectorize C.n; split C.n 4 -> n, v"),
    "tile": ("matmul", "tile C.m C.n 4 2 -> mo, no, mi, ni tail=mask"),
    "tile_along_hyperplanes": (
        "seidel", "tile S.t S.i 4 4 along t + i, t - i -> to, io, ti, ii"
    ),
    "tile_of_more_loops_than_hyperplanes": (
        "matmul", "vectorize C.k; tile C.m C.n C.k 4 along m + n -> d, m, n, k tail=mask"
    ),
    "tile_of_tiles_along_hyperplanes": (
        "seidel", "tile S.t S.i 4 4 along t + i, t - i -> a, b, t, i; "
        "tile S.t S.i 2 2 along t + i, t - i -> c, d, t, i"
    ),
    "join_undoes_split": ("matmul", "split C.m 4 -> mo, mi; join C.mo C.mi -> m"),
    "join": ("matmul", "join C.m C.n -> f"),
    "reorder_keeps_unlisted_places": ("matmul", "reorder C k m"),
    "interchange": ("matmul", "interchange C.m C.k"),
    "reverse": ("blur", "reverse y.i"),
    "shift": ("blur", "shift y.i 2"),
    "skew": ("seidel", "skew S.i S.t 1"),
    "skew_of_tiles": ("seidel", "tile S.t S.i 2 2 -> to, io, ti, ii; skew S.io S.to 1"),
    "wavefront": ("seidel", "skew S.i S.t 1; wavefront S.t S.i -> w"),
    "map": ("seidel", "map S.t S.i -> w = 2*t + i, p = t"),
    "map_into_a_deeper_nest": ("lu", "distribute S0.k; map S0.k S0.i -> a = k, b = i, c = i"),
    "map_onto_every_other_value": ("seidel", "map S.t S.i -> a = t + i, b = t - i"),
    "map_of_a_statement": ("scaled", "distribute S0.j; map S0 -> c = 1"),
    "distribute_in_another_order": ("scaled", "distribute S0.j -> S2, S0, S1"),
    "expand": ("scaled", "expand t at S0.i S0.j; distribute S0.j; distribute S0.i"),
    "privatize": ("scaled", "privatize t at S0.j; parallelize S0.i"),
    "privatize_some_uses": ("lent", "privatize t at S2.i -> u; parallelize S2.i"),
    "partition": ("lu", "partition S1 where j < 2*i -> R"),
    "partition_upper_part_first": ("seidel", "partition S where i > 3 -> R"),
    "decompose": ("matmul", "decompose C -> C0; distribute C.n"),
    "decompose_to_partition": ("softmax", "decompose total -> t0; "
                               "partition total where j < i -> R"),
    "decompose_mixed_loops": ("matmul", "map C.n C.k -> w = n + k, k = k; decompose C -> C0"),
    "wrap": ("blur", "wrap y.i -> once"),
    "wrap_to_fuse": ("blur", "wrap t.i -> o; wrap y.i -> o; fuse t.o y.o; fuse t.i y.i shift=1"),
    "fuse": ("softmax", "fuse most.i e.i; fuse e.i total.i"),
    "fuse_with_shift": ("blur", "fuse t.i y.i shift=1"),
    "fuse_tiles": ("softmax", "split most.j 4 -> o, v; split e.j 4 -> o, v; fuse most.i e.i; "
                   "interchange most.o most.v"),
    "reorder_shared_loops": ("softmax", "fuse e.i out.i; fuse e.j out.j; reorder out j i"),
    "distribute": ("softmax", "fuse most.i e.i; distribute most.i"),
    "compute_at": ("blur", "split y.i 4 -> o, v; compute_at t y.o"),
    "compute_at_row": ("softmax", "compute_at most e.i"),
    "inline": ("blur", "inline t"),
    "rfactor": ("matmul", "split C.k 4 -> ko, ki; rfactor C.ko -> P; parallelize P.ko"),
    "pack": ("matmul", "split C.n 4 -> no, nv; reorder C no m k nv; "
             "pack B at C.no as Bp[k, nv] pad=0 align=128; vectorize Bp.nv"),
    "pack_at_root": ("matmul", "pack B at root as Bt[n, k]"),
    "pack_a_window": ("conv", "split y.o 4 -> oo, ov; pack x at y.oo as xp[ov, r]"),
    "pack_in_place": ("lu", "pack A at S0.k as column[i]"),
    "pack_twice": ("matmul", "split C.m 4 -> mo, mi; pack A at C.mo as Ap[mi, k]; "
                   "pack B at C.mo as Bp[n, k]; pack Bp at C.n as row[k]"),
    "stage": ("matmul", "stage C at C.m in registers; stream C"),
    "stage_follows_a_split": ("matmul", "stage C at C.m in local; split C.m 2 -> mo, mi"),
    "unroll_and_jam_sinks": ("matmul", "split C.m 2 -> mo, mi; unroll_and_jam C.mi"),
    "unroll_and_jam_stays": ("matmul", "split C.m 2 -> mo, mi; split C.n 4 -> no, nv; "
                             "reorder C mo no k mi nv; unroll_and_jam C.mi; vectorize C.nv"),
    "marks": ("matmul", "parallelize C.m; unroll C.k; vectorize C.n"),
    "prefetch": ("matmul", "split C.m 2 -> mo, mi; split C.n 32 -> no, ni; "
                 "reorder C mo no k mi ni; prefetch C at C.no ahead=2 write"),
}  # fmt: skip


def scheduled(program: Program, commands: str) -> Tree:
    lines = ["schedule 1", *(line.strip() for line in commands.split(";"))]
    return build(Schedule.parse("\n".join(lines)), program)


@pytest.mark.parametrize("case", CASES)
def test_command(case: str, golden: Golden) -> None:
    program, commands = CASES[case]
    tree = scheduled(PROGRAMS[program], commands)
    golden(f"{commands}\n\n{tree_text(tree, constraints=True)}", f"{case}.txt")


def test_a_shared_loop_answers_to_every_statement() -> None:
    fused = "fuse most.i e.i; fuse most.i total.i; "
    trees = [
        scheduled(PROGRAMS["softmax"], f"{fused} parallelize {name}.i")
        for name in ("most", "e", "total")
    ]
    assert trees[0] == trees[1] == trees[2]


def test_a_new_name_may_reuse_the_old_one() -> None:
    once = scheduled(PROGRAMS["matmul"], "split C.k 4 -> k, ku")
    assert tree_text(once).splitlines()[2:4] == ["    C.k", "      C.ku 4"]


def test_a_stage_stays_once_per_iteration_when_its_loop_is_split() -> None:
    tree = scheduled(PROGRAMS["matmul"], "stage C at C.m in local; split C.m 2 -> m, mi")
    assert tree.stages[0].loop == "C.mi"


def test_inline_drops_what_was_said_about_the_array() -> None:
    tree = scheduled(PROGRAMS["blur"], "stage t at t.i in local; stream t; inline t")
    assert (tree.stages, tree.streamed) == ((), ())


def test_trees_share_what_a_command_leaves_alone() -> None:
    before = scheduled(PROGRAMS["softmax"], "parallelize most.i")
    after = scheduled(PROGRAMS["softmax"], "parallelize most.i; split e.j 4 -> o, v")
    assert before.body[0] == after.body[0]


@pytest.mark.parametrize(
    ("program", "commands"),
    [
        ("blur", "inline t"),
        ("matmul", "split C.k 4 -> ko, ki; rfactor C.ko -> P"),
        ("matmul", "split C.k 3 -> ko, ki; rfactor C.ki -> P"),
        ("matmul", "rfactor C.k -> P; rfactor C.k -> Q"),
        ("softmax", "split total.j 3 -> o, v; rfactor total.o -> part; inline e"),
    ],
)
def test_commands_that_change_the_program_keep_its_results(program: str, commands: str) -> None:
    old = PROGRAMS[program]
    new = scheduled(old, commands).program
    rng = np.random.default_rng(0)
    data = {
        a.name: rng.integers(0, 5, [f.const for f in a.shape]).astype(np.float32)
        for a in old.arguments
        if a.role == "input"
    }
    wanted, found = run(old, data), run(new, data)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)
