"""What a candidate's result is compared with, and how closely.

    small enough   the interpreter itself, with its computed error bounds
    larger         tier two: the program as scalar code, nothing but loops put into the order of
                   memory. It is first held against the interpreter at small sizes, then run once at
                   full size. Its error bound is the interpreter's at the small sizes, grown with
                   the work per element. Recurrences may amplify rounding errors by more: how far
                   results move when the data do by one rounding counts as well.

The results are kept on disk where the caller says so: a restarted worker need not repeat them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from loopstack.errors import WrongResult
from loopstack.ir.loop_tree import Tree
from loopstack.ir.program import Program
from loopstack.measure.execute import Executable, Workbench, compile_text
from loopstack.measure.inputs import default_inputs, extents
from loopstack.measure.task import MeasureTask, Strides
from loopstack.measure.work import domain_size

Arrays = Mapping[str, np.ndarray[Any, Any]]
INTERPRETED_POINTS = 500_000
SMALL_POINTS = 20_000
SMALL_SIZE = 9
BOUND_SLACK = 4.0
"""Both sides of a tier-two comparison have errors, and small sizes may miss the worst case."""

PERTURBED_POINTS = 50_000_000
"""Programs with more instances are not run a second time to see how far results move."""
MOST_MOVED = 1e-8
"""Share of a result's size that no amplified rounding error may exceed: wrong results do."""


@dataclass(frozen=True)
class Expected:
    """Results per written argument, and the absolute error allowed (an array or one figure)."""

    results: Arrays
    bounds: Arrays

    def compare(self, found: Arrays) -> None:
        """Raise WrongResult with the first element that is too far off."""
        from loopstack.reference.tolerance import compare

        for name, expected in self.results.items():
            if self._surely_close(name, found[name]):
                continue
            mismatch = compare(found[name], expected, self.bounds[name])
            if mismatch is not None:
                raise WrongResult(f"{name}{mismatch}")

    @cached_property
    def _narrow_bounds(self) -> dict[str, np.ndarray[Any, Any]]:
        """Bounds in each result's own dtype, less what rounding may add to a difference."""
        return {
            name: (self.bounds[name] * (1.0 - 1e-6)).astype(result.dtype)
            for name, result in self.results.items()
            if result.dtype.kind == "f"
        }

    def _surely_close(self, name: str, found: np.ndarray[Any, Any]) -> bool:
        """A cheap test that most results pass; those that fail are compared exactly."""
        bound = self._narrow_bounds.get(name)
        if bound is None or found.shape != self.results[name].shape:
            return False
        with np.errstate(invalid="ignore"):
            return bool((np.abs(found - self.results[name]) <= bound).all())

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file."""
        named: dict[str, Any] = {f"result {n}": a for n, a in self.results.items()}
        named |= {f"bound {n}": a for n, a in self.bounds.items()}
        np.savez(path, **named)

    @staticmethod
    def load(path: Path) -> Expected:
        """Read what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        parts: dict[str, dict[str, Any]] = {"result": {}, "bound": {}}
        for name, array in arrays.items():
            kind, of = name.split(" ", 1)
            parts[kind][of] = array
        return Expected(parts["result"], parts["bound"])


def expected_results(task: MeasureTask, bench: Workbench, cache: Path | None = None) -> Expected:
    """Return what a run on the bench's data should give, from the cache where it has that."""
    if cache is not None and cache.exists():
        return Expected.load(cache)
    expected = compute_expected(task, bench)
    if cache is not None:
        expected.save(cache)
    return expected


def compute_expected(task: MeasureTask, bench: Workbench) -> Expected:
    """Choose the tier by the number of statement instances."""
    if instances(task.bound) <= INTERPRETED_POINTS:
        return interpret(task.bound, bench.data)
    small = small_program(task)
    relative = validate_scalar(small, task) if small is not None else 0.0
    results = run_scalar(task.bound, bench, task.isa, task.strides)
    growth = work_per_element(task.bound) / max(work_per_element(small or task.bound), 1.0)
    allowed = BOUND_SLACK * max(growth, 1.0) * relative
    moved = amplified(task, bench, results)
    bounds = {
        name: np.maximum(_absolute(allowed, array), moved.get(name, 0.0))
        for name, array in results.items()
    }
    return Expected(results, bounds)


def amplified(task: MeasureTask, bench: Workbench, results: Arrays) -> dict[str, float]:
    """Return absolute errors that one rounding of the data grows to, for double precision results.

    Each of the ``work_per_element`` roundings on the way may grow likewise.
    """
    program = task.bound
    if not reads_what_it_writes(program) or instances(program) > PERTURBED_POINTS:
        return {}
    signs = np.random.default_rng(task.seed)
    data = {
        name: array * (1.0 + np.finfo(np.float64).eps * signs.choice((-1.0, 1.0), array.shape))
        if array.dtype == np.float64 else array
        for name, array in bench.data.items()
    }  # fmt: skip
    other = run_scalar(
        program, Workbench(program, data, task.seed, task.strides), task.isa, task.strides
    )
    steps = BOUND_SLACK * work_per_element(program)
    return {
        name: min(steps * _farthest(other[name], result), MOST_MOVED * _scale(result))
        for name, result in results.items()
        if result.dtype == np.float64
    }


def reads_what_it_writes(program: Program) -> bool:
    """Tell whether results go into other results."""
    written = {s.write.array for s in program.statements}
    return any(load.array in written for s in program.statements for load in s.reads)


def _farthest(moved: np.ndarray[Any, Any], result: np.ndarray[Any, Any]) -> float:
    """Return the largest finite difference."""
    distance = np.abs(moved - result)
    return float(distance[np.isfinite(distance)].max(initial=0.0))


def interpret(program: Program, data: Arrays) -> Expected:
    """Run the interpreter with error bounds."""
    from loopstack.reference.tolerance import reference

    found = reference(program, data)
    return Expected(
        {name: result for name, (result, _) in found.items()},
        {name: bound for name, (_, bound) in found.items()},
    )


def run_scalar(
    program: Program, bench: Workbench, isa: str, strides: Strides | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Run scalar code once, on one thread, and return copies of what it wrote."""
    from loopstack.lower.pipeline import lower

    text = lower(scalar_tree(program, strides or {}), isa, dict(strides or {}), 1)
    bench.reset()
    Executable(compile_text(text, isa), bench, 1).once()
    return {name: array.copy() for name, array in bench.results.items()}


def scalar_tree(program: Program, strides: Strides) -> Tree:
    """Return the program's own loops, each nest in the order of memory where that is legal."""
    from loopstack.schedule.greedy import Draft

    draft = Draft(program)
    for name in program.statement_by_name:
        line = memory_order(program, name, strides)
        if line is not None:
            draft.attempt([line])
    return draft.tree


def memory_order(program: Program, name: str, strides: Strides) -> str | None:
    """Return a ``reorder`` that puts the index of most unit-stride accesses innermost."""
    from loopstack.schedule.access_shape import statement_shape

    shape = statement_shape(program, program.statement(name), strides)
    accesses, indices = (*shape.reads, shape.write), shape.statement.indices
    hits = {i: sum(a.stride(i) == 1 for a in accesses) for i in indices}
    ordered = sorted(indices, key=lambda i: hits[i])
    return None if ordered == list(indices) else f"reorder {name} {' '.join(ordered)}"


def validate_scalar(small: Program, task: MeasureTask) -> float:
    """Hold tier two against the interpreter; return the largest relative error bound.

    Raises WrongResult when they disagree.
    """
    data = default_inputs(small, task.seed)
    expected = interpret(small, data)
    expected.compare(run_scalar(small, Workbench(small, data), task.isa))
    shares = [
        float((bound / np.maximum(np.abs(result), _scale(result))).max(initial=0.0))
        for result, bound in zip(expected.results.values(), expected.bounds.values())
        if result.dtype.kind == "f"
    ]
    return max((share for share in shares if np.isfinite(share)), default=0.0)


def _absolute(relative: float, result: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if result.dtype.kind != "f":
        return np.asarray(0.0)
    magnitude = np.abs(np.where(np.isfinite(result), result, 0.0)).astype(np.float64)
    return np.asarray(relative * np.maximum(magnitude, _scale(result)))


def _scale(result: np.ndarray[Any, Any]) -> float:
    """Typical size of an array's elements: small ones may come from cancellation."""
    finite = result[np.isfinite(result)].astype(np.float64)
    return float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0


def small_program(task: MeasureTask) -> Program | None:
    """Bind sizes cut down until the interpreter can follow; None when that leaves no program."""
    from loopstack.ir.reader import read_program

    program = read_program(task.program)
    for cap in range(SMALL_SIZE, 0, -1):
        sizes = {name: min(size, cap) for name, size in task.sizes.items()}
        if not all(r.holds(program.size_values(sizes)) for r in program.requirements):
            continue  # an access would leave its array
        bound = program.bind(sizes)
        if any(n < 0 for array in bound.arrays for n in extents(array)):
            return None
        if instances(bound) <= SMALL_POINTS:
            return bound
    return None


def instances(program: Program) -> float:
    """Return how many statement instances one run has."""
    return sum(map(domain_size, program.statements))


def work_per_element(program: Program) -> float:
    """Return instances per written element, summed over statements: what rounding grows with."""
    total = 0.0
    for statement in program.statements:
        image = np.prod([max(n, 1) for n in extents(program.array(statement.write.array))])
        total += domain_size(statement) / float(image)
    return total
