"""One PolyBench kernel: our schedules against a C compiler, on equal data, in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np

from bench.baselines import c_compiler
from bench.suites import polybench
from loopstack.kernel import Kernel
from loopstack.measure.inputs import NUMPY_DTYPE, extents
from loopstack.measure.timer import Timing
from loopstack.measure.work import flop_count

Arrays = dict[str, np.ndarray]
Run = Callable[[Arrays], None]
ROUNDS = 7
LEAST_ROUNDS = 2
SECONDS = 12.0
"""A kernel's rounds end when they have taken this long."""


@dataclass(frozen=True)
class Measured:
    """Timings by contestant: ``default``, ``searched`` (if asked for), ``gcc``.

    ``difference`` is the largest error against the C compiler's result, relative to the largest
    element of each array; ``analysis_ms`` is the time to a schedule, ``compile_ms`` from there to
    machine code.
    """

    kernel: str
    size: str
    threads: int
    timings: Mapping[str, Timing]
    difference: float
    analysis_ms: float
    compile_ms: float

    @property
    def ours(self) -> str:
        return "searched" if "searched" in self.timings else "default"

    def ratio(self, ours: str) -> float:
        """How many times faster than gcc, minimum against minimum."""
        return self.timings["gcc"].min_ns / self.timings[ours].min_ns

    def to_json(self) -> dict[str, Any]:
        timings = {name: timing.to_json() for name, timing in self.timings.items()}
        return {**self.__dict__, "timings": timings}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Measured:
        timings = {name: Timing.from_json(t) for name, t in value["timings"].items()}
        return Measured(**{**value, "timings": timings})


def measure(name: str, size: str, threads: int, search: str) -> Measured:
    """Time one kernel. Raises LoopStackError when it does not compile or is wrong."""
    function, sizes = polybench.load(name), polybench.sizes_of(name, size)
    start = perf_counter_ns()
    kernel = function.specialize(sizes, threads=threads)
    default = kernel.with_schedule(kernel.specialization.default_schedule())
    analysed = perf_counter_ns()
    _ = default.compiled
    compiled = perf_counter_ns()
    runs: dict[str, Run] = {"default": default.run_on}
    if search:
        found = function.search(sizes, budget=search, threads=threads)
        runs["searched"] = kernel.with_schedule(found.script).run_on
    runs["gcc"] = c_compiler.make(default.program)
    make = _maker(default, polybench.data_of(name, size))
    samples, results = _contest(runs, make)
    flops = flop_count(default.program)
    return Measured(
        name, size, threads, {n: Timing(tuple(s), flops) for n, s in samples.items()},
        max(_difference(results[n], results["gcc"]) for n in runs if n != "gcc"),
        (analysed - start) / 1e6, (compiled - analysed) / 1e6,
    )  # fmt: skip


def _maker(kernel: Kernel, data: Mapping[str, Any]) -> Callable[[], Arrays]:
    """Return a function that makes fresh arguments: kernels work in place."""

    def make() -> Arrays:
        arrays = {}
        for a in kernel.program.arguments:
            arrays[a.name] = np.zeros(extents(a), NUMPY_DTYPE[a.dtype])
            arrays[a.name][...] = data.get(a.name, 0)
        return arrays

    return make


def _contest(
    runs: Mapping[str, Run], make: Callable[[], Arrays]
) -> tuple[dict[str, list[float]], dict[str, Arrays]]:
    """Run the contestants in turn; return nanoseconds, and what each computed."""
    samples: dict[str, list[float]] = {name: [] for name in runs}
    results: dict[str, Arrays] = {}
    begin = perf_counter_ns()
    for number in range(ROUNDS):
        if number >= LEAST_ROUNDS and perf_counter_ns() - begin > SECONDS * 1e9:
            break
        for name, run in runs.items():
            arrays = make()
            start = perf_counter_ns()
            run(arrays)
            samples[name].append(float(perf_counter_ns() - start))
            results[name] = arrays
    return samples, results


def _difference(found: Arrays, expected: Arrays) -> float:
    worst = 0.0
    for name, value in expected.items():
        if value.size:
            scale = float(np.abs(value).max()) or 1.0
            worst = max(worst, float(np.abs(found[name].astype(float) - value).max()) / scale)
    return worst
