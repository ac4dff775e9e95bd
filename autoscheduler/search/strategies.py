"""The installed strategies: what the entry points name.

``rank`` orders them for ``strategy="auto"``.
"""

from __future__ import annotations

from autoscheduler.search.evolve import EvolveProposer
from autoscheduler.search.random import RandomProposer
from autoscheduler.search.sessions import search
from loopstack.measure import Comparison, Measured, Worker
from loopstack.records import SearchResult, SearchTask, Trial


def default(task: SearchTask) -> SearchResult:
    """Return the default schedule; it is timed once, nothing else is tried."""
    with Worker(task.measure) as worker:
        outcome = worker.measure(task.default_script, limit_s=60.0)
    if not isinstance(outcome, Measured):
        raise outcome
    trial = Trial(task.default_script, outcome.timing)
    versus = Comparison(outcome.timing, outcome.timing)
    return SearchResult(task.default_script, outcome.timing, versus, (trial,), 0.0, seed=task.seed)


def random(task: SearchTask) -> SearchResult:
    """Draw candidates independently of each other."""
    return search(task, RandomProposer)


def evolve(task: SearchTask) -> SearchResult:
    """Mutate and cross the fastest candidates."""
    return search(task, EvolveProposer)


default.rank = 0  # type: ignore[attr-defined]
random.rank = 10  # type: ignore[attr-defined]
evolve.rank = 50  # type: ignore[attr-defined]
