"""Legality by example: what is allowed although it looks wrong, and what stays cheap to decide."""

from __future__ import annotations

from typing import NoReturn

import pytest
from harness import programs
from harness import scheduled_programs as more
from harness.tree_replay import agrees, run_program

from loopstack.poly import isl, legality
from loopstack.poly.accesses import View
from loopstack.poly.carried import carried_depths
from loopstack.schedule.script import Schedule, build

PROGRAMS = {
    "matmul": programs.matmul().bind({"m": 4, "n": 6, "k": 5}),
    "softmax": programs.softmax().bind({"i": 3, "j": 5}),
    "jacobi": programs.jacobi_1d().bind({"T": 3, "N": 8}),
    "lu": programs.lu().bind({"N": 5}),
    "blur": more.blur().bind({"n": 7}),
    "ordered": more.ordered_sum().bind({"m": 3, "n": 3, "k": 6}),
    "in_place": more.in_place().bind({"n": 5}),
    "conv": more.conv_1d().bind({"o": 7, "r": 3}),
    "seidel": more.seidel().bind({"T": 5, "N": 9}),
    "scaled": more.scaled_rows().bind({"n": 5}),
    "pad": programs.pad_then_exp().bind({"n": 6}),
}
LEGAL = [
    ("matmul", "reorder C k n m"),
    ("matmul", "split C.k 2 -> ko, ki; reorder C ki m ko n; vectorize C.n"),
    ("matmul", "vectorize C.k"),
    ("matmul", "reverse C.k"),
    ("matmul", "tile C.m C.n C.k 2 2 2 -> mo, no, ko, mi, ni, ki; parallelize C.mo; "
     "vectorize C.ni"),
    ("matmul", "split C.k 2 -> ko, ki; rfactor C.ko -> P; parallelize P.ko"),
    ("matmul", "rfactor C.k -> P; parallelize P.k"),
    ("matmul", "pack B at C.m as Bp[n, k]; fuse Bp.n C.n; parallelize C.n"),
    ("matmul", "join C.m C.n -> f; parallelize C.f"),
    ("ordered", "split C.k 4 -> ko, ki"),
    ("ordered", "interchange C.m C.k; parallelize C.n"),
    ("ordered", "split C.k 4 -> ko, ki; reorder C ko m n ki"),
    ("softmax", "fuse most.i e.i; fuse most.i total.i; fuse most.i out.i; parallelize most.i; "
     "vectorize most.j; vectorize out.j"),
    ("softmax", "fuse most.i e.i; fuse most.i total.i; stage most at most.i in registers"),
    ("softmax", "fuse e.i total.i; fuse e.j total.j"),
    ("softmax", "compute_at most e.i; parallelize e.i"),
    ("jacobi", "fuse S0.i S1.i shift=1"),
    ("jacobi", "fuse S0.i S1.i shift=2"),
    ("jacobi", "parallelize S0.i; vectorize S1.i"),
    ("jacobi", "reverse S0.i"),
    ("lu", "pack A at S0.k as column[i]"),
    ("lu", "reorder S1 j i; vectorize S1.i; parallelize S1.j"),
    ("lu", "tile S1.i S1.j 2 2 -> io, jo, ii, ji; parallelize S1.io"),
    ("blur", "split t.i 2 -> o, v; parallelize t.o; vectorize t.v"),
    ("blur", "split y.i 3 -> o, v; compute_at t y.o; parallelize y.o; vectorize t.i"),
    ("blur", "inline t; vectorize y.i"),
    ("blur", "fuse t.i y.i shift=1"),
    ("in_place", "interchange A.i A.j"),
    ("in_place", "parallelize A.i"),
    ("conv", "pack x at y.o as window[r]; vectorize window.r"),
    ("pad", "fuse S1.i out.i shift=1"),
    ("seidel", "skew S.i S.t 1"),
    ("seidel", "skew S.i S.t -1"),
    ("jacobi", "skew S0.i S0.t 1; skew S1.i S1.t 2"),
    ("seidel", "skew S.i S.t 1; interchange S.t S.i"),
    ("seidel", "skew S.i S.t 1; tile S.t S.i 2 3 -> to, io, ti, ii"),
    ("seidel", "skew S.i S.t 1; wavefront S.t S.i -> w"),
    ("seidel", "skew S.i S.t 1; tile S.t S.i 2 2 -> to, io, ti, ii; wavefront S.to S.io -> w"),
    ("seidel", "map S.t S.i -> w = 2*t + i, p = t; parallelize S.p"),
    ("jacobi", "fuse S0.i S1.i shift=1; skew S0.i S0.t 2; tile S0.t S0.i 2 4 -> to, io, ti, ii"),
    ("matmul", "map C.m C.n C.k -> a = m + n, b = -k + 3, c = m; vectorize C.c"),
    ("scaled", "expand t at S0.i S0.j; distribute S0.j; distribute S0.i"),
    ("scaled", "expand t at S0.j; distribute S0.j -> S0, S2, S1"),
    ("scaled", "expand t at S0.i S0.j; parallelize S0.i; vectorize S0.j"),
    ("lu", "skew S1.j S1.i 1; interchange S1.i S1.j"),
]  # fmt: skip


def script(commands: str) -> Schedule:
    return Schedule.parse("schedule 1\n" + commands.replace(";", "\n"))


@pytest.mark.parametrize(("program", "commands"), LEGAL)
def test_legal(program: str, commands: str) -> None:
    tree = build(script(commands), PROGRAMS[program])
    assert legality.check(tree) is None
    assert agrees(tree, run_program(tree.program))


@pytest.fixture
def without_isl(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> NoReturn:
        raise AssertionError("isl was asked")

    monkeypatch.setattr(isl, "library", refuse)


PLAIN = [
    ("matmul", "tile C.m C.n 2 2 -> mo, no, mi, ni; vectorize C.ni; parallelize C.mo"),
    ("matmul", "split C.n 4 -> no, nv; split C.k 2 -> kc, ki; reorder C no kc m ki nv; "
     "pack B at C.kc as Bp[ki, nv] pad=0; vectorize Bp.nv; parallelize Bp.ki; "
     "stage C at C.m in registers; vectorize C.nv; parallelize C.m"),
    ("ordered", "split C.m 2 -> mo, mi; unroll_and_jam C.mi; vectorize C.n"),
    ("softmax", "fuse most.i e.i; fuse most.i total.i; fuse most.i out.i; parallelize most.i; "
     "vectorize most.j; vectorize e.j; vectorize total.j; vectorize out.j"),
    ("conv", "split y.o 4 -> oo, ov; reorder y oo r ov; vectorize y.ov; parallelize y.oo"),
    ("blur", "vectorize t.i; split y.i 4 -> o, v; vectorize y.v; parallelize y.o"),
]  # fmt: skip


@pytest.mark.usefixtures("without_isl")
@pytest.mark.parametrize(("program", "commands"), PLAIN)
def test_usual_schedules_never_ask_isl(program: str, commands: str) -> None:
    tree = build(script(commands), PROGRAMS[program])
    assert legality.check(tree) is None


def test_inner_loops_of_a_known_program_do_not_ask_isl(monkeypatch: pytest.MonkeyPatch) -> None:
    """What each pair depends on is found once; later trees that keep the outer loop reuse it."""
    program = PROGRAMS["lu"]
    assert legality.check(build(Schedule(), program)) is None

    def refuse() -> NoReturn:
        raise AssertionError("isl was asked")

    monkeypatch.setattr(isl, "library", refuse)
    commands = "tile S1.i S1.j 2 2 -> io, jo, ii, ji; parallelize S1.io; vectorize S1.ji"
    assert legality.check(build(script(commands), program)) is None


def test_depths_at_which_lu_depends() -> None:
    """Everything is carried by k, but for the pivot column, which the update reads at once."""
    view = View(build(Schedule(), PROGRAMS["lu"]))
    depths = carried_depths(view.program)
    write = {t.statement.name: t for t in view.touches if t.is_write}
    (pivot_read,) = [
        t for t in view.touches
        if t.statement.name == "S1" and str(t.access) == "A[i, k]"
    ]  # fmt: skip
    assert depths.of(write["S1"], write["S1"]) == {0}
    assert depths.of(write["S0"], pivot_read) == {1}


def test_a_violation_reads_as_a_sentence() -> None:
    tree = build(script("fuse S0.i S1.i"), PROGRAMS["jacobi"])
    violation = legality.check(tree)
    assert violation is not None
    assert str(violation) == violation.text
    assert (violation.kind, violation.element, violation.loop) == ("flow", "B[2]", None)
    assert (violation.source, violation.target) == ("S0[t=0, i=2]", "S1[t=0, i=1]")
