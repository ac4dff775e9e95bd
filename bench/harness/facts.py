"""Figures without a peer, one function each. Run as ``python -m bench.harness.facts``.

Options (JSON on standard input): {"quick": bool}. One JSON line a figure.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from time import perf_counter_ns
from typing import Any

import numpy as np

from bench.harness.child import load_suite
from loopstack.errors import LoopStackError
from loopstack.measure import SamplingPolicy, sample
from loopstack.measure.timer import format_ns, wall_clock
from loopstack.measure.worker import prefer_steady_scheduling

Fact = dict[str, Any]
POLICY = SamplingPolicy(sample_ns=5_000_000.0, total_ns=300_000_000.0)


def fraction_of_peak(matmul: Any, quick: bool) -> Iterator[Fact]:
    """GEMM rates over the measured FMA peak, for the widest instruction set and for AVX2."""
    from loopstack import knobs
    from loopstack.machine.features import detect

    for isa in dict.fromkeys([detect().best(), *(i for i in detect().isas if i == "avx2")]):
        with knobs.scope(isa=isa):
            for size in (256, 512) if quick else (256, 512, 1024):
                timing = matmul.specialize(m=size, n=size, k=size, threads=1).time()
                share = timing.fraction_of_peak
                text = f"{timing.gflops:.1f} GFLOP/s, {100 * share:.0f} % of measured peak"
                yield _fact(f"gemm {size} {isa} 1t", share, text, timing.samples)


def generation_time(matmul: Any, quick: bool) -> Iterator[Fact]:
    """The packed product: nest text to machine code, schedule to callable; always a fresh size."""
    from loopstack.runtime.jit import generate

    code, whole = [], []
    for size in range(512, 832 if quick else 1152, 16):
        kernel = matmul.specialize(m=size, n=size, k=size, threads=1)
        schedule = kernel.specialization.default_schedule()
        start = perf_counter_ns()
        _ = kernel.with_schedule(schedule).callable
        whole.append(perf_counter_ns() - start)
        nest = kernel.nest
        start = perf_counter_ns()
        generate(nest, kernel.isa)
        code.append(perf_counter_ns() - start)
    yield _fact(
        "code generation", statistics.median(code), format_ns(statistics.median(code)), code
    )
    median = statistics.median(whole)
    yield _fact("schedule to callable", median, format_ns(median), whole)


def call_overhead(matmul: Any, quick: bool) -> Iterator[Fact]:
    """A 1x1x1 product called with out=, against a Python function that does nothing."""
    a, b, c = (np.ones((1, 1), np.float32) for _ in range(3))
    matmul(a, b, out=c)

    def empty(x: object, y: object, out: object = None) -> None:
        return None

    ours = sample(wall_clock(lambda: matmul(a, b, out=c)), POLICY).min_ns
    nothing = sample(wall_clock(lambda: empty(a, b, out=c)), POLICY).min_ns
    text = f"{ours - nothing:.0f} ns over an empty function ({ours:.0f} against {nothing:.0f})"
    yield _fact("call overhead", ours - nothing, text, [ours, nothing])


def import_time(matmul: Any, quick: bool) -> Iterator[Fact]:
    """What ``import loopstack`` adds to ``import numpy``, the least of several processes."""

    def least(statement: str) -> float:
        code = f"from time import perf_counter_ns as t; s = t(); {statement}; print(t() - s)"
        command = [sys.executable, "-c", code]
        return float(min(int(subprocess.check_output(command)) for _ in range(3 if quick else 10)))

    both, numpy = least("import numpy, loopstack"), least("import numpy")
    text = f"{format_ns(both - numpy)} over import numpy ({format_ns(numpy)})"
    yield _fact("import loopstack", both - numpy, text, [both, numpy])


def search_rate(matmul: Any, quick: bool) -> Iterator[Fact]:
    """Candidates checked and measured per second on a 128^3 product, one thread."""
    budget = "3s" if quick else "10s"
    found = matmul.search(m=128, n=128, k=128, budget=budget, threads=1, strategy="evolve")
    faults = sum(trial.fault is not None for trial in found.history)
    text = (
        f"{found.rate:.0f} candidates/s ({found.trials} in {found.seconds:.1f} s, {faults} failed)"
    )
    yield _fact("search rate", found.rate, text, [found.rate])


def _fact(name: str, value: float, text: str, samples: Any) -> Fact:
    return {"name": name, "value": value, "text": text, "samples": list(samples)}


FACTS: tuple[Callable[[Any, bool], Iterator[Fact]], ...] = (
    fraction_of_peak,
    generation_time,
    call_overhead,
    import_time,
    search_rate,
)


def main() -> None:
    """Measure every figure; one that fails says why."""
    quick = json.load(sys.stdin)["quick"]
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prefer_steady_scheduling()
    matmul = load_suite("gemm").matmul
    for measure in FACTS:
        try:
            for fact in measure(matmul, quick):
                results.write(json.dumps(fact) + "\n")
                results.flush()
        except LoopStackError as error:
            results.write(json.dumps({"failed": f"{measure.__name__}: {error}"}) + "\n")


if __name__ == "__main__":
    main()
