"""The timer and paired comparison, driven by scripted clocks."""

from __future__ import annotations

import math

import pytest

from loopstack.measure.paired import Comparison, compare, interleave
from loopstack.measure.timer import SamplingPolicy, Timing, format_ns, quartiles, sample, wall_clock


class Scripted:
    """A run that takes ``time_ns`` and remembers how it was asked."""

    def __init__(self, time_ns: float) -> None:
        self.time_ns = time_ns
        self.asked: list[tuple[int, int]] = []

    def __call__(self, samples: int, repeats: int) -> list[float]:
        self.asked.append((samples, repeats))
        return [self.time_ns] * samples

    @property
    def runs(self) -> int:
        return sum(samples * repeats for samples, repeats in self.asked)


def test_figures_of_a_timing() -> None:
    timing = Timing((30.0, 10.0, 20.0, 40.0), flops=100.0, peak_gflops=8.0)
    assert timing.median_ns == 25.0
    assert timing.min_ns == 10.0
    assert timing.gflops == 4.0
    assert timing.fraction_of_peak == 0.5
    assert timing.spread == pytest.approx(15.0 / 25.0)


def test_one_sample_has_no_spread_and_no_peak_no_fraction() -> None:
    timing = Timing((10.0,))
    assert timing.spread == 0.0
    assert math.isnan(timing.fraction_of_peak)


def test_json_round_trip() -> None:
    timing = Timing((1.5, 2.5), 7.0, 9.0)
    assert Timing.from_json(timing.to_json()) == timing


def test_quartiles_of_one_value_are_the_value() -> None:
    assert quartiles([3.0]) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("time_ns", "text"), [(12.3, "12.3 ns"), (4560.0, "4.56 us"), (7.8e6, "7.8 ms"), (2e9, "2 s")]
)
def test_times_print_with_their_unit(time_ns: float, text: str) -> None:
    assert format_ns(time_ns) == text


def test_short_runs_repeat_inside_a_sample() -> None:
    run = Scripted(100.0)
    sample(run, SamplingPolicy(sample_ns=10_000.0, total_ns=100_000.0))
    assert run.asked[1:] == [(2, 100), (8, 100)]


def test_long_runs_are_taken_the_least_number_of_times() -> None:
    run = Scripted(1e9)
    timing = sample(run, SamplingPolicy(least=5))
    assert len(timing.samples) == 5
    assert all(repeats == 1 for _, repeats in run.asked)


def test_a_candidate_far_behind_the_best_is_given_up() -> None:
    run = Scripted(10_000.0)
    timing = sample(run, SamplingPolicy(), best_ns=1_000.0)
    assert run.runs == 2
    assert timing.median_ns == 10_000.0


def test_a_candidate_a_little_behind_stops_after_two_samples() -> None:
    run = Scripted(1_800.0)
    timing = sample(run, SamplingPolicy(give_up_ratio=1.5), best_ns=1_000.0)
    assert len(timing.samples) == 2


def test_a_candidate_near_the_best_is_measured_fully() -> None:
    run = Scripted(1_100.0)
    timing = sample(run, SamplingPolicy(sample_ns=1e4, total_ns=1e5), best_ns=1_000.0)
    assert len(timing.samples) > 2


def test_paired_ratio_is_formed_inside_rounds() -> None:
    pair = Comparison(Timing((10.0, 20.0, 40.0)), Timing((20.0, 40.0, 80.0)))
    assert (pair.ratio, pair.low, pair.high) == (2.0, 2.0, 2.0)
    assert str(pair) == "2.00x [2.00 .. 2.00]"


def test_comparison_runs_both_in_every_round() -> None:
    pair = compare(Scripted(100.0), Scripted(150.0), rounds=7)
    assert pair.ratio == 1.5
    assert len(pair.a.samples) == len(pair.b.samples) == 7


def test_interleaving_rotates_who_goes_first() -> None:
    order: list[str] = []

    def named(name: str) -> Scripted:
        class Logged(Scripted):
            def __call__(self, samples: int, repeats: int) -> list[float]:
                order.append(name)
                return super().__call__(samples, repeats)

        return Logged(1.0)

    interleave({"a": named("a"), "b": named("b"), "c": named("c")}, rounds=3)
    assert "".join(order) == "abcabc" + "abcbcacab"  # each warms up twice


def test_the_warm_up_of_long_runs_is_the_first_round() -> None:
    runs: list[int] = []

    def long(samples: int, repeats: int) -> list[float]:
        runs.append(samples)
        return [1e9] * samples

    assert interleave({"long": long}, rounds=2)["long"].samples == (1e9, 1e9)
    assert len(runs) == 2


def test_wall_clock_counts_calls() -> None:
    calls: list[int] = []
    times = wall_clock(lambda: calls.append(1))(3, 4)
    assert len(times) == 3
    assert len(calls) == 12
