"""Schedules that once failed: crashed, were refused by the code generator, or computed wrongly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness import programs
from harness import scheduled_programs as more
from harness.agreement import as_c, natively, script
from harness.compiled_c import needs_compiler
from harness.imperfect import PROGRAMS as IMPERFECT
from harness.programs import access, array, box, forms, load, op

from loopstack.errors import ArgumentError, IllegalSchedule
from loopstack.ir.program import Program, Reduction, Statement
from loopstack.schedule.script import check


def squares() -> Program:
    """One element read twice in one expression."""
    product = op("mul", load("x", "i j"), load("x", "i j"))
    s = Statement("y", ("i", "j"), box(i="i", j="j"), access("y", "i"), product, Reduction("sum"))
    return Program(
        "squares", ("i", "j"), (array("x", "i j", "input"), array("y", "i", "output")), (s,)
    )


def squared_in_place() -> Program:
    product = op("mul", load("x", "i"), load("x", "i"))
    s = Statement("S", ("i",), box(i="n"), access("x", "i"), product)
    return Program("squared_in_place", ("n",), (array("x", "n", "inout"),), (s,))


def two_sums() -> Program:
    """Two reductions over rows, of which one has fewer."""
    statements = tuple(
        Statement(out, ("i", "j"), box(i=rows, j="n"), access(out, "i"), load(x, "i j"),
                  Reduction("sum"), (number, 0, 0))
        for number, (out, x, rows) in enumerate((("a", "x", "m"), ("b", "y", "n")))
    )  # fmt: skip
    arrays = (
        array("x", "m n", "input"), array("y", "n n", "input"), array("a", "m", "output"),
        array("b", "n", "output"),
    )  # fmt: skip
    return Program("two_sums", ("m", "n"), arrays, statements)


def folded(axes: str) -> Program:
    """S[i] adds up x over the other axes, walked in the order of ``axes``."""
    s = Statement(
        "S", tuple(axes), box(**{i: i for i in axes}), access("S", "i"), load("x", "i j k"),
        Reduction("sum"),
    )  # fmt: skip
    return Program(
        "folded", ("i", "j", "k"), (array("x", "i j k", "input"), array("S", "i", "output")), (s,)
    )


def kept_elements() -> Program:
    """t is written at two distances; most of what y reads was written some iterations before."""
    statements = (
        Statement(
            "S0", ("i",), forms("i $n-1-i"), access("t", "i+9"), load("x", "i"), None, (0, 0)
        ),
        Statement("S1", ("i",), forms("i 2-i"), access("t", "i"), load("x", "i"), None, (1, 0)),
        Statement(
            "y", ("i",), forms("i-4 $n-1-i"), access("y", "i"), load("t", "i+5"), None, (2, 0)
        ),
    )  # fmt: skip
    arrays = (array("x", "n", "input"), array("y", "n", "inout"), array("t", "w", "temporary"))
    return Program("kept_elements", ("n", "w"), arrays, statements)


def old_values() -> Program:
    """What C held is used before C becomes a sum; its terms for i start at k = i."""
    statements = (
        Statement("y", ("i",), box(i="n"), access("y", "i"), load("C", "i"), None, (0, 0)),
        Statement(
            "C", ("k", "i"), forms("k $n-1-k i $n-1-i k-i"), access("C", "i"), load("x", "i k"),
            Reduction("sum"), (1, 0, 0),
        ),
    )  # fmt: skip
    arrays = (array("x", "n n", "input"), array("C", "n", "inout"), array("y", "n", "output"))
    return Program("old_values", ("n",), arrays, statements)


def more_sums() -> Program:
    """A sum, and a copy of it."""
    statements = (
        Statement("S", ("i", "j"), box(i="i", j="n"), access("S", "i"), load("x", "i j"),
                  Reduction("sum"), (0, 0, 0)),
        Statement("T", ("i",), box(i="i"), access("T", "i"), load("S", "i"), None, (1, 0)),
    )  # fmt: skip
    arrays = (array("x", "i n", "input"), array("T", "i", "output"), array("S", "i", "temporary"))
    return Program("more_sums", ("i", "n"), arrays, statements)


def copied() -> Program:
    statements = (
        Statement("t", ("i",), box(i="n"), access("t", "i"), load("x", "i"), None, (0, 0)),
        Statement("y", ("i",), box(i="n"), access("y", "i"), load("t", "i"), None, (1, 0)),
    )
    arrays = (array("x", "n", "input"), array("y", "n", "output"), array("t", "n", "temporary"))
    return Program("copied", ("n",), arrays, statements)


def triangle(name: str) -> Callable[[], Program]:
    return IMPERFECT[name]


Case = tuple[Callable[[], Program], dict[str, int], str]
RIGHT: dict[str, Case] = {
    # A buffer starts anew in each iteration of its loop: that loop is no reduction loop.
    "sum computed where it is read": (
        programs.softmax, {"i": 3, "j": 5}, "compute_at total out.i"),
    "sum computed below an interchange": (
        programs.softmax, {"i": 3, "j": 5}, "interchange e.i e.j; compute_at most e.i"),
    "partial sums computed where they are added": (
        programs.scaled_sum, {"n": 17},
        "split out.i 8 -> a, b; rfactor out.a -> P; compute_at P out.a"),
    "partial sums of a product computed below it": (
        programs.matmul, {"m": 3, "n": 3, "k": 17},
        "split C.k 8 -> a, b; rfactor C.a -> P; reorder C a m n; compute_at P C.a"),
    "stage outside of the buffer's loop": (
        programs.softmax, {"i": 3, "j": 5},
        "split e.i 2 -> a, b; compute_at most e.b; stage most at e.a in registers"),
    # rfactor.
    "rfactor with a remainder": (
        programs.matmul, {"m": 3, "n": 4, "k": 17}, "split C.k 8 -> a, b; rfactor C.a -> P"),
    "rfactor with a remainder inside": (
        programs.matmul, {"m": 3, "n": 4, "k": 17},
        "split C.k 8 -> a, b; rfactor C.b -> P; vectorize P.b"),
    "rfactor with a remainder, unrolled": (
        programs.matmul, {"m": 3, "n": 4, "k": 17},
        "split C.k 8 -> a, b; rfactor C.a -> P; unroll P.b"),
    "rfactor to rank 0": (
        programs.scaled_sum, {"n": 17}, "split out.i 8 -> a, b; rfactor out.a -> P; vectorize P.b"),
    "rfactor of an empty triangle": (
        triangle("triangular_terms"), {"N": 1}, "split S.i 1 -> a, b; rfactor S.j -> P"),
    # Prefetches have loops without a statement.
    "prefetch in a loop of one iteration": (
        programs.pad_then_exp, {"n": 6}, "split S0.i 1 -> a, b; prefetch p at S0.a"),
    "distribute beside a prefetch": (
        programs.pad_then_exp, {"n": 9},
        "split S0.i 4 -> a, b; split S1.i 4 -> c, d; fuse S0.a S1.c shift=0; prefetch p at S0.a; "
        "distribute S0.a"),
    # A pack of an element read twice.
    "pack of a square": (squares, {"i": 3, "j": 5}, "pack x at y.i as xp[j]"),
    "pack of a square, shared": (
        squares, {"i": 3, "j": 5},
        "pack x at root as xp[j, i]; interchange xp.j xp.i; fuse xp.i y.i"),
    "pack of a square in place": (
        squared_in_place, {"n": 5}, "split S.i 2 -> a, b; pack x at S.a as xp[b]"),
    "pack for a loop that never runs": (triangle("never"), {"N": 3}, "pack x at S0.root as xp[j]"),
    # What accumulators hold, and where they are stored.
    "two sums in one loop": (two_sums, {"m": 3, "n": 8}, "fuse a.i b.i shift=0"),
    "two sums in one loop, later": (
        two_sums, {"m": 3, "n": 8}, "fuse a.i b.i shift=1; vectorize a.j; vectorize b.j"),
    "two sums in two shared loops": (
        two_sums, {"m": 3, "n": 8}, "fuse a.i b.i shift=0; fuse a.j b.j"),
    "loaded accumulators of a partial tile": (
        more.ordered_sum, {"m": 3, "n": 5, "k": 6},
        "split C.n 4 -> a, b; split C.k 4 -> c, d; reorder C m a c d b; "
        "stage C at C.c in registers; "
        "vectorize C.b"),
    "accumulators at the innermost loop": (programs.scaled_sum, {"n": 1},
        "stage out at out.i in registers"),
    "lanes folded in memory": (lambda: folded("ijk"), {"i": 3, "j": 2, "k": 17},
                               "vectorize S.k; stage S at S.i in local"),
    "lanes outside of their fold": (lambda: folded("kij"), {"i": 1, "j": 1, "k": 17},
        "vectorize S.k"),
    "lanes inside lanes": (lambda: folded("ijk"), {"i": 9, "j": 5, "k": 3},
        "vectorize S.i; vectorize S.j"),
    "lanes inside lanes that do not start at 0": (
        triangle("triangular_terms"), {"N": 3}, "vectorize S.j; vectorize S.k"),
    "a lane that an outer loop selects": (
        triangle("lower_update"), {"N": 2},
        "map S.i -> a = 0, b = 0, c = i; map S.j S.k -> d = k, e = j, f = j; vectorize S.f"),
    "a lane of several registers that an outer loop selects": (
        triangle("lower_update"), {"N": 17},
        "map S.i -> a = 0, b = 0, c = i; map S.j S.k -> d = k, e = j, f = j; vectorize S.f"),
    "a fold whose loops run once": (
        triangle("lower_update"), {"N": 1}, "vectorize S.i; shift S.i 0; vectorize S.k"),
    "a partial sum read between its terms": (
        triangle("running_sum"), {"N": 9}, "split S0.i 4 -> a, b"),
    "a parallel loop of one iteration over the terms": (
        programs.scaled_sum, {"n": 17}, "split out.i 64 -> a, b; parallelize out.a"),
    # Where temporaries live.
    "a temporary between lanes": (copied, {"n": 19}, "fuse t.i y.i; vectorize t.i"),
    "a temporary between threads": (
        triangle("sheared_rows"), {"N": 5}, "fuse S0.i S1.i; parallelize S0.i"),
    "a temporary that iterations hand on": (triangle("carried_row"), {"N": 5}, ""),
    "elements that outlive an iteration": (
        kept_elements, {"n": 12, "w": 21}, "fuse S0.i S1.i shift=0; fuse S0.i y.i shift=0"),
}  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("title", RIGHT)
def test_lowered_as_c(title: str) -> None:
    make, sizes, commands = RIGHT[title]
    as_c(make().bind(sizes), script(commands))


@pytest.mark.parametrize("title", RIGHT)
def test_compiled(title: str) -> None:
    make, sizes, commands = RIGHT[title]
    natively(make().bind(sizes), script(commands), threads=2)


EARLY = (
    "anti dependence: y[i=0] reads C[0] before start of C[i=0] writes it, but the schedule runs "
    "start of C[i=0] first"
)
ILLEGAL: dict[str, tuple[Case, str]] = {
    # All results get their first value ahead of the loop, also those whose terms come later.
    "first values ahead of a use of the old ones": (
        (old_values, {"n": 3}, "fuse y.i C.k"), f"line 2: fuse y.i C.k\n  {EARLY}"),
    "a copy of a sum of nothing, ahead of it": (
        (more_sums, {"i": 1, "n": 0}, "pack S at T.root as P[i]"),
        "line 2: pack S at T.root as P[i]\n  flow dependence: start of S[i=0] writes S[0] before "
        "T[i=0] reads it, but pack P reads it earlier"),
}  # fmt: skip


@pytest.mark.parametrize("title", ILLEGAL)
def test_illegal(title: str) -> None:
    (make, sizes, commands), message = ILLEGAL[title]
    with pytest.raises(IllegalSchedule) as refused:
        check(script(commands), make().bind(sizes))
    assert str(refused.value) == message


REFUSED: dict[str, tuple[Case, str]] = {
    "join of results and terms": (
        (programs.matmul, {"m": 2, "n": 3, "k": 4}, "join C.n C.k -> j"),
        "line 2: join C.n C.k -> j\n  loop C.j would run over results of C and over its reduction "
        "index k at once: join loops of one kind only"),
    "join of a loop that never runs": (
        (programs.softmax, {"i": 3, "j": 0}, "join out.i out.j -> f"),
        "line 2: join out.i out.j -> f\n  join needs a loop inside that runs, but out.j has no "
        "iterations"),
}  # fmt: skip


@pytest.mark.parametrize("title", REFUSED)
def test_refused_when_the_schedule_is_checked(title: str) -> None:
    (make, sizes, commands), message = REFUSED[title]
    with pytest.raises(ArgumentError) as refused:
        check(script(commands), make().bind(sizes))
    assert str(refused.value) == message
