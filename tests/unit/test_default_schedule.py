"""The default schedule of matrix products, as text, on two fixed machines."""

from __future__ import annotations

import pytest
from harness.golden import Golden

import loopstack as ls
from loopstack.schedule.default import default_schedule
from loopstack.schedule.hardware import Hardware

DESKTOP = Hardware("avx2", 32, 16, 32 << 10, 512 << 10)
SERVER = Hardware("avx512", 64, 32, 48 << 10, 2048 << 10)

SHAPES = {
    "small": (64, 64, 64),
    "cache_blocks": (1024, 1024, 1024),
    "column_blocks": (2048, 4096, 2048),
    "primes": (127, 257, 513),
    "few_rows": (16, 1024, 4096),
    "one_row": (1, 1024, 1024),
    "tall": (4096, 64, 64),
}


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


@pytest.mark.parametrize("hardware", [DESKTOP, SERVER], ids=["desktop", "server"])
@pytest.mark.parametrize("shape", SHAPES)
def test_text(shape: str, hardware: Hardware, golden: Golden) -> None:
    m, n, k = SHAPES[shape]
    bound = matmul.program.bind({"m": m, "n": n, "k": k})
    golden(
        str(default_schedule(bound, hardware.isa, 2, hardware=hardware)), f"{shape}.{hardware.isa}"
    )


@ls.kernel
def chain(A: ls.f32["m k"], B: ls.f32["k n"], D: ls.f32["p n"]) -> ls.f32["m p"]:
    m, n, k, p = ls.indices("m n k p")
    t = ls.named("T", ls.sum(A[m, k] * B[k, n], over=k), dims="m n")
    return ls.named("E", ls.sum(t[m, n] * D[p, n], over=n))


def test_large_products_in_a_row_are_not_fused(golden: Golden) -> None:
    """Each has a nest and buffers of its own; the transposed operand is turned while packed."""
    bound = chain.program.bind({"m": 600, "n": 800, "k": 700, "p": 900})
    golden(str(default_schedule(bound, "avx2", 1, hardware=DESKTOP)), "chain.avx2")


def test_result_rows_of_a_block_stay_within_the_tlb() -> None:
    bound = matmul.program.bind({"m": 4096, "n": 4096, "k": 256})
    text = str(default_schedule(bound, "avx2", 1, hardware=DESKTOP))
    assert "split C.m 48 -> mc, m1" in text
