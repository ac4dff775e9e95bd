"""A measurer without a process: times follow from the nest text alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from loopstack.errors import CandidateFault
from loopstack.measure import Measured, Outcome, Timing

Judge = Callable[[str, str], Outcome]


def pretend(script: str, nest: str) -> Outcome:
    """Time by a checksum: 100 ns to 1100 ns; one in eleven crashes."""
    figure = zlib.crc32(nest.encode())
    if figure % 11 == 0 and script.count("\n") > 2:
        return CandidateFault("pretended", "crash")
    return Measured(Timing((100.0 + figure % 1000,)), 1.0)


class FakeMeasurer:
    """Answers like a worker; remembers what it was asked."""

    def __init__(self, judge: Judge = pretend, stop_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.duels: list[list[str]] = []
        self.stopped = False
        self._judge, self._stop_after = judge, stop_after
        self._outcomes: dict[str, Outcome] = {}
        self._waiting: Outcome | None = None

    def submit(self, script: str, nest: str | None, best_ns: float | None, limit_s: float) -> None:
        assert self._waiting is None, "one candidate at a time"
        self.asked.append(script)
        self._waiting = self._outcomes[script] = self._judge(script, nest or "")

    def collect(self) -> Outcome:
        if self._stop_after is not None and len(self.asked) > self._stop_after:
            raise KeyboardInterrupt
        outcome, self._waiting = self._waiting, None
        assert outcome is not None
        return outcome

    def duel(self, scripts: list[str], rounds: int) -> list[Timing] | CandidateFault:
        self.duels.append(list(scripts))
        timings = []
        for script in scripts:
            outcome = self._outcomes[script]
            if isinstance(outcome, CandidateFault):
                return outcome
            timings.append(Timing(outcome.timing.samples * rounds))
        return timings

    def stop(self) -> None:
        self.stopped = True
        self._waiting = None
