"""How long a search may go on: seconds or trials."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from loopstack.errors import ArgumentError

SHAPE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|trials?)")
UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """``seconds`` or ``trials``; the other one is None."""

    seconds: float | None = None
    trials: int | None = None

    @staticmethod
    def parse(text: str) -> Budget:
        """Read ``20s``, ``2m``, ``1h`` or ``300 trials``. Raises ArgumentError."""
        match = SHAPE.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None or float(match[1]) <= 0 or not (match[2] in UNIT_S or match[1].isdigit()):
            raise ArgumentError(
                f"budget {text!r} is not a time or a count; write for example "
                "'20s', '2m', '1h' or '300 trials'"
            )
        if match[2] in UNIT_S:
            return Budget(seconds=float(match[1]) * UNIT_S[match[2]])
        return Budget(trials=int(match[1]))


@dataclass
class Meter:
    """Tells when a budget is spent; ``clock`` counts seconds."""

    budget: Budget
    clock: Callable[[], float] = monotonic
    start: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.clock()

    @property
    def seconds(self) -> float:
        return self.clock() - self.start

    def spent(self, trials: int) -> bool:
        if self.budget.trials is not None:
            return trials >= self.budget.trials
        assert self.budget.seconds is not None
        return self.seconds >= self.budget.seconds

    def left(self, trials: int) -> str:
        """Say what remains."""
        if self.budget.trials is not None:
            return f"{max(0, self.budget.trials - trials)} trials"
        assert self.budget.seconds is not None
        return f"{max(0.0, self.budget.seconds - self.seconds):.0f} s"
