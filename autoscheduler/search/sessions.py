"""A whole search with real workers: is the program slow, then which way to search it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from autoscheduler.search.budget import Budget, Meter
from autoscheduler.search.engine import Engine, MakeProposer
from autoscheduler.search.slow import find_proxy, search_slow
from loopstack.measure import MeasureTask, Worker
from loopstack.records import SearchResult, SearchTask


def search(task: SearchTask, make: MakeProposer) -> SearchResult:
    """Run one search in workers of its own."""
    meter = Meter(Budget.parse(task.budget))
    with worker_cpu(task.measure.threads) as cpu:

        def open_worker(told: MeasureTask) -> Worker:
            return Worker(told, cpu=cpu)

        proxy = find_proxy(task, open_worker)
        if proxy is not None:
            return search_slow(task, make, proxy, meter, open_worker)
        with open_worker(task.measure) as worker:
            return Engine(task, worker, meter).run(make)


@contextmanager
def worker_cpu(threads: int) -> Iterator[int | None]:
    """Yield a CPU for a single-threaded worker, and keep this thread off it meanwhile.

    The worker runs at a real-time priority: a proposer on the same CPU would stand still.
    """
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if threads > 1 or len(cpus) < 2:
        yield None
        return
    chosen = cpus[os.getpid() % len(cpus)]  # searches side by side should not pick the same
    os.sched_setaffinity(0, set(cpus) - {chosen})
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, cpus)
