"""The instruction sets this CPU and operating system can run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from loopstack import _loopnest, knobs
from loopstack.errors import UnsupportedTarget
from loopstack.machine.vector_target import TARGETS

VECTOR_BITS = {isa: 8 * target.bytes for isa, target in TARGETS.items()}
"""Every instruction set code can be generated for, and its vector width."""


@dataclass(frozen=True)
class Features:
    """``isas``: the usable ones of VECTOR_BITS, narrowest first; ``flags``: as CPUID names them."""

    brand: str
    isas: tuple[str, ...]
    flags: frozenset[str]

    @property
    def vector_bits(self) -> int:
        """Width of the widest usable vectors (0 when there are none)."""
        return VECTOR_BITS[self.isas[-1]] if self.isas else 0

    def best(self) -> str:
        """Return the widest usable instruction set; raises UnsupportedTarget without any."""
        if not self.isas:
            raise UnsupportedTarget(
                f"this CPU ({self.brand}) has no instruction set that LoopStack generates code "
                f"for: expected one of {', '.join(VECTOR_BITS)}"
            )
        return self.isas[-1]


@cache
def detect() -> Features:
    """Return the features of the CPU this process runs on."""
    found = _loopnest.cpu_features()
    usable = tuple(isa for isa in VECTOR_BITS if isa in found["isas"])
    return Features(found["brand"], usable, frozenset(found["flags"]))


def check_isa(isa: str) -> None:
    """Raise UnsupportedTarget unless code can be generated for ``isa``, on any machine."""
    if isa not in VECTOR_BITS:
        raise UnsupportedTarget(
            f"unknown instruction set {isa!r}: expected one of {', '.join(VECTOR_BITS)}"
        )


def target_isa(isa: str | None = None) -> str:
    """Return the instruction set to generate for: ``isa``, else the knob, else the widest here.

    The machine need not be able to run it. Raises UnsupportedTarget for an unknown name.
    """
    chosen = isa if isa is not None else knobs.ISA.value()
    if chosen is None:
        return detect().best()
    check_isa(chosen)
    return chosen


def runnable_isa(isa: str | None = None) -> str:
    """Return :func:`target_isa`; raises UnsupportedTarget when this CPU cannot run it."""
    chosen, here = target_isa(isa), detect()
    if chosen not in here.isas:
        raise UnsupportedTarget(
            f"this CPU ({here.brand}) cannot run {chosen} code: "
            f"it has {', '.join(here.isas) or 'none of ' + ', '.join(VECTOR_BITS)}"
        )
    return chosen
