"""Slow programs: proxy sizes, and a search at them that is confirmed at full size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from harness.fake_measurer import FakeMeasurer
from harness.spaces import MATMUL

from autoscheduler.search.budget import Budget, Meter
from autoscheduler.search.evolve import EvolveProposer
from autoscheduler.search.proxy import LEAST_STEPS, Scaling
from autoscheduler.search.slow import PROXY_NS, Proxy, find_proxy, search_slow
from bench.suites import polybench
from loopstack.errors import CandidateFault
from loopstack.ir.reader import read_program
from loopstack.measure import Measured, MeasureTask, Outcome, Timing
from loopstack.measure.oracle import instances
from loopstack.records import SearchResult, SearchTask, Trial

L2_BYTES = 512 << 10
DEFAULT = "schedule 1\nvectorize C.n\n"
LARGE = {"m": 2048, "n": 2000, "k": 2048}


# ---- sizes --------------------------------------------------------------------------------------
def scaling(name: str) -> Scaling:
    return Scaling(polybench.load(name).program, polybench.sizes_of(name, "large"), L2_BYTES)


def test_time_steps_go_first() -> None:
    """500 steps of 1300 x 1300: a tenth of the work is a tenth of the steps."""
    full = scaling("jacobi-2d")
    found = full.shrunk(full.points / 7)
    assert found is not None
    assert found["N"] == 1300
    assert 65 < found["TSTEPS"] < 75


def test_then_arrays_shrink_by_one_factor() -> None:
    full = scaling("jacobi-2d")
    found = full.shrunk(3e7)
    assert found is not None
    assert found["TSTEPS"] == LEAST_STEPS
    assert 64 < found["N"] < 1300
    assert full.points_at(found) == pytest.approx(3e7, rel=0.1)


def test_a_size_that_only_a_small_array_carries_is_time() -> None:
    assert scaling("fdtd-2d").time == {"TMAX"}
    assert scaling("floyd-warshall").time == set()


def test_arrays_stay_larger_than_the_cache() -> None:
    found = scaling("floyd-warshall").shrunk(1e6)
    assert found is not None
    assert found["N"] ** 2 * 4 >= 2 * L2_BYTES


def test_remainders_are_kept_and_aliasing_is_not_introduced() -> None:
    program = read_program(MATMUL)
    sizes = {"m": 2001, "n": 1500, "k": 48}
    found = Scaling(program, sizes, 1).shrunk(1e7)
    assert found is not None
    assert found["k"] == 48
    assert all((sizes[n] - found[n]) % 16 == 0 for n in sizes)
    assert found["n"] % 512
    assert instances(program.bind(found)) == pytest.approx(1e7, rel=0.3)


def test_nothing_smaller_is_no_proxy() -> None:
    assert Scaling(read_program(MATMUL), {"m": 64, "n": 64, "k": 64}, 1).shrunk(1.0) is None


# ---- the search ---------------------------------------------------------------------------------
Judge = Callable[[MeasureTask, str, str], Outcome]


class Lab:
    """Opens fake workers; remembers the sizes and what was asked of each."""

    def __init__(self, judge: Judge, stop_after: int | None = None) -> None:
        self.opened: list[tuple[dict[str, int], FakeMeasurer]] = []
        self._judge, self._stop_after = judge, stop_after

    @contextmanager
    def open(self, told: MeasureTask) -> Iterator[FakeMeasurer]:
        stop = self._stop_after if len(self.opened) == 1 else None  # while exploring
        fake = FakeMeasurer(lambda script, nest: self._judge(told, script, nest), stop)
        self.opened.append((dict(told.sizes), fake))
        yield fake

    @property
    def at_full_size(self) -> list[str]:
        return [s for sizes, fake in self.opened if sizes == LARGE for s in fake.asked]


def linear(told: MeasureTask, script: str, nest: str) -> Outcome:
    """One nanosecond an instance; every line of a script more makes it a little faster."""
    factor = 1.0 - 0.02 * min(script.count("\n"), 20)
    return Measured(Timing((instances(told.bound) * factor,)), 1.0)


def task_of(sizes: dict[str, int] = LARGE, default: str = DEFAULT) -> SearchTask:
    told = MeasureTask(program=MATMUL, sizes=sizes, isa="avx2", threads=1)
    return SearchTask(told, default, at_sizes=lambda other: replace(told, sizes=dict(other)))


def search(lab: Lab, trials: int = 30, task: SearchTask | None = None) -> SearchResult:
    task = task or task_of()
    proxy = find_proxy(task, lab.open)
    assert proxy is not None
    meter = Meter(Budget(trials=trials), clock=lambda: 0.0)
    return search_slow(task, EvolveProposer, proxy, meter, lab.open)


def test_a_short_run_needs_no_proxy() -> None:
    lab = Lab(lambda told, script, nest: Measured(Timing((1e5,)), 1.0))
    assert find_proxy(task_of({"m": 100, "n": 100, "k": 100}), lab.open) is None
    assert lab.opened == []  # not even measured
    assert find_proxy(task_of(), lab.open) is None  # 2048 cubed at such a rate: 28 ms
    assert len(lab.opened) == 1


def test_no_way_to_other_sizes_is_no_proxy() -> None:
    assert find_proxy(replace(task_of(), at_sizes=None), Lab(linear).open) is None


def test_a_default_that_fails_is_left_to_the_plain_search() -> None:
    lab = Lab(lambda told, script, nest: CandidateFault("pretended", "wrong"))
    assert find_proxy(task_of(), lab.open) is None


def test_a_slow_program_gets_a_proxy_of_some_milliseconds() -> None:
    proxy = find_proxy(task_of(), Lab(linear).open)
    assert proxy is not None
    assert instances(proxy.task.measure.bound) == pytest.approx(PROXY_NS, rel=0.5)
    assert proxy.full_ns == pytest.approx(8.4e9, rel=0.1)


def test_a_fast_machine_gets_a_larger_proxy() -> None:
    def fast(told: MeasureTask, script: str, nest: str) -> Outcome:
        return Measured(Timing((instances(told.bound) / 20,)), 1.0)

    proxy = find_proxy(task_of(), Lab(fast).open)
    assert proxy is not None
    assert instances(proxy.task.measure.bound) == pytest.approx(20 * PROXY_NS, rel=0.5)


def test_most_trials_run_at_the_proxy_size_and_the_best_at_full_size() -> None:
    lab = Lab(linear)
    found = search(lab)
    assert lab.opened[-1][0] == LARGE
    assert len(lab.opened[1][1].asked) == 30
    assert lab.at_full_size[0] == DEFAULT
    assert len(lab.at_full_size) <= 1 + Proxy(task_of(), 8e9, 8e9).confirmed
    assert found.proxy == lab.opened[1][0]
    assert found.script in lab.at_full_size
    assert found.timing.median_ns > 1e9  # of a full run
    assert found.speedup > 1.0
    small = [t for t in found.history if t.sizes]
    assert len(small) == 30
    assert all(t.sizes == found.proxy for t in small)
    assert [t.script for t in found.history if not t.sizes] == lab.at_full_size


def test_a_winner_at_the_proxy_size_that_loses_at_full_size_is_not_returned() -> None:
    def deceiving(told: MeasureTask, script: str, nest: str) -> Outcome:
        faster = (told.sizes == LARGE) == (script == DEFAULT)
        return Measured(Timing((instances(told.bound) * (0.5 if faster else 1.0),)), 1.0)

    found = search(Lab(deceiving))
    assert found.script == DEFAULT
    assert found.kept_default


def test_a_finalist_that_is_wrong_at_full_size_is_not_returned() -> None:
    def fragile(told: MeasureTask, script: str, nest: str) -> Outcome:
        if told.sizes == LARGE and script != DEFAULT:
            return CandidateFault("pretended", "wrong")
        return linear(told, script, nest)

    assert search(Lab(fragile)).script == DEFAULT


def test_an_interrupt_confirms_the_best_so_far() -> None:
    lab = Lab(linear, stop_after=12)
    found = search(lab, trials=1000)
    assert found.interrupted
    assert len(lab.at_full_size) <= 2
    assert found.timing.median_ns > 1e9


def test_trials_at_the_proxy_size_are_not_stored() -> None:
    from harness.records_of import records_of

    found = search(Lab(linear))
    records = records_of(found, task_of().measure)
    assert len(records) == 1 + sum(not t.sizes for t in found.history)
    assert all(r.median_ns > 1e9 for r in records)


def test_seconds_are_kept_back_for_the_confirmation() -> None:
    from autoscheduler.search.slow import _exploration

    budget = Budget(seconds=60.0)
    short = _exploration(Meter(budget, lambda: 0.0), Proxy(task_of(), 0.3e9, 1e9))
    long = _exploration(Meter(budget, lambda: 0.0), Proxy(task_of(), 20e9, 20e9))
    assert short.budget.seconds == pytest.approx(60 - 1.0 - 15 * 0.3)
    assert long.budget.seconds == 30.0


def test_trials_are_marked_with_their_sizes() -> None:
    assert Trial("schedule 1\n").sizes == {}
