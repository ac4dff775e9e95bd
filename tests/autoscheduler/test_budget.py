"""Budgets and what is left of them."""

from __future__ import annotations

import pytest

from autoscheduler.search.budget import Budget, Meter
from loopstack.errors import ArgumentError


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("20s", Budget(seconds=20.0)),
        ("2m", Budget(seconds=120.0)),
        ("1h", Budget(seconds=3600.0)),
        ("0.5 s", Budget(seconds=0.5)),
        ("300 trials", Budget(trials=300)),
        ("1 trial", Budget(trials=1)),
    ],
)
def test_budgets_parse(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize(
    "text",
    ["", "20", "s", "20 seconds ago", "-3s", "0s", "0 trials", "0.4 trials", "1.5 trials", 10],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Budget.parse(text)
    assert str(caught.value) == (
        f"budget {text!r} is not a time or a count; write for example "
        "'20s', '2m', '1h' or '300 trials'"
    )


def test_a_budget_of_trials_counts_trials() -> None:
    meter = Meter(Budget(trials=3), clock=lambda: 0.0)
    assert [meter.spent(n) for n in (0, 2, 3)] == [False, False, True]
    assert meter.left(1) == "2 trials"


def test_a_budget_of_seconds_counts_seconds() -> None:
    now = [100.0]
    meter = Meter(Budget(seconds=10.0), clock=lambda: now[0])
    assert not meter.spent(10**6)
    now[0] = 107.0
    assert meter.left(5) == "3 s"
    now[0] = 110.0
    assert meter.spent(0)
