"""The few facts about a vector instruction set that shape loops (not code)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VectorTarget:
    """Native vector width in bytes and the number of vector registers."""

    isa: str
    bytes: int
    registers: int


TARGETS = {
    "avx2": VectorTarget("avx2", 32, 16),
    "avx512": VectorTarget("avx512", 64, 32),
    "neon": VectorTarget("neon", 16, 32),
    "neon_fp16": VectorTarget("neon_fp16", 16, 32),
}
