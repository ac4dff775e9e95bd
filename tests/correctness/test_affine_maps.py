"""Whole affine schedules by hand: maps, fusions, tiles along hyperplanes, private copies.

Compiled, against the oracle; the code that cutting loops makes is checked in tests/unit.
"""

from __future__ import annotations

import pytest
from harness import programs
from harness import scheduled_programs as more
from harness.agreement import as_c, natively, script
from harness.compiled_c import needs_compiler
from harness.imperfect import PROGRAMS as IMPERFECT
from harness.scratch import PROGRAMS as SCRATCH

from loopstack.ir.program import Program

DIVISION_INSIDE_UPDATE = (
    "distribute S0.k; map S0.k S0.i -> a = k, b = i, c = k; "
    "fuse S0.a S1.k shift=0; fuse S0.b S1.i shift=0; fuse S0.c S1.j shift=0"
)
HALF_STEPS = (
    "distribute S0.t; map S0.t S0.i -> s = 2*t, i = i; map S1.t S1.i -> s = 2*t + 1, i = i; "
    "fuse S0.s S1.s shift=0; fuse S0.i S1.i shift=0"
)
DIAMONDS = f"{HALF_STEPS}; tile S0.s S0.i 4 4 along s + i, s - i -> a, b, s, i"
FRONTS = "wavefront S0.a S0.b -> w; distribute S0.i; vectorize S0.i; vectorize S1.i"
CASES = [
    ("lu", DIVISION_INSIDE_UPDATE),
    ("lu", f"{DIVISION_INSIDE_UPDATE}; parallelize S0.b; distribute S0.c; vectorize S1.c"),
    ("lu", f"{DIVISION_INSIDE_UPDATE}; tile S0.a S0.b S0.c 4 4 8 -> a, b, c, d, e, f; "
     "tile S0.d S0.e S0.f 2 2 4 -> d, e, f, g, h, i; distribute S0.i; vectorize S1.i"),
    ("lu", "map S1.i S1.j -> a = i + j, b = i - j; vectorize S1.b"),
    ("jacobi_1d", HALF_STEPS),
    ("jacobi_1d", f"{DIAMONDS}; {FRONTS}"),
    ("jacobi_1d", f"{DIAMONDS}; tile S0.s S0.i 2 2 along s + i, s - i -> c, d, s, i; {FRONTS}"),
    ("seidel", "tile S.t S.i 3 5 along t + i, t -> a, b, t, i"),
    ("seidel", "tile S.t S.i 3 5 along 2*t + i, t -> a, b, t, i; wavefront S.a S.b -> w"),
    ("substitution", "map S0 -> j = -1; fuse S0.j S1.j shift=0; "
     "map S2 -> j = 100; fuse S0.j S2.j shift=0"),
    ("triangular_product", "map S1 -> k = 40; fuse S0.k S1.k shift=0"),
    ("triangular_product", "map S1 -> k = 40; fuse S0.k S1.k shift=0; interchange S0.i S0.j; "
     "parallelize S0.j; tile S0.j S0.i 3 4 -> a, b, c, d"),
    ("sums_before", "map S.i S.k -> w = i + k, p = k; vectorize S.p"),
    ("sums_before", "map S.i S.k -> w = 2*i, p = 3*k, q = i - k"),
    ("sums_behind", "map S.i S.j S.k -> a = i + j + k, b = i + k, c = k; vectorize S.b"),
    ("sums_behind", "map S.i S.j S.k -> a = k, b = i - k, c = j - k; stage S at S.a in local"),
    ("triangular_terms", "map S.i S.j S.k -> a = i + j, b = j, c = k + i"),
    ("trapezoid", "map S.i S.j -> a = 2*i + 3*j, b = 4*i - j; vectorize S.b"),
    ("trapezoid", "map S.i S.j -> a = -i, b = j - 5; parallelize S.a; vectorize S.b"),
    ("different_ranges", "distribute S1.j; fuse S1.j S2.j shift=1"),
    ("scratch_row", "privatize t at S0.i; parallelize S0.i; vectorize S0.j; vectorize S1.j"),
    ("scratch_row", "privatize t at S0.i; split S0.i 2 -> io, ii; parallelize S0.io"),
    ("reused_scalar", "privatize t at S0.i; parallelize S0.i"),
    ("reused_scalar", "privatize t at S0.j; parallelize S0.j"),
    ("row_sums", "privatize t at S0.i; parallelize S0.i; vectorize S1.j"),
    ("growing_window", "privatize t at S0.i; parallelize S0.i; vectorize S1.j"),
    ("lent_row", "privatize t at S0.i -> u; parallelize S0.i; vectorize S0.j"),
    ("lent_row", "privatize t at S0.i -> u; privatize t at S2.i; parallelize S0.i; "
     "parallelize S2.i"),
    ("carried_row", "parallelize S0.i"),
    ("carried_row", "map S0.i -> a = 3*i, b = i; parallelize S0.a"),
    ("carried_row", "interchange S0.t S0.i; privatize last at S0.i; parallelize S0.i"),
    ("first_value", "parallelize S0.k"),
    ("first_value", "split S0.k 2 -> o, u; parallelize S0.o"),
]  # fmt: skip


def bound(name: str, size: int) -> Program:
    makers = {**IMPERFECT, **SCRATCH, "jacobi_1d": programs.jacobi_1d, "seidel": more.seidel}
    program = makers[name]()
    sizes = {"T": max(size // 2, 1), "N": max(size, 3 if "T" in program.sizes else 1)}
    return program.bind({s: sizes[s] for s in program.sizes})


@pytest.mark.parametrize(("name", "commands"), CASES)
def test_same_as_the_oracle(name: str, commands: str) -> None:
    for size in (1, 3, 8, 17):
        natively(bound(name, size), script(commands), threads=2)


@needs_compiler
@pytest.mark.parametrize(("name", "commands"), CASES)
def test_same_as_c(name: str, commands: str) -> None:
    for size in (2, 9):
        as_c(bound(name, size), script(commands))
