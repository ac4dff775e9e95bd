"""One PolyBench kernel: our schedules, rival schedules and C compilers, on equal data, in turn.

Contestants of a row, in this order:

    default, searched     our schedules
    pluto, isl            other schedulers' schedules, run by our code generator (if asked for)
    gcc, clang, polly     compilers on our C print, as far as they are installed; gcc is the measure
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

import numpy as np

import loopstack as ls
from bench.baselines import c_compiler
from bench.baselines.c_compiler import Bind
from bench.suites import polybench
from loopstack import _loopnest
from loopstack.errors import LoopStackError
from loopstack.kernel import Kernel
from loopstack.measure.inputs import NUMPY_DTYPE, extents
from loopstack.measure.timer import Timing
from loopstack.measure.work import flop_count

Arrays = dict[str, np.ndarray]
Make = Callable[[], Arrays]
OURS = ("default", "searched")
RIVALS = ("pluto", "isl")
PEERS = ("clang", "polly")
GCC = "gcc"
TOLERANCE = 1e-6
"""Largest relative difference of single precision and regrouped sums from the C compiler's."""
LEAST_ROUNDS, ROUNDS, MOST_ROUNDS = 2, 7, 40
SECONDS, ENOUGH_SECONDS = 12.0, 1.0
TURN_RUNS, TURN_SECONDS = 3, 0.5
"""Rounds end after ``SECONDS``; more than ``ROUNDS`` are run only for ``ENOUGH_SECONDS``.
In a round everyone has a turn of ``TURN_RUNS`` runs, fewer when they take ``TURN_SECONDS``.
"""
PAGE_BYTES = 4096


@dataclass(frozen=True)
class Measured:
    """Timings by contestant.

    ``differences``: the largest error against gcc's result, relative to the largest element of
    each array. ``notes``: why a contestant is missing or its result is not to be trusted.
    ``analysis_ms`` is the time to a schedule, ``compile_ms`` from there to machine code, in a
    process that has compiled another kernel before: loading the compiler is not counted.
    """

    kernel: str
    size: str
    threads: int
    timings: Mapping[str, Timing]
    differences: Mapping[str, float]
    analysis_ms: float
    compile_ms: float
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> str:
        return "searched" if "searched" in self.timings else "default"

    def is_right(self, name: str) -> bool:
        return self.differences.get(name, 0.0) <= TOLERANCE

    @property
    def wrong(self) -> list[str]:
        """Our own contestants with a wrong result, or that failed."""
        wrong = [n for n in (*OURS, *RIVALS) if n in self.timings and not self.is_right(n)]
        return wrong + [n for n in OURS if n in self.notes and n not in wrong]

    def ratio(self, ours: str, peer: str = GCC) -> float:
        """How many times faster than a peer, minimum against minimum."""
        return self.timings[peer].min_ns / self.timings[ours].min_ns

    def to_json(self) -> dict[str, Any]:
        timings = {name: timing.to_json() for name, timing in self.timings.items()}
        return {**self.__dict__, "timings": timings}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Measured:
        timings = {name: Timing.from_json(t) for name, t in value["timings"].items()}
        return Measured(**{**value, "timings": timings})


def measure(name: str, size: str, threads: int, search: str, rivals: bool) -> Measured:
    """Time one kernel. Raises LoopStackError when it does not compile."""
    function, sizes = polybench.load(name), polybench.sizes_of(name, size)
    _load_compiler()
    start = perf_counter_ns()
    kernel = function.specialize(sizes, threads=threads)
    schedule = kernel.specialization.default_schedule()
    analysed = perf_counter_ns()
    default = kernel.with_schedule(schedule)  # proven once more, as everyone's is
    proven = perf_counter_ns()
    _ = default.compiled
    compiled = perf_counter_ns()
    binds: dict[str, Bind] = {"default": bind_kernel(default)}
    notes: dict[str, str] = {}
    if search:
        _enter("searched", lambda: _searched(function, kernel, search), binds, notes)
    for rival in RIVALS if rivals else ():
        _enter(rival, lambda rival=rival: _rival(rival, kernel), binds, notes)
    binds[GCC] = c_compiler.make(default.program)
    for other in c_compiler.others(threads):
        _enter(
            other.name, lambda other=other: c_compiler.make(default.program, other), binds, notes
        )
    samples, results = contest(binds, maker(default, polybench.data_of(name, size)))
    checked = polybench.verification_of(name, size)
    if checked is not None:
        results = run_each(binds, maker(default, checked))
    flops = flop_count(default.program)
    return Measured(
        name, size, threads, {n: Timing(tuple(s), flops) for n, s in samples.items()},
        {n: difference(results[n], results[GCC]) for n in binds if n != GCC},
        (analysed - start) / 1e6, (compiled - proven) / 1e6, notes,
    )  # fmt: skip


@ls.affine
def _first(N: ls.size, A: ls.f64["N N"]):
    for i in range(1, N):
        for j in range(i):
            A[i, j] += A[i - 1, j]


def _load_compiler() -> None:
    """Compile another kernel: what is loaded on first use is loaded then."""
    _ = _first.specialize(N=8).compiled


# ---- who takes part -----------------------------------------------------------------------------
def _enter(
    name: str, make: Callable[[], Bind], binds: dict[str, Bind], notes: dict[str, str]
) -> None:
    """Add a contestant, or a note why there is none."""
    try:
        binds[name] = make()
    except LoopStackError as error:
        reason = str(error).splitlines()[0]
        notes[name] = (
            f"refused: {reason}" if name in RIVALS else f"{type(error).__name__}: {reason}"
        )


def bind_kernel(kernel: Kernel) -> Bind:
    """Return the kernel's machine code as a contestant; compiles it."""
    loaded = kernel.compiled.loaded

    def bind(arrays: Mapping[str, np.ndarray]) -> Callable[[], object]:
        addresses = [arrays[a.name].ctypes.data for a in kernel.program.arguments]
        return lambda: _loopnest.run(loaded, addresses, kernel.threads)

    return bind


def _searched(function: Any, kernel: Kernel, budget: str) -> Bind:
    spec = kernel.specialization
    found = function.search(spec.sizes, budget=budget, threads=kernel.threads)
    return bind_kernel(kernel.with_schedule(found.script))


def _rival(name: str, kernel: Kernel) -> Bind:
    import loopstack

    schedule = getattr(loopstack, name)(kernel)
    return bind_kernel(kernel.with_schedule(schedule))


# ---- running ------------------------------------------------------------------------------------
def maker(kernel: Kernel, data: Mapping[str, Any]) -> Make:
    """Return a function that makes fresh arguments: kernels work in place."""

    def make() -> Arrays:
        arrays = {}
        for a in kernel.program.arguments:
            arrays[a.name] = on_a_page(extents(a), NUMPY_DTYPE[a.dtype])
            arrays[a.name][...] = data.get(a.name, 0)
        return arrays

    return make


def on_a_page(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return zeros that begin on a page, where PolyBench/C has its arrays.

    Elsewhere every other vector of a small stencil may cross a line, for one contestant only.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + PAGE_BYTES, np.uint8)
    first = -memory.ctypes.data % PAGE_BYTES
    return memory[first : first + size].view(dtype).reshape(shape)


def contest(
    binds: Mapping[str, Bind], make: Make
) -> tuple[dict[str, list[float]], dict[str, Arrays]]:
    """Run the contestants in turn; return nanoseconds, and what each computed."""
    samples: dict[str, list[float]] = {name: [] for name in binds}
    results: dict[str, Arrays] = {}
    for _ in _rounds():
        for name, bind in binds.items():
            turn: list[float] = []
            while len(turn) < TURN_RUNS and sum(turn) < TURN_SECONDS * 1e9:
                results.pop(name, None)
                results[name] = make()
                call = bind(results[name])
                start = perf_counter_ns()
                call()
                turn.append(float(perf_counter_ns() - start))
            samples[name] += turn
    return samples, results


def _rounds() -> Iterator[int]:
    begin = perf_counter_ns()
    for number in range(MOST_ROUNDS):
        seconds = (perf_counter_ns() - begin) / 1e9
        enough = number >= LEAST_ROUNDS and seconds > SECONDS
        if enough or (number >= ROUNDS and seconds > ENOUGH_SECONDS):
            return
        yield number


def run_each(binds: Mapping[str, Bind], make: Make) -> dict[str, Arrays]:
    """Run every contestant once; return what each computed."""
    results = {name: make() for name in binds}
    for name, bind in binds.items():
        bind(results[name])()
    return results


def difference(found: Arrays, expected: Arrays) -> float:
    """Return the largest relative difference; elements that should be NaN are not compared."""
    worst = 0.0
    for name, array in expected.items():
        known = ~np.isnan(array.astype(float))
        if known.any():
            wanted, got = array[known].astype(float), found[name][known].astype(float)
            apart = float(np.abs(got - wanted).max()) / (float(np.abs(wanted).max()) or 1.0)
            worst = max(worst, float("inf") if np.isnan(apart) else apart)
    return worst
