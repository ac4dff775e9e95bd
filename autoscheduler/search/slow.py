"""Slow programs: searched at a proxy size, confirmed at full size.

    default schedule at a small size --> how long would a full run take?
      less than SLOW_NS       search at full size, as ever
      more                    search where a run takes about PROXY_NS (proxy.py)
                              the best few and the starts, as scripts, at full size:
                              legal there? right there? then the finals, with the default

Invariants: what is returned was measured at full size, in turn with the default schedule; trials at
the proxy size carry its sizes and are never mistaken for timings of the program in question.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from autoscheduler.search.budget import Budget, Meter
from autoscheduler.search.engine import FIRST_LIMIT_S, Engine, MakeProposer, Measurer
from autoscheduler.search.proposer import Proposal
from autoscheduler.search.proxy import Scaling
from autoscheduler.space.mask import Mask
from autoscheduler.space.templates import ProgramSpace
from autoscheduler.space.trees import TreeCache
from loopstack.ir.reader import read_program
from loopstack.measure import Measured, MeasureTask
from loopstack.records import SearchResult, SearchTask, Trial
from loopstack.schedule.default import default_schedule
from loopstack.schedule.hardware import Hardware

OpenWorker = Callable[[MeasureTask], AbstractContextManager[Measurer]]

FEW_POINTS = 5e7
"""Statement instances that no schedule worth searching takes SLOW_NS for."""
SLOW_NS = 250e6
FIRST_POINTS = 3e7
PROXY_NS = 30e6
LEAST_GAIN = 4.0
"""A proxy that is not so many times faster than the program is none."""
CONFIRMED, CONFIRMED_OF_LONG = 4, 2
LONG_NS = 4e9
NEAR_RATIO, START_RATIO = 1.5, 3.0
"""Candidates, and starts, that were so much slower than the best are not timed at full size."""
RESERVED_SHARE = 0.5
"""Of the seconds of a budget, at most this share is kept back for the confirmation."""
SCALAR_NS = 1.0
"""Nanoseconds an instance takes in the scalar code that says what is right."""
LIMIT_RATIO = 20.0


@dataclass(frozen=True)
class Proxy:
    """The task at smaller sizes, and the estimated nanoseconds of a run at full size."""

    task: SearchTask
    full_ns: float
    full_points: float

    @property
    def confirmed(self) -> int:
        return CONFIRMED if self.full_ns < LONG_NS else CONFIRMED_OF_LONG

    @property
    def confirmation_s(self) -> float:
        """What the confirmation will take, roughly: the right result, checks, the finals."""
        runs = 3 + 3 * self.confirmed
        return (SCALAR_NS * self.full_points + runs * self.full_ns) * 1e-9


# ---- is it slow? --------------------------------------------------------------------------------
def find_proxy(task: SearchTask, open_worker: OpenWorker) -> Proxy | None:
    """Return a smaller task that stands for a slow one; None where a run is short enough."""
    told = task.measure
    if task.at_sizes is None:
        return None
    scaling = Scaling(read_program(told.program), told.sizes, Hardware.of(told.isa).l2_bytes)
    points = scaling.points
    sizes = scaling.shrunk(FIRST_POINTS) if points > FEW_POINTS else None
    small = _at(task, sizes)
    if small is None or sizes is None:
        return None
    small_ns = _time_default(small, open_worker)
    ns_per_point = small_ns / scaling.points_at(sizes)
    full_ns = ns_per_point * points
    if not SLOW_NS < full_ns < math.inf:
        return None
    if small_ns < PROXY_NS / 2:
        small = _at(task, scaling.shrunk(PROXY_NS / ns_per_point))
    if small is None:
        return None
    gain = points / scaling.points_at(small.measure.sizes)
    return Proxy(small, full_ns, points) if gain >= LEAST_GAIN else None


def _at(task: SearchTask, sizes: dict[str, int] | None) -> SearchTask | None:
    """Return the task at other sizes, with a schedule to begin with that is lawful there."""
    if sizes is None or task.at_sizes is None:
        return None
    told = task.at_sizes(sizes)
    mask = Mask(TreeCache(told.bound), told.isa, told.threads, told.strides)
    own = default_schedule(told.bound, told.isa, told.threads, told.strides)
    for script in (task.default_script, str(own)):
        if mask.admit(script) is not None:
            return replace(task, measure=told, default_script=script)
    return None


def _time_default(task: SearchTask, open_worker: OpenWorker) -> float:
    """Return the nanoseconds of one run; infinity when it fails."""
    with open_worker(task.measure) as worker:
        worker.submit(task.default_script, None, None, FIRST_LIMIT_S)
        outcome = worker.collect()
    return outcome.timing.min_ns if isinstance(outcome, Measured) else math.inf


# ---- search, then confirm -----------------------------------------------------------------------
def search_slow(
    task: SearchTask, make: MakeProposer, proxy: Proxy, meter: Meter, open_worker: OpenWorker
) -> SearchResult:
    """Explore at the proxy size, and return the best of what holds at full size."""
    with open_worker(proxy.task.measure) as worker:
        explored = Engine(proxy.task, worker, _exploration(meter, proxy))
        explored.explore(make)
    count = 1 if explored.interrupted else proxy.confirmed
    chosen = _to_confirm(explored.history, _starts(task), count)
    confirming = replace(task, prior=task.prior[:1])
    limit_s = max(FIRST_LIMIT_S, LIMIT_RATIO * proxy.full_ns * 1e-9)
    with open_worker(task.measure) as worker:
        budget = Meter(Budget(trials=2 + len(chosen)))
        found = Engine(confirming, worker, budget, first_limit_s=limit_s).run(proposing(chosen))
    sizes = proxy.task.measure.sizes
    return replace(
        found,
        history=(*(replace(t, sizes=sizes) for t in explored.history), *found.history),
        seconds=meter.seconds,
        interrupted=explored.interrupted or found.interrupted,
        proxy=sizes,
    )


def _exploration(meter: Meter, proxy: Proxy) -> Meter:
    """Return the budget of the exploration: what is left, less the time to confirm."""
    if meter.budget.seconds is None:
        return Meter(meter.budget, meter.clock)
    left_s = max(0.0, meter.budget.seconds - meter.seconds)
    reserved_s = min(proxy.confirmation_s, RESERVED_SHARE * left_s)
    return Meter(Budget(seconds=left_s - reserved_s), meter.clock)


def _starts(task: SearchTask) -> list[str]:
    told = task.measure
    space = ProgramSpace(told.bound, Hardware.of(told.isa), told.threads, told.strides)
    return space.starts


def _to_confirm(history: Sequence[Trial], starts: Sequence[str], count: int) -> list[Proposal]:
    """Return what to time at full size: the best few, and the starts that are not far behind."""
    timed = sorted((t.timing.median_ns, n) for n, t in enumerate(history) if t.timing)
    best_ns = timed[0][0] if timed else math.inf
    near = [n for ns, n in timed[:count] if ns <= NEAR_RATIO * best_ns]
    near += [n for ns, n in timed if history[n].script in starts and ns <= START_RATIO * best_ns]
    return [Proposal(history[n].script, history[n].slots) for n in dict.fromkeys(near)]


def proposing(proposals: Sequence[Proposal]) -> MakeProposer:
    """Return the maker of a proposer that proposes just these."""

    class Listed:
        def __init__(self, space: ProgramSpace, start: Proposal, rng: random.Random) -> None:
            self._left = list(proposals)

        def propose(self) -> Proposal | None:
            return self._left.pop(0) if self._left else None

        def report(self, proposal: Proposal, median_ns: float | None) -> None:
            """Nothing to learn."""

    return Listed
