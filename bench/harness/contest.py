"""Contestants in turn, in one process.

Thread pools of BLAS libraries and inference engines spin for a while after a call, on the cores the
next contestant needs. So each turn starts with a pause, then one call that wakes its own threads,
then the timed ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import sleep

from loopstack.measure import SamplingPolicy, Timing, interleave
from loopstack.measure.timer import Run, wall_clock

PAUSE_S = 0.03
POLICY = SamplingPolicy(sample_ns=2_000_000.0)


def contest(
    calls: Mapping[str, Callable[[], object]], rounds: int, threads: int
) -> dict[str, Timing]:
    """Time every call once per round; sample i of each was taken in round i."""
    pause_s = PAUSE_S if threads > 1 else 0.0
    return interleave({name: _turn(call, pause_s) for name, call in calls.items()}, rounds, POLICY)


def _turn(call: Callable[[], object], pause_s: float) -> Run:
    timed = wall_clock(call)

    def run(samples: int, repeats: int) -> list[float]:
        sleep(pause_s)
        call()
        return list(timed(samples, repeats))

    return run
