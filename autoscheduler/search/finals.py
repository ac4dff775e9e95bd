"""The finals: the best few candidates and the default schedule, timed again in turn.

The fastest of hundreds of noisy timings was lucky as well as fast (the winner's curse). Here every
round runs each finalist once; the winner is judged by its ratios to the default inside the rounds.
The default wins unless another is faster in most rounds: a search never returns worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from loopstack.errors import CandidateFault
from loopstack.measure import Comparison, Timing
from loopstack.records import Trial

FINALISTS = 5
ROUNDS = 25
LONG_ROUND_NS = 20_000_000.0
FEWEST_ROUNDS = ((1e9, 5), (1e10, 3))
"""Least rounds by the nanoseconds of one; two where a round is longer still."""
FAR_RATIO, FAR_RATIO_OF_LONG = 1.5, 1.15
"""A candidate that looked this much slower than the best does not take part."""
LONG_NS = 500_000_000.0


class Duellist(Protocol):
    def duel(self, scripts: list[str], rounds: int) -> list[Timing] | CandidateFault: ...


def decide(
    measurer: Duellist, default_script: str, history: Sequence[Trial]
) -> tuple[Trial, Timing, Comparison]:
    """Return (winner, its timing, default compared with it)."""
    chosen = finalists(default_script, history)
    default = chosen[0]
    timings = _duel(measurer, chosen)
    while timings is None and len(chosen) > 1:  # a finalist failed: do without the last one
        chosen = chosen[:-1]
        timings = _duel(measurer, chosen)
    if timings is None:
        assert default.timing is not None
        return default, default.timing, Comparison(default.timing, default.timing)
    by_ratio = [Comparison(timing, timings[0]) for timing in timings]
    best = max(range(len(chosen)), key=lambda n: (by_ratio[n].ratio, -n))
    if by_ratio[best].low <= 1.0:  # faster in fewer than three rounds of four
        best = 0
    return chosen[best], timings[best], by_ratio[best]


def decide_hastily(
    default_script: str, history: Sequence[Trial]
) -> tuple[Trial, Timing, Comparison]:
    """Return the same from the timings of the search alone: nothing more is measured."""
    default, *others = finalists(default_script, history)
    winner = min([default, *others[:1]], key=_median_ns)
    assert winner.timing is not None
    assert default.timing is not None
    return winner, winner.timing, Comparison(winner.timing, default.timing)


def _median_ns(trial: Trial) -> float:
    return trial.timing.median_ns if trial.timing else math.inf


def finalists(default_script: str, history: Sequence[Trial]) -> list[Trial]:
    """Return the default's trial, then the fastest others."""
    default = next(t for t in history if t.script == default_script)
    timed = [(t.timing.median_ns, n, t) for n, t in enumerate(history) if t.timing]
    best_ns = min((time_ns for time_ns, _, _ in timed), default=math.inf)
    limit_ns = best_ns * (FAR_RATIO if best_ns < LONG_NS else FAR_RATIO_OF_LONG)
    others = [t for time_ns, _, t in sorted(timed) if t is not default and time_ns <= limit_ns]
    return [default, *others[:FINALISTS]]


def _duel(measurer: Duellist, chosen: Sequence[Trial]) -> list[Timing] | None:
    round_ns = sum(t.timing.median_ns for t in chosen if t.timing)
    fewest = next((count for limit_ns, count in FEWEST_ROUNDS if round_ns < limit_ns), 2)
    rounds = max(fewest, min(ROUNDS, round(LONG_ROUND_NS * ROUNDS / max(round_ns, 1.0))))
    outcome = measurer.duel([t.script for t in chosen], rounds)
    return None if isinstance(outcome, CandidateFault) else outcome
