"""The loop of every measured search: propose, mask, measure, report.

One candidate is being measured in the worker while the next one is proposed, checked and lowered
here. So a proposer hears of a timing one proposal later; the order of calls is fixed all the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from autoscheduler.search.budget import Meter
from autoscheduler.search.finals import FINALISTS, decide, decide_hastily
from autoscheduler.search.proposer import Proposal, Proposer
from autoscheduler.space.mask import Candidate, Mask
from autoscheduler.space.templates import ProgramSpace
from loopstack.errors import CandidateFault, InternalError
from loopstack.measure import Comparison, Measured, Outcome, Timing
from loopstack.records import Progress, SearchResult, SearchTask, Trial
from loopstack.schedule.hardware import Hardware

PATIENCE = 2_000
"""Proposals in a row that lead to no new candidate before the space counts as exhausted."""
LEAST_LIMIT_S = 2.0
LIMIT_RATIO = 100.0
FIRST_LIMIT_S = 60.0


class Measurer(Protocol):
    """What the engine needs of a worker."""

    def submit(
        self, script: str, nest: str | None, best_ns: float | None, limit_s: float
    ) -> None: ...
    def collect(self) -> Outcome: ...
    def duel(self, scripts: list[str], rounds: int) -> list[Timing] | CandidateFault: ...
    def stop(self) -> None: ...


MakeProposer = Callable[[ProgramSpace, Proposal, random.Random], Proposer]


@dataclass
class Engine:
    """One search. ``measurer`` is the worker; tests put something predictable in its place.

    ``first_limit_s``: how long the default schedule may take, all its samples together.
    """

    task: SearchTask
    measurer: Measurer
    meter: Meter
    first_limit_s: float = FIRST_LIMIT_S
    history: list[Trial] = field(default_factory=list)
    best: Trial | None = None
    interrupted: bool = False

    def run(self, make: MakeProposer) -> SearchResult:
        """Search until the budget is spent or the user interrupts, then time the best again."""
        self.explore(make)
        return self._finish()

    def explore(self, make: MakeProposer) -> None:
        """Fill the history until the budget is spent or the user interrupts."""
        self._space, self._mask = self._make_space()
        start = Proposal(self.task.default_script)
        proposer = make(self._space, start, random.Random(self._stream()))
        try:
            self._measure_default(start, proposer)
            self._replay(proposer)
            self._loop(proposer)
        except KeyboardInterrupt:
            self.interrupted = True
            self.measurer.stop()

    def _stream(self) -> str:
        """A resumed search goes on with other draws than the one it resumes."""
        return f"{self.task.seed}/{len(self.task.prior)}"

    def _make_space(self) -> tuple[ProgramSpace, Mask]:
        told = self.task.measure
        hardware = Hardware.of(told.isa)
        default = self.task.default_script
        space = ProgramSpace(told.bound, hardware, told.threads, told.strides, default)
        return space, Mask(space.trees, told.isa, told.threads, told.strides)

    # ---- candidates -------------------------------------------------------------------------
    def _measure_default(self, start: Proposal, proposer: Proposer) -> None:
        candidate = self._mask.admit(start.script)
        if candidate is None:
            raise InternalError("the default schedule cannot be built", start.script)
        self._submit(candidate)
        self._collect(start, proposer)
        if self.best is None:
            fault = self.history[-1].fault
            raise InternalError(f"the default schedule failed: {fault}", start.script)

    def _replay(self, proposer: Proposer) -> None:
        """Measure the best of an earlier search again: this machine may differ from that one."""
        for record in self.task.prior[:FINALISTS]:
            candidate = self._mask.admit(record.script)
            if candidate is not None and not self.meter.spent(len(self.history)):
                self._submit(candidate)
                self._collect(Proposal(record.script, record.slots), proposer)

    def _loop(self, proposer: Proposer) -> None:
        waiting: Proposal | None = None
        for proposal, candidate in self._admitted(proposer):
            if waiting is not None:
                self._collect(waiting, proposer)
            waiting = None
            if self.meter.spent(len(self.history)):
                break
            self._submit(candidate)
            waiting = proposal
            if self.meter.spent(len(self.history) + 1):
                break
        if waiting is not None:
            self._collect(waiting, proposer)

    def _admitted(self, proposer: Proposer) -> Iterator[tuple[Proposal, Candidate]]:
        idle = 0
        while idle < PATIENCE and not self.meter.spent(len(self.history)):
            proposal = proposer.propose()
            candidate = self._mask.admit(proposal.script) if proposal else None
            idle = 0 if candidate else idle + 1
            if proposal is not None and candidate is not None:
                yield proposal, candidate

    # ---- measuring --------------------------------------------------------------------------
    def _submit(self, candidate: Candidate) -> None:
        best_ns = self.best.timing.median_ns if self.best and self.best.timing else None
        limit_s = self.first_limit_s if best_ns is None else _limit_s(best_ns)
        self.measurer.submit(candidate.script, candidate.nest, best_ns, limit_s)

    def _collect(self, proposal: Proposal, proposer: Proposer) -> None:
        outcome = self.measurer.collect()
        timing = outcome.timing if isinstance(outcome, Measured) else None
        fault = outcome.kind if isinstance(outcome, CandidateFault) else None
        said = str(outcome) if isinstance(outcome, CandidateFault) else ""
        trial = Trial(proposal.script, timing, fault, said, self.meter.seconds, proposal.slots)
        self.history.append(trial)
        if timing is not None and (self.best is None or _faster(timing, self.best)):
            self.best = trial
        proposer.report(proposal, timing.median_ns if timing else None)
        self._tell()

    def _tell(self, left: str | None = None) -> None:
        if self.task.progress is None:
            return
        trials = len(self.history)
        faults = sum(trial.fault is not None for trial in self.history)
        best = self.best.timing if self.best else None
        left = self.meter.left(trials) if left is None else left
        self.task.progress(Progress(trials, self.meter.seconds, best, left, faults))

    def _finish(self) -> SearchResult:
        seconds = self.meter.seconds
        if not self.history or self.best is None:
            raise KeyboardInterrupt
        winner, timing, versus = self._decide()
        return SearchResult(
            script=winner.script,
            timing=timing,
            versus_default=versus,
            history=tuple(self.history),
            seconds=seconds,
            seed=self.task.seed,
            interrupted=self.interrupted,
            slots=winner.slots,
        )

    def _decide(self) -> tuple[Trial, Timing, Comparison]:
        """Time the best again; a user who interrupts that as well gets the search's own figures."""
        try:
            self._tell(left="")
            return decide(self.measurer, self.task.default_script, self.history)
        except KeyboardInterrupt:
            self.interrupted = True
            return decide_hastily(self.task.default_script, self.history)


def _faster(timing: Timing, best: Trial) -> bool:
    return best.timing is None or timing.median_ns < best.timing.median_ns


def _limit_s(best_ns: float) -> float:
    """A candidate may take a hundred times the best, all its samples together."""
    return max(LEAST_LIMIT_S, LIMIT_RATIO * best_ns * 1e-9)
