"""Blocked matrix products whose blocks do not divide each other, compiled, against NumPy.

Small integers: every sum is exact, however it is regrouped.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from harness.agreement import natively, script
from harness.inputs import inputs, small_integers

import loopstack as ls
from loopstack.kernel import Kernel


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


def packed(mc: int, mr: int, nc: int, nr: int, kc: int, tails: tuple[str, str]) -> str:
    """Return a script with two levels of blocks, both operands packed, registers staged."""
    return f"""schedule 1
split C.k {kc} -> kc, ki
split C.m {mc} -> mc, m1
split C.n {nc} -> nc, n1
split C.m1 {mr} -> mr, mv tail={tails[0]}
split C.n1 {nr} -> nr, nv tail={tails[1]}
reorder C nc kc mc nr mr ki mv nv
pack B at C.kc as Bp[nr, ki, nv] pad=0 align=64
vectorize Bp.nv
pack A at C.mc as Ap[mr, mv, ki] pad=0 align=64
vectorize Ap.ki
split C.ki 4 -> ki, ku tail=peel
unroll C.ku
stage C at C.mr in registers
unroll_and_jam C.mv
vectorize C.nv
"""


def assert_exact(kernel: Kernel) -> None:
    data = inputs(kernel.program, small_integers)
    np.testing.assert_array_equal(kernel(*data.values()), data["A"] @ data["B"], kernel.nest)


TAILS = list(itertools.product(("peel", "mask"), repeat=2))
SIZES = [(128, 128, 128), (127, 257, 513), (23, 17, 5), (1, 1, 1)]
BLOCKS = [(24, 5, 48, 16), (7, 3, 20, 8), (60, 6, 100, 16), (13, 4, 33, 12), (5, 6, 9, 16)]


@pytest.mark.parametrize("tails", TAILS)
@pytest.mark.parametrize("blocks", BLOCKS)
def test_blocks_that_do_not_divide_each_other(blocks, tails):
    for m, n, k in SIZES:
        kernel = matmul.specialize(m=m, n=n, k=k).with_schedule(packed(*blocks, 100, tails))
        assert_exact(kernel)


@pytest.mark.parametrize("threads", [1, 2])
def test_three_levels(threads):
    lines = (
        "split C.m 50 -> m0, m1; split C.m1 7 -> m2, m3 tail=peel; split C.m3 3 -> m4, m5; "
        "split C.n 33 -> n0, n1; split C.n1 12 -> n2, n3 tail=mask; "
        "reorder C m0 n0 m2 n2 m4 k m5 n3; unroll C.m5; vectorize C.n3; parallelize C.m0"
    )
    for m, n, k in SIZES:
        kernel = matmul.specialize(m=m, n=n, k=k)
        natively(kernel.program, script(lines), threads)


def test_a_test_that_fails_once_unrolled():
    """``k0 == 0 && k1 == 0`` with k1 unrolled: where k1 is 1, k0 must not be looked at."""
    lines = (
        "split C.m 4 -> m0, m1; split C.m1 3 -> m2, m3; split C.n 20 -> n0, n1; "
        "split C.k 3 -> k0, k1; reorder C k0 n0 m0 m2 k1 m3 n1; unroll C.k1; unroll C.m3; "
        "vectorize C.n1; stage C at C.k1 in registers"
    )
    natively(matmul.specialize(m=5, n=24, k=31).program, script(lines))
