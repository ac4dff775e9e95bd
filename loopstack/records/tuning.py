"""One search, from the question to the stored record.

A strategy is a callable ``strategy(task: SearchTask) -> SearchResult``, registered under a name in
the entry-point group ``loopstack.strategies``; nothing here knows which ones exist. ``rank`` on it
(default 0) orders strategies for ``"auto"``: the highest wins.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from loopstack.errors import ArgumentError, StoreError
from loopstack.measure.paired import Comparison
from loopstack.measure.roofline import float_type
from loopstack.measure.task import MeasureTask
from loopstack.measure.timer import Timing
from loopstack.records.keys import RecordKey, make_key
from loopstack.records.lookup import default_store
from loopstack.records.record import Record, provenance
from loopstack.records.store import Store

if TYPE_CHECKING:
    from loopstack.ir.program import Program
    from loopstack.schedule.script import Schedule

    InputMaker = Callable[[Mapping[str, int], int], Mapping[str, "np.ndarray[Any, Any]"]]

GROUP = "loopstack.strategies"
KEPT_TRIALS = 24
"""Trials of one search that are stored beside its winner, for a later ``resume``."""


class Specialization(Protocol):
    """What is to be searched: a program at fixed sizes, for one target."""

    @property
    def program(self) -> Program: ...
    @property
    def sizes(self) -> Mapping[str, int]: ...
    @property
    def isa(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def strides(self) -> Mapping[str, tuple[int, ...]]: ...
    def default_schedule(self) -> Schedule: ...


@dataclass(frozen=True)
class Progress:
    """What a search tells while it runs.

    ``left`` is a short text, ``12 s`` or ``40 trials``; empty while the best are timed once more.
    """

    trials: int
    seconds: float
    best: Timing | None
    left: str
    faults: int = 0


@dataclass(frozen=True)
class Trial:
    """One candidate: its script, and its timing or the kind of its fault with what it said.

    ``sizes``: where it was timed, when that was a smaller proxy of the program in question.
    """

    script: str
    timing: Timing | None = None
    fault: str | None = None
    said: str = ""
    seconds: float = 0.0
    slots: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchTask:
    """What a strategy gets. ``prior`` are earlier records of the same key, best first.

    ``at_sizes`` makes the measuring task of the same program at other sizes, with data of the same
    origin; None where that makes no sense.
    """

    measure: MeasureTask
    default_script: str
    budget: str = "10s"
    seed: int = 0
    prior: Sequence[Record] = ()
    progress: Callable[[Progress], None] | None = None
    at_sizes: Callable[[Mapping[str, int]], MeasureTask] | None = None


@dataclass(frozen=True, repr=False)
class SearchResult:
    """The best schedule found, and how. ``versus_default`` was timed in pairs; its ``ratio`` is
    the speed-up over the default schedule, never below 1 but for noise. ``stored``: the record is
    in the store. ``proxy``: the smaller sizes at which most candidates were timed, if any."""

    script: str
    timing: Timing
    versus_default: Comparison
    history: tuple[Trial, ...]
    seconds: float
    strategy: str = ""
    seed: int = 0
    interrupted: bool = False
    slots: Mapping[str, Any] = field(default_factory=dict)
    stored: bool = False
    proxy: Mapping[str, int] = field(default_factory=dict)

    @property
    def schedule(self) -> Schedule:
        from loopstack.schedule.script import Schedule

        return Schedule.parse(self.script)

    @property
    def trials(self) -> int:
        return len(self.history)

    @property
    def rate(self) -> float:
        """Candidates checked and measured per second."""
        return self.trials / self.seconds if self.seconds else 0.0

    @property
    def speedup(self) -> float:
        return self.versus_default.ratio

    @property
    def kept_default(self) -> bool:
        """Whether nothing was found that beats the default schedule."""
        return self.versus_default.a == self.versus_default.b

    def __repr__(self) -> str:
        found = "default kept" if self.kept_default else f"{self.speedup:.2f}x the default"
        return (
            f"<SearchResult {found}, {self.timing}; tried {self.trials} in {self.seconds:.1f} s, "
            f"strategy {self.strategy}>"
        )


Strategy = Callable[[SearchTask], SearchResult]
ProgressOption = Callable[[Progress], None] | bool


def strategies() -> dict[str, Strategy]:
    """Load every installed strategy, by name."""
    return {point.name: point.load() for point in sorted(entry_points(group=GROUP))}


def find_strategy(name: str = "auto") -> tuple[str, Strategy]:
    """Return (name, strategy); ``auto`` is the installed one of highest rank.

    Raises ArgumentError, with the list of names, when there is none.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name != "auto" and name in points:
        return name, points[name].load()
    installed = strategies()
    if name == "auto" and installed:
        best = max(sorted(installed), key=lambda n: getattr(installed[n], "rank", 0))
        return best, installed[best]
    listed = ", ".join(["auto", *sorted(points)]) if points else "none is installed"
    raise ArgumentError(f"unknown strategy {name!r}; strategies: {listed}")


def tune(
    spec: Specialization,
    *,
    budget: str = "10s",
    strategy: str = "auto",
    seed: int = 0,
    resume: bool = False,
    progress: ProgressOption = False,
    make_inputs: InputMaker | None = None,
    store: Store | None = None,
) -> SearchResult:
    """Search a schedule, store the winner and the best trials; return what was found.

    ``progress`` is a callback, or True for one line a second on standard error. With ``resume``,
    earlier records of the same key are handed to the strategy to go on from.
    """
    name, run = find_strategy(strategy)
    callback = progress_callback(progress)
    store = store or default_store()
    store.check_writable()
    key = make_key(spec.program, spec.sizes, spec.isa, spec.threads, spec.strides)
    prior = tuple(store.history(key)) if resume else ()
    with tempfile.TemporaryDirectory(prefix="loopstack-") as folder:
        inputs = InputFiles(make_inputs, seed, Path(folder))
        told = measure_task(spec, seed, inputs.at(spec.sizes))

        def at_sizes(sizes: Mapping[str, int]) -> MeasureTask:
            return replace(told, sizes=dict(sizes), inputs=inputs.at(sizes))

        task = SearchTask(
            measure=told,
            default_script=str(spec.default_schedule()),
            budget=budget,
            seed=seed,
            prior=prior,
            progress=callback,
            at_sizes=None if told.strides else at_sizes,
        )
        result = replace(run(task), strategy=name, seed=seed)
    return replace(result, stored=_keep(store, records_of(result, key, task.measure)))


def _keep(store: Store, records: Sequence[Record]) -> bool:
    """Store records; a store that fails now must not cost the user the result of a long search."""
    try:
        store.add(*records)
    except StoreError as error:
        warnings.warn(f"the schedule found was not stored: {error}", stacklevel=4)
        return False
    return True


def measure_task(spec: Specialization, seed: int = 0, inputs: str | None = None) -> MeasureTask:
    """Return what a measuring process needs to know about a specialisation.

    Raises ArgumentError for a seed that is no integer >= 0.
    """
    _check_seed(seed)
    from loopstack.ir.printer import print_program
    from loopstack.machine.peaks import fma_peak

    return MeasureTask(
        program=print_program(spec.program),
        sizes=dict(spec.sizes),
        isa=spec.isa,
        threads=spec.threads,
        seed=int(seed),
        strides={name: tuple(steps) for name, steps in spec.strides.items()},
        inputs=inputs,
        peak_gflops=fma_peak(spec.isa, float_type(spec.program), spec.threads) / 1e9,
    )


def _check_seed(seed: object) -> None:
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ArgumentError(f"seed must be an integer >= 0, found {seed!r}")


@dataclass(frozen=True)
class InputFiles:
    """The arrays of a user's input function, kept in files while workers need them."""

    make: InputMaker | None
    seed: int
    folder: Path

    def at(self, sizes: Mapping[str, int]) -> str | None:
        """Return the path of the arrays at these sizes; None for default data."""
        if self.make is None:
            return None
        path = self.folder / ("_".join(map(str, sizes.values())) + ".npz")
        if not path.exists():
            arrays: dict[str, Any] = dict(self.make(sizes, self.seed))
            np.savez(path, **arrays)
        return str(path)


def progress_callback(option: ProgressOption) -> Callable[[Progress], None] | None:
    """Return the callback an option stands for. Raises ArgumentError."""
    if option is True:
        return PrintedProgress()
    if not (option is None or option is False or callable(option)):
        raise ArgumentError(f"progress must be True, False or a function, found {option!r}")
    return option or None


class PrintedProgress:
    """Prints a line on standard error, once a second at most."""

    def __init__(self) -> None:
        self._last_s = -1.0

    def __call__(self, progress: Progress) -> None:
        if progress.seconds - self._last_s < 1.0:
            return
        self._last_s = progress.seconds
        best = f"best {progress.best}" if progress.best else "nothing measured yet"
        left = f"{progress.left} left" if progress.left else "timing the best once more"
        print(f"{progress.trials} candidates, {left}, {best}", file=sys.stderr)


def records_of(result: SearchResult, key: RecordKey, task: MeasureTask) -> list[Record]:
    """Return the records of a finished search: the winner, then its best trials."""
    where = provenance()

    def made(script: str, timing: Timing, slots: Mapping[str, Any], final: bool) -> Record:
        return Record(
            key=key,
            script=script,
            samples_ns=timing.samples,
            source=task.program,
            flops=timing.flops,
            strategy=result.strategy,
            seed=result.seed,
            final=final,
            slots=slots,
            **where,
        )

    here = [trial for trial in result.history if not trial.sizes]
    timed = [(t.timing.median_ns, n, t) for n, t in enumerate(here) if t.timing]
    best = [trial for _, _, trial in sorted(timed)[:KEPT_TRIALS]]
    trials = [made(t.script, t.timing, t.slots, False) for t in best if t.timing]
    return [made(result.script, result.timing, result.slots, True), *trials]
