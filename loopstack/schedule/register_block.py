"""Choose the register block of a contraction by counting cycles.

One step of the reduction on a block of ``rows`` x ``vectors`` registers costs, on a core with two
FMA units of latency 4 and two loads a cycle, the largest of

    rows * vectors / 2          FMAs
    (rows + vectors) / 2        loads (one broadcast a row, one vector a column)
    4                           the chain from one step to the next

The block with the least cost over the whole matrix, remainders included, wins (the model of
Low et al., "Analytical Modeling Is Enough for High-Performance BLIS", 2016, section 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass

FMA_PER_CYCLE = 2
LOADS_PER_CYCLE = 2
FMA_LATENCY_CYCLES = 4
MAX_ROWS = 14
MAX_VECTORS = 8
LOAD_PRESSURE = 0.1
"""Share of a cycle that each load costs even when FMAs hide it; a vector counts twice, as it comes
from a wider panel than a broadcast does."""
STORE_STEPS = 6
"""What reading and writing back one accumulator costs, in FMA slots."""


@dataclass(frozen=True)
class RegisterBlock:
    """``rows`` x ``vectors`` accumulators; ``vectors`` counts native registers."""

    rows: int
    vectors: int


def step_cycles(rows: int, vectors: int) -> float:
    """Return cycles for one reduction step of one block."""
    fma = rows * vectors / FMA_PER_CYCLE
    load = (rows + vectors) / LOADS_PER_CYCLE
    pressure = LOAD_PRESSURE * (rows + 2 * vectors)
    return max(fma, load, FMA_LATENCY_CYCLES) + pressure


def matrix_cycles(block: RegisterBlock, rows: int, columns: int, depth: int, lanes: int) -> float:
    """Return cycles for ``rows`` x ``columns`` results of ``depth`` steps each."""

    def spans(extent: int, step: int) -> list[tuple[int, int]]:
        full, rest = divmod(extent, step)
        return [(step, full)] * bool(full) + [(rest, 1)] * bool(rest)

    vectors = -(-columns // lanes)
    total = 0.0
    for r, times_r in spans(rows, block.rows):
        for v, times_v in spans(vectors, block.vectors):
            total += times_r * times_v * (depth * step_cycles(r, v) + STORE_STEPS * r * v / 2)
    return total


def choose_block(rows: int, columns: int, depth: int, lanes: int, registers: int) -> RegisterBlock:
    """Return the cheapest block that fits ``registers`` native vector registers."""
    candidates = [
        RegisterBlock(r, v)
        for v in range(1, MAX_VECTORS + 1)
        for r in range(1, MAX_ROWS + 1)
        if r * v + v + 1 <= registers and r <= rows and (v - 1) * lanes < max(columns, 1)
    ]
    return min(
        candidates or [RegisterBlock(1, 1)],
        key=lambda b: (
            matrix_cycles(b, rows, columns, depth, lanes),
            -b.rows * b.vectors,
            b.vectors,
        ),
    )
