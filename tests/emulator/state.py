"""Registers and flags of one thread."""

from __future__ import annotations

import numpy as np

MASK64 = (1 << 64) - 1
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 = range(9)
CALLEE_SAVED = (RBX, RSP, RBP, 12, 13, 14, 15)


class State:
    """``gpr``: unsigned 64-bit; ``zmm``: bytes, 32 rows of 64; ``k``: unsigned 64-bit."""

    def __init__(self) -> None:
        self.gpr = [0] * 16
        self.zmm = np.zeros((32, 64), np.uint8)
        self.k = [0] * 8
        self.zf = self.sf = self.cf = self.of = self.pf = 0

    def scramble_volatile(self, seed: int) -> None:
        """Overwrite everything that a call may clobber, with recognisable nonsense."""
        for n in range(16):
            if n not in CALLEE_SAVED:
                self.gpr[n] = (0xBAD0_BAD0_BAD0_0000 + 257 * n + seed) & MASK64
        self.zmm[:] = 0xA5
        self.k = [0x5A5A_5A5A_5A5A_5A5A] * 8
        self.zf = self.sf = self.cf = self.of = self.pf = seed & 1

    def saved_registers(self) -> tuple[int, ...]:
        return tuple(self.gpr[n] for n in CALLEE_SAVED)

    def set_result_flags(self, result: int, bits: int) -> None:
        """Set ZF, SF and PF from a result of ``bits`` bits."""
        self.zf = int(result == 0)
        self.sf = result >> (bits - 1)
        self.pf = 1 - (result & 0xFF).bit_count() % 2

    def condition(self, code: str) -> bool:
        """Evaluate a condition suffix: ``e``, ``ne``, ``l``, ..."""
        return bool(CONDITIONS[code](self))


CONDITIONS = {
    "e": lambda s: s.zf,
    "ne": lambda s: not s.zf,
    "l": lambda s: s.sf != s.of,
    "ge": lambda s: s.sf == s.of,
    "le": lambda s: s.zf or s.sf != s.of,
    "g": lambda s: not s.zf and s.sf == s.of,
    "b": lambda s: s.cf,
    "ae": lambda s: not s.cf,
    "be": lambda s: s.cf or s.zf,
    "a": lambda s: not s.cf and not s.zf,
    "s": lambda s: s.sf,
    "ns": lambda s: not s.sf,
    "p": lambda s: s.pf,
    "np": lambda s: not s.pf,
}
