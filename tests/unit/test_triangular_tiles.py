"""Tiles of triangles: bounds that outer loops imply, and updates that run on full tiles."""

from __future__ import annotations

import numpy as np
import pytest
from harness.golden import Golden

import loopstack as ls
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Loop
from loopstack.lower.bounds import Bounds
from loopstack.lower.implied import surely_nonnegative, tightest
from loopstack.lower.loops_text import loops_text
from loopstack.schedule.script import Schedule, build


def const(value: int) -> Affine:
    return Affine((), value)


@ls.affine(reassociate=True)
def rank_2k_update(N: ls.size, M: ls.size, A: ls.f64["N M"], B: ls.f64["N M"], C: ls.f64["N N"]):
    for i in range(N):
        for j in range(i + 1):
            for k in range(M):
                C[i, j] += A[j, k] * B[i, k] + B[j, k] * A[i, k]


TILED = """schedule 1
split S0.j 8 -> nr, nv tail=mask
split S0.i 6 -> mr, mv tail=peel
reorder S0 nr mr k mv nv
pack A at S0.nr as Bp[k, nv]
pack B at S0.nr as Bp2[k, nv]
pack B at S0.mr as Ap[k, mv]
pack A at S0.mr as Ap2[k, mv]
unroll_and_jam S0.mv
vectorize S0.nv
"""


def test_full_tiles_in_registers(golden: Golden) -> None:
    """The updates of both products know no triangle; the stores do."""
    program = rank_2k_update.program.bind({"N": 24, "M": 5})
    tree = build(Schedule.parse(TILED.replace("S0", program.statements[0].name)), program)
    golden(loops_text(tree, "avx2"), "triangular_tiles.loops")


@pytest.mark.parametrize("size", [1, 7, 24, 29])
def test_beyond_the_triangle_nothing_changes(size: int) -> None:
    """What full tiles compute too much is not stored, infinities and NaNs included."""
    rng = np.random.default_rng(size)
    a, b = (rng.standard_normal((size, 5)) for _ in range(2))
    a[size - 1] = np.inf
    c = rng.standard_normal((size, size))
    with np.errstate(invalid="ignore"):
        right = c + np.tril(b @ a.T + a @ b.T)
    right[np.triu_indices(size, 1)] = c[np.triu_indices(size, 1)]
    kernel = rank_2k_update.specialize(N=size, M=5)
    name = kernel.program.statements[0].name
    kernel.with_schedule(TILED.replace("S0", name))(a, b, c)
    np.testing.assert_allclose(c, right, rtol=1e-12)


# ---- bounds -------------------------------------------------------------------------------------
KB, JO = form_of("kb"), form_of("jo")
PATH = (
    (Loop("kb", ()), Bounds((const(0),), (const(32),))),
    (Loop("jo", ()), Bounds((KB * 2 + 2,), (const(63),))),
)
RANGES = {"kb": (0, 31), "jo": (2, 62)}


def test_a_bound_of_an_inner_loop_decides() -> None:
    form = JO * 32 - KB * 64 - 64
    assert surely_nonnegative(form, PATH, RANGES)
    assert not surely_nonnegative(form - 1, PATH, RANGES)


def test_floors_take_their_worst_value() -> None:
    half = (JO + 1) // 2  # at least kb + 1
    assert surely_nonnegative(half - KB, PATH, RANGES)
    assert not surely_nonnegative(half - KB - 2, PATH, RANGES)


def test_implied_bounds_are_dropped() -> None:
    bounds = Bounds((const(0), KB * 64 - JO * 32 + 64), (const(32), JO * -32 + 2000))
    assert tightest(bounds, PATH, RANGES) == Bounds((const(0),), (const(32), JO * -32 + 2000))


def test_of_equal_bounds_one_stays() -> None:
    bounds = Bounds((KB, KB), (const(9),))
    assert len(tightest(bounds, PATH, RANGES).lowers) == 1
