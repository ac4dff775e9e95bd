"""The search loop, with a measurer whose times follow from the nest text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness.fake_measurer import FakeMeasurer
from harness.spaces import MATMUL

from autoscheduler.search.budget import Budget, Meter
from autoscheduler.search.engine import Engine, MakeProposer
from autoscheduler.search.evolve import EvolveProposer
from autoscheduler.search.random import RandomProposer
from loopstack.errors import CandidateFault, InternalError
from loopstack.measure import Measured, MeasureTask, Outcome, Timing
from loopstack.records import Progress, Record, SearchResult, SearchTask

DEFAULT = "schedule 1\nvectorize C.n\n"
TOLD = MeasureTask(program=MATMUL, sizes={"m": 48, "n": 40, "k": 56}, isa="avx2", threads=2)
BOTH = pytest.mark.parametrize("make", [RandomProposer, EvolveProposer])


def run(
    make: MakeProposer = EvolveProposer,
    trials: int = 60,
    seed: int = 0,
    measurer: FakeMeasurer | None = None,
    progress: Callable[[Progress], None] | None = None,
    prior: tuple[Record, ...] = (),
) -> SearchResult:
    task = SearchTask(TOLD, DEFAULT, f"{trials} trials", seed=seed, prior=prior, progress=progress)
    meter = Meter(Budget(trials=trials), clock=lambda: 0.0)
    return Engine(task, measurer or FakeMeasurer(), meter).run(make)


@BOTH
def test_the_default_schedule_is_measured_first(make: MakeProposer) -> None:
    assert run(make).history[0].script == DEFAULT


@BOTH
def test_a_budget_of_trials_is_kept_exactly(make: MakeProposer) -> None:
    assert run(make, trials=37).trials == 37


@BOTH
def test_the_same_seed_gives_the_same_candidates(make: MakeProposer) -> None:
    first, second = (FakeMeasurer() for _ in range(2))
    run(make, seed=3, measurer=first)
    run(make, seed=3, measurer=second)
    assert first.asked == second.asked


@BOTH
def test_another_seed_gives_other_candidates(make: MakeProposer) -> None:
    first, second = (FakeMeasurer() for _ in range(2))
    run(make, seed=3, measurer=first)
    run(make, seed=4, measurer=second)
    assert first.asked != second.asked


@BOTH
def test_no_candidate_is_measured_twice(make: MakeProposer) -> None:
    measurer = FakeMeasurer()
    run(make, measurer=measurer)
    assert len(set(measurer.asked)) == len(measurer.asked)


def test_the_winner_is_the_fastest_of_the_finals() -> None:
    result = run()
    timed = [t.timing.median_ns for t in result.history if t.timing]
    assert result.timing.median_ns == min(timed)
    assert result.speedup >= 1.0


def test_the_default_takes_part_in_the_finals() -> None:
    measurer = FakeMeasurer()
    run(measurer=measurer)
    assert measurer.duels[-1][0] == DEFAULT


def test_the_default_wins_when_nothing_is_faster() -> None:
    def judge(script: str, nest: str) -> Outcome:
        return Measured(Timing((50.0 if script == DEFAULT else 500.0,)), 1.0)

    result = run(measurer=FakeMeasurer(judge))
    assert result.script == DEFAULT
    assert result.speedup == 1.0


def test_a_lucky_trial_does_not_win_the_finals() -> None:
    class Lucky(FakeMeasurer):
        """Every candidate looked twice as fast as the default once, and is slower in the duel."""

        def duel(self, scripts: list[str], rounds: int) -> list[Timing] | CandidateFault:
            return [Timing((100.0 if s == DEFAULT else 120.0,) * rounds) for s in scripts]

    def judge(script: str, nest: str) -> Outcome:
        return Measured(Timing((100.0 if script == DEFAULT else 50.0,)), 1.0)

    assert run(measurer=Lucky(judge)).script == DEFAULT


def test_faults_are_kept_in_the_history_and_never_win() -> None:
    result = run(trials=80)
    faulty = [t for t in result.history if t.fault]
    assert faulty
    assert all(t.timing is None and t.fault == "crash" for t in faulty)
    assert result.script not in {t.script for t in faulty}


def test_a_finalist_that_fails_in_the_finals_is_left_out() -> None:
    class Fragile(FakeMeasurer):
        def duel(self, scripts: list[str], rounds: int) -> list[Timing] | CandidateFault:
            if len(scripts) > 2:
                return CandidateFault("pretended", "crash")
            return super().duel(scripts, rounds)

    assert run(measurer=Fragile()).timing.median_ns > 0


def test_finals_that_always_fail_leave_the_default() -> None:
    class Broken(FakeMeasurer):
        def duel(self, scripts: list[str], rounds: int) -> list[Timing] | CandidateFault:
            return CandidateFault("pretended", "crash")

    assert run(measurer=Broken()).script == DEFAULT


def test_an_interrupt_keeps_the_best_so_far() -> None:
    measurer = FakeMeasurer(stop_after=20)
    result = run(measurer=measurer, trials=1000)
    assert result.interrupted
    assert measurer.stopped
    assert 0 < result.trials <= 20
    assert result.timing.median_ns <= (result.history[0].timing or result.timing).median_ns


def test_an_interrupt_before_the_default_is_measured_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        run(measurer=FakeMeasurer(stop_after=0))


def test_a_default_that_fails_is_our_bug() -> None:
    def judge(script: str, nest: str) -> Outcome:
        return CandidateFault("pretended", "wrong")

    with pytest.raises(InternalError, match="the default schedule failed: wrong"):
        run(measurer=FakeMeasurer(judge))


def test_an_interrupt_during_the_finals_keeps_the_best() -> None:
    class Impatient(FakeMeasurer):
        def duel(self, scripts: list[str], rounds: int) -> list[Timing] | CandidateFault:
            raise KeyboardInterrupt

    result = run(trials=20, measurer=Impatient())
    timed = {t.script: t.timing.median_ns for t in result.history if t.timing}
    assert result.interrupted
    assert result.timing.median_ns == min(timed.values())
    assert timed[result.script] == min(timed.values())
    assert result.speedup == timed[DEFAULT] / min(timed.values())


def test_progress_is_told_after_every_candidate() -> None:
    told: list[Progress] = []
    run(trials=12, progress=told.append)
    assert [p.trials for p in told] == [*range(1, 13), 12]
    assert [p.left for p in told[-2:]] == ["0 trials", ""]  # the last: the finals begin
    best = [p.best.median_ns for p in told if p.best]
    assert best == sorted(best, reverse=True)


def test_evolution_beats_random_draws_on_a_smooth_space() -> None:
    def judge(script: str, nest: str) -> Outcome:
        """More jammed rows and wider vectors are better; unpacked is better."""
        score = 1000.0 - 30.0 * script.count("unroll") - 20.0 * ("split C.m 7" in script)
        return Measured(Timing((score + 40.0 * script.count("pack"),)), 1.0)

    random, evolved = (
        run(make, trials=150, measurer=FakeMeasurer(judge))
        for make in (RandomProposer, EvolveProposer)
    )
    assert evolved.timing.median_ns <= random.timing.median_ns


def test_resuming_measures_the_best_of_before_again_and_goes_on_elsewhere() -> None:
    first = FakeMeasurer()
    found = run(measurer=first)
    from harness.records_of import records_of

    prior = tuple(records_of(found, TOLD))
    second = FakeMeasurer()
    again = run(measurer=second, prior=prior)
    assert found.script in second.asked[:3]
    assert again.timing.median_ns <= found.timing.median_ns
    assert second.asked[10:20] != first.asked[10:20]


def test_a_space_that_is_exhausted_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    from autoscheduler.search import engine

    monkeypatch.setattr(engine, "PATIENCE", 5)

    class Silent(RandomProposer):
        def propose(self) -> None:
            return None

    assert run(Silent, trials=100).trials == 1
