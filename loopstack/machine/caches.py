"""Cache sizes of this machine, in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from loopstack import _loopnest

Level = Literal["L1", "L2", "L3", "memory"]


@dataclass(frozen=True)
class Caches:
    """Sizes of one instance of each level (L1: data); 0 where the machine has none."""

    l1_bytes: int
    l2_bytes: int
    l3_bytes: int
    line_bytes: int

    def working_set_bytes(self, level: Level) -> int:
        """Return a size that lives in ``level``: half the cache, or four last-level caches."""
        if level == "memory":
            return max(4 * max(self.l3_bytes, self.l2_bytes), 64 << 20)
        sizes = {"L1": self.l1_bytes, "L2": self.l2_bytes, "L3": self.l3_bytes}
        return sizes[level] // 2


@cache
def caches() -> Caches:
    """Return the caches seen by one core of this machine."""
    return Caches(**_loopnest.caches())
