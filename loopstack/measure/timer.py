"""The timer: how long one thing takes, in nanoseconds per run.

Input: a ``Run``, a callable ``run(samples, repeats)`` that returns one figure per sample, each the
mean of ``repeats`` back-to-back runs. Output: a :class:`Timing`. Invariant: sampling stops early
only when the thing is already known to be slower than a given best.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Run = Callable[[int, int], Sequence[float]]
"""``run(samples, repeats)`` -> nanoseconds per run, one figure a sample."""


@dataclass(frozen=True)
class Timing:
    """Measured run times. ``samples`` are nanoseconds per run, in the order they were taken.

    ``flops`` is the arithmetic work of one run, ``peak_gflops`` the machine's measured limit for
    the same instruction set and thread count; 0 when unknown.
    """

    samples: tuple[float, ...]
    flops: float = 0.0
    peak_gflops: float = 0.0

    @property
    def median_ns(self) -> float:
        return statistics.median(self.samples)

    @property
    def min_ns(self) -> float:
        return min(self.samples)

    @property
    def spread(self) -> float:
        """Interquartile range over the median; 0 for a single sample."""
        low, high = quartiles(self.samples)
        return (high - low) / self.median_ns if self.median_ns else 0.0

    @property
    def gflops(self) -> float:
        """Billions of arithmetic operations per second at the median."""
        return self.flops / self.median_ns if self.median_ns else 0.0

    @property
    def fraction_of_peak(self) -> float:
        """``gflops`` over the measured peak; NaN when no peak was measured."""
        return self.gflops / self.peak_gflops if self.peak_gflops else float("nan")

    def to_json(self) -> dict[str, Any]:
        return {
            "samples": list(self.samples),
            "flops": self.flops,
            "peak_gflops": self.peak_gflops,
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> Timing:
        return Timing(tuple(value["samples"]), value["flops"], value["peak_gflops"])

    def __str__(self) -> str:
        text = f"{format_ns(self.median_ns)} (min {format_ns(self.min_ns)}, "
        text += f"spread {100 * self.spread:.1f} %, {len(self.samples)} samples)"
        return f"{text}, {self.gflops:.1f} GFLOP/s" if self.flops else text


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the first and third quartile; both are the value itself when there is one."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def format_ns(time_ns: float) -> str:
    """Print a time with three digits and its own unit."""
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if time_ns >= scale:
            return f"{time_ns / scale:.3g} {unit}"
    return f"{time_ns:.3g} ns"


@dataclass(frozen=True)
class SamplingPolicy:
    """How much time a measurement may take.

    A sample lasts at least ``sample_ns`` (short kernels repeat inside it) and all samples together
    about ``total_ns``, but never fewer than ``least`` nor more than ``most`` are taken.
    ``give_up_ratio``: two samples this much slower than the best known end the measurement.
    """

    sample_ns: float = 50_000.0
    total_ns: float = 20_000_000.0
    least: int = 5
    most: int = 200
    give_up_ratio: float = 1.5


SEARCH = SamplingPolicy(sample_ns=30_000.0, total_ns=600_000.0, least=3, most=8)
"""For candidates of a search: cheap, winners are timed again."""


def sample(run: Run, policy: SamplingPolicy | None = None, best_ns: float | None = None) -> Timing:
    """Time ``run``: one warm-up that sets the repeats, then samples as the policy says.

    With ``best_ns``, stop after two samples once both are slower than ``give_up_ratio`` times it.
    """
    policy = policy or SamplingPolicy()
    first_ns = max(run(1, 1)[0], 1.0)
    if _hopeless([first_ns], policy, best_ns, margin=2.0):
        return Timing((first_ns, *run(1, 1)))
    repeats = repeats_for(first_ns, policy)
    taken = list(run(2, repeats))
    if not _hopeless(taken, policy, best_ns):
        taken += run(_sample_count(min(taken) * repeats, policy) - 2, repeats)
    return Timing(tuple(taken))


def repeats_for(run_ns: float, policy: SamplingPolicy) -> int:
    """Return how many runs make one sample long enough for the clock."""
    return max(1, round(policy.sample_ns / run_ns))


def _sample_count(sample_ns: float, policy: SamplingPolicy) -> int:
    wanted = round(policy.total_ns / max(sample_ns, 1.0))
    return max(policy.least, 2, min(policy.most, wanted))


def _hopeless(
    taken: list[float], policy: SamplingPolicy, best_ns: float | None, margin: float = 1.0
) -> bool:
    return best_ns is not None and min(taken) > margin * policy.give_up_ratio * best_ns


def wall_clock(call: Callable[[], object]) -> Run:
    """Make a ``Run`` of a Python callable, timed with ``time.perf_counter_ns``."""
    from time import perf_counter_ns

    def run(samples: int, repeats: int) -> list[float]:
        times: list[float] = []
        for _ in range(samples):
            start = perf_counter_ns()
            for _ in range(repeats):
                call()
            times.append((perf_counter_ns() - start) / repeats)
        return times

    return run
