"""Which limit a kernel runs into: arithmetic, or the bandwidth of one memory level.

The limits are measured on this machine (loopstack.machine.peaks). Traffic is the compulsory one:
every argument once. The level it comes from is the smallest one that holds all arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loopstack.ir.program import Program
from loopstack.measure.timer import Timing, format_ns
from loopstack.measure.work import byte_count, flop_count

Level = Literal["L1", "L2", "L3", "memory"]


@dataclass(frozen=True)
class Roofline:
    """Times in nanoseconds that the arithmetic and the traffic of one run take at the least."""

    flops: float
    size_bytes: int
    level: Level
    peak_gflops: float
    bandwidth_gb_s: float
    time_ns: float

    @property
    def compute_ns(self) -> float:
        return self.flops / self.peak_gflops if self.peak_gflops else 0.0

    @property
    def memory_ns(self) -> float:
        return self.size_bytes / self.bandwidth_gb_s if self.bandwidth_gb_s else 0.0

    @property
    def binding(self) -> str:
        """``compute``, or the memory level."""
        return "compute" if self.compute_ns >= self.memory_ns else self.level

    @property
    def fraction(self) -> float:
        """The binding limit's time over the measured one: 1 is as fast as it gets."""
        return max(self.compute_ns, self.memory_ns) / self.time_ns

    def line(self) -> str:
        """Say in one line what limits the kernel."""
        if self.binding == "compute":
            limit = f"arithmetic ({self.peak_gflops:.0f} GFLOP/s measured FMA peak)"
        else:
            limit = f"{self.level} bandwidth ({self.bandwidth_gb_s:.0f} GB/s measured copy)"
        return f"limited by {limit}: runs at {100 * self.fraction:.0f} % of it"

    def __str__(self) -> str:
        rate = self.flops / self.time_ns
        intensity = self.flops / max(self.size_bytes, 1)
        rows = [
            f"work        {self.flops:.3g} flops, {format_bytes(self.size_bytes)} of arguments",
            f"intensity   {intensity:.2f} flops per byte",
            f"measured    {format_ns(self.time_ns)}, {rate:.1f} GFLOP/s",
            f"arithmetic  {format_ns(self.compute_ns)} at {self.peak_gflops:.0f} GFLOP/s",
            f"{self.level:<11} {format_ns(self.memory_ns)} at {self.bandwidth_gb_s:.0f} GB/s",
            self.line(),
        ]
        return "\n".join(rows) + "\n"


def format_bytes(size_bytes: int) -> str:
    """Print a size with three digits and its own unit."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes >= scale:
            return f"{size_bytes / scale:.3g} {unit}"
    return f"{size_bytes} bytes"


def roofline(program: Program, timing: Timing, isa: str, threads: int = 1) -> Roofline:
    """Place a timing of a bound program under this machine's measured limits."""
    from loopstack.machine import peaks

    size_bytes = byte_count(program)
    level = level_of(size_bytes)
    return Roofline(
        flops=flop_count(program),
        size_bytes=size_bytes,
        level=level,
        peak_gflops=peaks.fma_peak(isa, float_type(program), threads) / 1e9,
        bandwidth_gb_s=peaks.bandwidth(level, threads) / 1e9,
        time_ns=timing.median_ns,
    )


def describe_kernel(program: Program, timing: Timing, isa: str, threads: int = 1) -> str:
    """Return the roofline of a timing as text."""
    return str(roofline(program, timing, isa, threads))


def float_type(program: Program) -> str:
    """Return the dtype whose peak applies: f64 when any array has it."""
    return "f64" if any(a.dtype == "f64" for a in program.arrays) else "f32"


def level_of(size_bytes: int) -> Level:
    """Return the smallest memory level that holds ``size_bytes``."""
    from loopstack.machine.caches import caches

    found = caches()
    sizes: list[tuple[Level, int]] = [
        ("L1", found.l1_bytes),
        ("L2", found.l2_bytes),
        ("L3", found.l3_bytes),
    ]
    return next((level for level, size in sizes if size_bytes <= size), "memory")
