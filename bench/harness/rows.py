"""One row of a suite: make the contestants, check that they agree, time them in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.baselines import numpy_, onnxruntime_
from loopstack.measure import Timing, contest
from loopstack.measure.inputs import NUMPY_DTYPE, default_inputs, extents
from loopstack.measure.work import flop_count

Call = Callable[[], object]
ROUNDS, QUICK_ROUNDS = 15, 7


@dataclass(frozen=True)
class Result:
    """A measured row: a timing per contestant; ``notes`` say who is missing and why."""

    suite: str
    row: str
    threads: int
    constant: bool
    timings: Mapping[str, Timing]
    flops: float
    notes: tuple[str, ...] = ()
    speedup: float | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        timings = {name: timing.to_json() for name, timing in self.timings.items()}
        return {**self.__dict__, "timings": timings, "notes": list(self.notes)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Result:
        timings = {name: Timing.from_json(t) for name, t in value["timings"].items()}
        return Result(**{**value, "timings": timings, "notes": tuple(value["notes"])})


@dataclass(frozen=True)
class Field:
    """The data of a row, and the kernel that all others must agree with."""

    row: Mapping[str, Any]
    threads: int
    kernel: Any
    inputs: dict[str, np.ndarray]
    out: np.ndarray

    @staticmethod
    def of(row: Mapping[str, Any], threads: int) -> Field:
        kernel = row["function"].specialize(row["sizes"], threads=threads)
        result = next(a for a in kernel.program.arguments if a.role == "output")
        out = np.empty(extents(result), NUMPY_DTYPE[result.dtype])
        return Field(row, threads, kernel, default_inputs(kernel.program), out)

    @property
    def arrays(self) -> list[np.ndarray]:
        return list(self.inputs.values())


def measure_row(
    suite: str, row: Mapping[str, Any], threads: int, quick: bool, search: str, constant: bool
) -> Result:
    """Time our kernel (default schedule, and searched) and the baselines, interleaved."""
    arena = Field.of(row, threads)
    calls, notes, speedup = {}, [], None
    calls.update(_constant_call(arena, notes) if constant else _ours(arena))
    if search and not constant:
        found = row["function"].search(row["sizes"], budget=search, threads=threads)
        calls.update(_searched(arena, found))
        speedup = found.speedup
    calls.update(_baselines(arena, constant, notes))
    _check(arena, calls)
    timings = contest(calls, QUICK_ROUNDS if quick else ROUNDS, threads)
    flops = flop_count(arena.kernel.program)
    dressed = {name: Timing(t.samples, flops) for name, t in timings.items()}
    return Result(
        suite, row["name"], threads, constant, dressed, flops, tuple(notes), speedup, row["sizes"]
    )


def _ours(arena: Field) -> dict[str, Call]:
    kernel = arena.kernel.with_schedule(arena.kernel.specialization.default_schedule())
    arrays, out = arena.arrays, arena.out
    return {"default": lambda: kernel(*arrays, out=out)}


def _searched(arena: Field, found: Any) -> dict[str, Call]:
    kernel, arrays = arena.kernel.with_schedule(found.script), arena.arrays
    out = np.empty_like(arena.out)
    return {"searched": lambda: kernel(*arrays, out=out)}


def _constant_call(arena: Field, notes: list[str]) -> dict[str, Call]:
    name = arena.row["constant"]
    kernel = arena.row["function"].specialize(
        arena.row["sizes"], const={name: arena.inputs[name]}, threads=arena.threads
    )
    rest = [array for n, array in arena.inputs.items() if n != name]
    return {"constant": lambda: kernel(*rest, out=arena.out)}


def _baselines(arena: Field, constant: bool, notes: list[str]) -> dict[str, Call]:
    calls: dict[str, Call] = {}
    numpy_call = numpy_.make(arena.row, arena.arrays, arena.out)
    if numpy_call is not None:
        calls["numpy"] = numpy_call
    missing = onnxruntime_.available()
    if missing:
        notes.append(missing)
        return calls
    fixed = arena.row["constant"] if constant else None
    calls["onnxruntime"] = onnxruntime_.make(
        arena.row, list(arena.inputs), arena.arrays, arena.out, arena.threads, fixed
    )
    return calls


def _check(arena: Field, calls: Mapping[str, Call]) -> None:
    """Our kernel is checked against the oracle; the baselines are trusted."""
    arena.kernel.check()
    for call in calls.values():
        call()
