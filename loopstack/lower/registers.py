"""One-element register arrays: the names that scalar replacement gives to elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from loopstack.ir.affine import ZERO
from loopstack.ir.expr import Load
from loopstack.ir.program import Access
from loopstack.lower.nest import NestArray

KEPT_DTYPES = ("f32", "f64", "i32", "i64")


@dataclass
class Registers:
    """Hands out registers for elements of ``arrays``; ``made`` is what was handed out."""

    arrays: Mapping[str, NestArray]
    made: list[NestArray] = field(default_factory=list)

    def can_hold(self, array: str) -> bool:
        known = self.arrays.get(array)  # None: a register of ours
        return known is not None and known.space != "register" and known.dtype in KEPT_DTYPES

    def fresh(self, array: str, purpose: str) -> Load:
        """Return a read of a new register for an element of ``array``."""
        dtype = self.arrays[array].dtype
        name = f"{array}.{purpose}{len(self.made)}"
        self.made.append(NestArray(name, dtype, "register", 1, (1,), (1,)))
        return Load(name, (ZERO,), dtype)


def as_target(register: Load) -> Access:
    return Access(register.array, register.subscripts)
