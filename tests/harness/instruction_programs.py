"""Small programs around one instruction: load every register, run it, store every register.

The block the program works on (argument 0), in bytes:

    0    sixteen ymm registers
    512  sixteen general registers (rsp is not loaded; rbx is set to SCRATCH)
    640  flags, one byte per condition of FLAGS
    704  scratch memory, MIDDLE is where rbx points
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from loopstack import _loopnest

BLOCK_BYTES = 1024
GPR_AT, FLAGS_AT, MIDDLE = 512, 640, 832
FLAGS = ("e", "b", "l", "p")
RAX, RCX, RBX, RSP, RDI = 0, 1, 3, 4, 7
SAVED = (3, 5, 12, 13, 14, 15)

Operand = tuple[str, Any]


def at(base: int, displacement: int = 0, **more: Any) -> Operand:
    return ("mem", {"base": base, "disp": displacement, **more})


def program(snippet: list[bytes]) -> bytes:
    """Return the machine code that runs ``snippet`` on a block."""
    return b"".join([_prologue(), *snippet, _epilogue()])


@cache
def _prologue() -> bytes:
    emit = _loopnest.encode
    code = [emit("push", [("r64", n)]) for n in SAVED]
    code += [emit("mov", [("r64", RAX), at(RDI)]), emit("mov", [("r64", RAX), at(RAX)])]
    code += [emit("push", [("r64", RAX)])]
    code += [emit("vmovups", [("ymm", n), at(RAX, 32 * n)]) for n in range(16)]
    code += [emit("lea", [("r64", RBX), at(RAX, MIDDLE)])]
    others = [n for n in range(15, -1, -1) if n not in (RSP, RBX)]  # rax last
    code += [emit("mov", [("r64", n), at(RAX, GPR_AT + 8 * n)]) for n in others]
    return b"".join(code)


@cache
def _epilogue() -> bytes:
    emit = _loopnest.encode
    code = [emit("mov", [at(RSP, -16), ("r64", RAX)]), emit("mov", [("r64", RAX), at(RSP)])]
    others = [n for n in range(16) if n not in (RAX, RSP)]
    code += [emit("mov", [at(RAX, GPR_AT + 8 * n), ("r64", n)]) for n in others]
    for i, condition in enumerate(FLAGS):
        code += [emit(f"set{condition}", [("r32", RCX)])]
        code += [emit("mov8", [at(RAX, FLAGS_AT + i), ("r32", RCX)])]
    code += [emit("mov", [("r64", RCX), at(RSP, -16)])]
    code += [emit("mov", [at(RAX, GPR_AT), ("r64", RCX)])]
    code += [emit("vmovups", [at(RAX, 32 * n), ("ymm", n)]) for n in range(16)]
    code += [emit("pop", [("r64", RAX)])]
    code += [emit("pop", [("r64", n)]) for n in reversed(SAVED)]
    return b"".join([*code, emit("vzeroupper", []), emit("ret", [])])


def random_block(rng: np.random.Generator) -> np.ndarray:
    """Return a block aligned to 64 bytes: numbers of all sizes, zeros, infinities, NaN."""
    raw = np.zeros(BLOCK_BYTES + 64, np.uint8)
    block = raw[-raw.ctypes.data % 64 :][:BLOCK_BYTES]
    fill = [_floats(rng, np.float32), _floats(rng, np.float64), _bits(rng)][int(rng.integers(3))]
    block[:GPR_AT] = fill[:GPR_AT]
    block[FLAGS_AT + 64 :] = fill[FLAGS_AT + 64 :]
    registers = block[GPR_AT:FLAGS_AT].view(np.int64)
    registers[:] = rng.integers(-(2**62), 2**62, 16) >> rng.integers(0, 62, 16)
    registers[9] = rng.integers(-4, 4)
    return block


def _floats(rng: np.random.Generator, dtype: Any) -> np.ndarray:
    count = BLOCK_BYTES // np.dtype(dtype).itemsize
    values = rng.normal(size=count) * 2.0 ** rng.integers(-20, 60, count)
    values = np.where(rng.random(count) < 0.3, np.round(rng.normal(size=count) * 4), values)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-42, -3e38, 0.5, 1.5, 2.5, -2.5])
    chosen = np.where(rng.random(count) < 0.15, rng.choice(special, count), values)
    return chosen.astype(dtype).view(np.uint8)


def _bits(rng: np.random.Generator) -> np.ndarray:
    words = rng.integers(-(2**63), 2**63 - 1, BLOCK_BYTES // 8) >> rng.integers(0, 63, 128)
    return words.view(np.uint8)
