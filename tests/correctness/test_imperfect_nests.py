"""Triangles, bands and loops that statements share, lowered and compiled, against the oracle."""

from __future__ import annotations

import pytest
from harness.agreement import as_c, natively, script
from harness.compiled_c import needs_compiler
from harness.imperfect import PROGRAMS

SIZES = (1, 2, 3, 8, 17)
SCHEDULES = [
    ("lower_update", "interchange S.j S.k"),
    ("lower_update", "reorder S k j i; vectorize S.i"),
    ("lower_update", "split S.i 3 -> a, b; split S.j 4 -> c, d; reorder S a c k b d; "
     "stage S at S.c in registers; unroll S.b; vectorize S.d"),
    ("lower_update", "split S.k 4 -> a, b; reorder S a i j b; stage S at S.i in local"),
    ("lower_update", "rfactor S.k -> P; parallelize P.i"),
    ("sums_before", "vectorize S.k"),
    ("sums_before", "interchange S.i S.k"),
    ("sums_before", "interchange S.i S.k; vectorize S.i"),
    ("sums_before", "split S.k 3 -> a, b; reorder S a i b"),
    ("sums_before", "split S.k 3 -> a, b; reorder S a i b; stage S at S.i in registers"),
    ("sums_before", "split S.i 4 -> a, b; split S.k 3 -> c, d; reorder S c a b d; "
     "stage S at S.b in registers; vectorize S.d; parallelize S.a"),
    ("sums_before", "split S.i 4 -> a, b; reorder S a k b; stage S at S.a in registers; "
     "vectorize S.b"),
    ("sums_before", "rfactor S.k -> P"),
    ("sums_before", "split S.k 2 -> a, b; rfactor S.a -> P; vectorize P.b"),
    ("sums_behind", "reorder S k i j; vectorize S.j"),
    ("sums_behind", "split S.k 4 -> a, b; reorder S a i b j; stage S at S.i in local"),
    ("sums_behind", "split S.i 3 -> a, b; split S.j 8 -> c, d; reorder S a c k b d; "
     "stage S at S.c in registers; unroll S.b; vectorize S.d"),
    ("sums_behind", "reorder S i k j; pack B at S.k as Bp[j]"),
    ("triangular_terms", "reorder S j i k"),
    ("triangular_terms", "reorder S j k i; vectorize S.i"),
    ("triangular_terms", "reorder S j i k; stage S at S.i in registers"),
    ("triangular_terms", "split S.j 3 -> a, b; reorder S a i b k; stage S at S.i in registers"),
    ("triangular_terms", "rfactor S.j -> P; parallelize P.j"),
    ("substitution", "split S1.j 4 -> a, b tail=peel; unroll S1.b"),
    ("triangular_product", "vectorize S0.k"),
    ("triangular_product", "distribute S0.j; interchange S0.j S0.k; vectorize S0.j; "
     "vectorize S1.j"),
    ("triangular_product", "interchange S0.i S0.j; parallelize S0.j"),
    ("trapezoid", "interchange S.i S.j"),
    ("trapezoid", "tile S.i S.j 3 4 -> a, b, c, d; vectorize S.d"),
    ("trapezoid", "split S.j 8 -> a, b tail=peel; vectorize S.b; parallelize S.i"),
    ("different_ranges", "split S0.i 4 -> a, b"),
    ("different_ranges", "distribute S1.j; parallelize S2.j"),
    ("different_ranges", "distribute S0.i; vectorize S1.i"),
    ("carried_row", "split S0.i 3 -> a, b"),
    ("carried_row", "interchange S0.t S0.i"),
    ("carried_row", "interchange S0.t S0.i; vectorize S0.i"),
    ("sheared_rows", "fuse S0.i S1.i; parallelize S0.i"),
    ("sheared_rows", "fuse S0.i S1.i; vectorize S0.j; vectorize S1.j"),
    ("never", "pack x at S0.root as xp[j]"),
    ("never", "split S0.i 2 -> a, b; vectorize S0.j"),
    ("lu", "interchange S1.i S1.j; vectorize S1.i"),
    ("lu", "tile S1.i S1.j 3 4 -> a, b, c, d; vectorize S1.d; parallelize S1.a"),
]  # fmt: skip


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_in_their_own_order(name: str) -> None:
    for size in SIZES:
        natively(PROGRAMS[name]().bind({"N": size}), script(""))


@needs_compiler
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_in_their_own_order_as_c(name: str) -> None:
    for size in (1, 2, 7):
        as_c(PROGRAMS[name]().bind({"N": size}), script(""))


@pytest.mark.parametrize(("name", "commands"), SCHEDULES)
def test_scheduled(name: str, commands: str) -> None:
    for size in SIZES:
        natively(PROGRAMS[name]().bind({"N": size}), script(commands), threads=2)


@needs_compiler
@pytest.mark.parametrize(("name", "commands"), SCHEDULES)
def test_scheduled_as_c(name: str, commands: str) -> None:
    for size in (2, 9):
        as_c(PROGRAMS[name]().bind({"N": size}), script(commands))
