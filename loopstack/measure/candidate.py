"""One candidate, inside one process: script -> machine code -> checked -> timed.

A :class:`Laboratory` holds what all candidates of a task share: data, the expected result, and the
code compiled so far. Faults that can be named here are raised as CandidateFault; those that
cannot (a crash, a hang) are the business of the process around it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from loopstack.errors import (
    ArgumentError,
    CandidateFault,
    IllegalSchedule,
    LoopStackError,
    ScheduleSyntaxError,
    WrongResult,
)
from loopstack.measure.execute import Executable, Workbench, compile_text
from loopstack.measure.inputs import load_inputs
from loopstack.measure.oracle import Expected, expected_results
from loopstack.measure.paired import interleave
from loopstack.measure.task import MeasureTask
from loopstack.measure.timer import SEARCH, SamplingPolicy, Timing, sample
from loopstack.measure.work import flop_count

KEPT_KERNELS = 64
HOPELESS_RATIO = 5.0
"""A candidate whose first (cold) run is this much slower than the best is not run again."""
LONG_RUN_NS = 500_000_000.0
"""A first (cold) run of this length is as good as a warm one: caches are nothing to it."""
DUEL = SamplingPolicy(sample_ns=200_000.0)


@dataclass(frozen=True)
class Measured:
    """A candidate that was right: its timing, and what making it cost."""

    timing: Timing
    compile_ns: float

    def to_json(self) -> dict[str, Any]:
        return {"timing": self.timing.to_json(), "compile_ns": self.compile_ns}

    @staticmethod
    def from_json(value: dict[str, Any]) -> Measured:
        return Measured(Timing.from_json(value["timing"]), value["compile_ns"])


class Laboratory:
    """Everything needed to judge candidates of one task."""

    def __init__(self, task: MeasureTask, cache: Path | None = None) -> None:
        self.task = task
        data = load_inputs(task.inputs) if task.inputs else None
        self._bench = Workbench(task.bound, data, task.seed, task.strides)
        self._cache = cache
        self._flops = flop_count(task.bound)
        self._kernels: OrderedDict[str, Executable] = OrderedDict()

    @cached_property
    def expected(self) -> Expected:
        """What a run should give; computed when first needed."""
        return expected_results(self.task, self._bench, self._cache)

    def measure(
        self, script: str, nest: str | None = None, best_ns: float | None = None
    ) -> Measured:
        """Compile, check and time one schedule.

        ``nest`` is its lowered text where the caller already has it. Raises CandidateFault.
        """
        start = perf_counter_ns()
        kernel = self._compile(script, nest)
        compile_ns = perf_counter_ns() - start
        first_ns = self._check(kernel)
        timing = Timing((first_ns,))
        hopeless = best_ns is not None and first_ns >= HOPELESS_RATIO * best_ns
        if not hopeless and first_ns < LONG_RUN_NS:
            timing = sample(kernel.run, SEARCH, best_ns)
        self._keep(script, kernel)
        return Measured(self._dress(timing), compile_ns)

    def time(self, nest: str, policy: SamplingPolicy | None = None) -> Timing:
        """Time a nest text with care and without checking its result."""
        kernel = Executable(compile_text(nest, self.task.isa), self._bench, self.task.threads)
        return self._dress(sample(kernel.run, policy))

    def duel(self, scripts: Sequence[str], rounds: int) -> list[Timing]:
        """Time several schedules interleaved; each was measured, or is checked now."""
        kernels = {script: self._kernel(script) for script in scripts}
        runs = {script: kernel.run for script, kernel in kernels.items()}
        timings = interleave(runs, rounds, DUEL)
        return [self._dress(timings[script]) for script in scripts]

    def _kernel(self, script: str) -> Executable:
        if script not in self._kernels:
            kernel = self._compile(script, None)
            self._check(kernel)
            self._keep(script, kernel)
        return self._kernels[script]

    def _keep(self, script: str, kernel: Executable) -> None:
        self._kernels[script] = kernel
        while len(self._kernels) > KEPT_KERNELS:
            self._kernels.popitem(last=False)

    def _compile(self, script: str, nest: str | None) -> Executable:
        try:
            loaded = compile_text(nest or self._lower(script), self.task.isa)
        except (ArgumentError, IllegalSchedule, ScheduleSyntaxError) as error:
            raise CandidateFault(str(error), "illegal") from error
        except (LoopStackError, AssertionError, ValueError, KeyError, RuntimeError) as error:
            raise CandidateFault(f"{type(error).__name__}: {error}", "compile") from error
        return Executable(loaded, self._bench, self.task.threads)

    def _lower(self, script: str) -> str:
        from loopstack.lower.pipeline import lower
        from loopstack.schedule.script import Schedule, check

        tree = check(Schedule.parse(script), self.task.bound)
        return lower(tree, self.task.isa, dict(self.task.strides), self.task.threads)

    def _check(self, kernel: Executable) -> float:
        """Run once and compare; return how long the run took."""
        expected = self.expected
        self._bench.reset()
        time_ns = kernel.once()
        damage = self._bench.damage()
        if damage:
            raise CandidateFault(damage, "wrong")
        try:
            expected.compare(self._bench.results)
        except WrongResult as error:
            raise CandidateFault(str(error), "wrong") from error
        return time_ns

    def _dress(self, timing: Timing) -> Timing:
        return Timing(timing.samples, self._flops, self.task.peak_gflops)
