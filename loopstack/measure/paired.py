"""Paired comparison: A and B in turn, so that a slow moment of the machine hits both.

Noise comes in bursts; back-to-back repeats of one thing share a burst. Here every round runs each
contestant once, in an order that rotates, and ratios are formed inside a round.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import sleep

from loopstack.measure.timer import (
    Run,
    SamplingPolicy,
    Timing,
    quartiles,
    repeats_for,
    wall_clock,
)

CONTEST = SamplingPolicy(sample_ns=2_000_000.0)
LONG_RATIO = 1000.0
PAUSE_S = 0.2
"""Idle threads spin before they sleep: OpenBLAS about 0.1 s, ONNX Runtime 0.17 s (measured)."""


@dataclass(frozen=True)
class Comparison:
    """``ratio`` is time(b) / time(a): above 1, a is faster. ``low``, ``high`` are its quartiles."""

    a: Timing
    b: Timing

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(b / a for a, b in zip(self.a.samples, self.b.samples))

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def low(self) -> float:
        return quartiles(self.ratios)[0]

    @property
    def high(self) -> float:
        return quartiles(self.ratios)[1]

    def __str__(self) -> str:
        return f"{self.ratio:.2f}x [{self.low:.2f} .. {self.high:.2f}]"


def compare(a: Run, b: Run, rounds: int = 15, policy: SamplingPolicy | None = None) -> Comparison:
    """Time ``a`` and ``b`` interleaved."""
    timings = interleave({"a": a, "b": b}, rounds, policy)
    return Comparison(timings["a"], timings["b"])


def interleave(
    runs: Mapping[str, Run], rounds: int = 15, policy: SamplingPolicy | None = None
) -> dict[str, Timing]:
    """Time several things in rounds; sample i of each was taken in round i.

    Each contestant has its own repeats per sample (set in a warm-up), so fast ones are timed as
    well as slow ones. Where all are long the warm-up is the first round: it is nothing to them.
    The starting contestant rotates.
    """
    policy = policy or SamplingPolicy()
    firsts = {name: run(1, 1)[0] for name, run in runs.items()}
    warm = min(firsts.values(), default=0.0) > LONG_RATIO * policy.sample_ns
    repeats = {name: 1 if warm else _repeats(run, policy) for name, run in runs.items()}
    taken = {name: [firsts[name]] if warm else [] for name in runs}
    names = list(runs)
    for turn in range(len(taken[names[0]]) if names else 0, rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            taken[name] += runs[name](1, repeats[name])
    return {name: Timing(tuple(values)) for name, values in taken.items()}


def _repeats(run: Run, policy: SamplingPolicy) -> int:
    return repeats_for(max(run(1, 1)[0], 1.0), policy)


def contest(
    calls: Mapping[str, Callable[[], object]], rounds: int = 15, threads: int = 1
) -> dict[str, Timing]:
    """Time Python callables of different libraries interleaved.

    With several threads each turn starts with a pause, in which the others' spinning threads leave
    the cores, and a call that wakes its own.
    """
    pause_s = PAUSE_S if threads > 1 else 0.0
    turns = {name: _turn(call, pause_s) for name, call in calls.items()}
    return interleave(turns, rounds, CONTEST)


def _turn(call: Callable[[], object], pause_s: float) -> Run:
    timed = wall_clock(call)

    def run(samples: int, repeats: int) -> list[float]:
        sleep(pause_s)
        call()
        return list(timed(samples, repeats))

    return run
