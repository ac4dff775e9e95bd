"""What a search prints while it runs."""

from __future__ import annotations

from loopstack.cli.display import progress_line
from loopstack.measure import Timing
from loopstack.records import Progress


def test_before_anything_is_measured() -> None:
    line = progress_line(Progress(0, 0.0, None, "20 s"))
    assert line == "measuring the default schedule, 20 s left"


def test_a_running_search() -> None:
    line = progress_line(Progress(300, 2.0, Timing((1000.0,), flops=50_000.0), "18 s", faults=3))
    assert line == "best 50.0 GFLOP/s (1 us)   300 candidates, 3 failed, 150/s   18 s left"


def test_the_finals() -> None:
    line = progress_line(Progress(300, 20.0, Timing((1000.0,)), ""))
    assert line == "300 candidates measured, timing the best of them once more"


def test_a_program_without_arithmetic_shows_its_time() -> None:
    line = progress_line(Progress(10, 1.0, Timing((1000.0,)), "90 trials"))
    assert line == "best 1 us   10 candidates, 10/s   90 trials left"
