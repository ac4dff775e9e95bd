"""Machine code with its data: the one place where measuring meets the runtime.

An :class:`Executable` owns nothing but the compiled nest; the arrays belong to its
:class:`Workbench`, which all candidates of a task share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopstack.ir.program import Program
from loopstack.measure.inputs import NUMPY_DTYPE, Guarded, default_inputs, extents
from loopstack.measure.task import Strides

POISON_BYTE = 0xFF
"""All bytes set: a NaN as f32 and f64, -1 as an integer."""


class Workbench:
    """Guarded arrays for every argument of a bound program, filled and refillable."""

    def __init__(
        self,
        program: Program,
        data: Mapping[str, np.ndarray[Any, Any]] | None = None,
        seed: int = 0,
        strides: Strides | None = None,
    ) -> None:
        self.program = program
        self.data = dict(data) if data is not None else default_inputs(program, seed)
        self._slots = {
            a.name: Guarded(extents(a), NUMPY_DTYPE[a.dtype], (strides or {}).get(a.name))
            for a in program.arguments
        }
        self._inout = [a.name for a in program.arguments if a.role == "inout"]
        self.reset()
        self._pristine = {name: self._slots[name].data.copy() for name in self._inout}
        self.addresses = [slot.array.ctypes.data for slot in self._slots.values()]
        self.restore = [self._copy_back(name) for name in self._inout]
        """(destination, source, bytes) of what must be put back before each run."""

    def _copy_back(self, name: str) -> tuple[int, int, int]:
        data, saved = self._slots[name].data, self._pristine[name]
        return data.ctypes.data, saved.ctypes.data, saved.nbytes

    def reset(self) -> None:
        """Fill inputs, and poison outputs so that an element nobody writes is noticed."""
        for array in self.program.arguments:
            slot = self._slots[array.name]
            if array.role == "output":
                slot.data[:] = POISON_BYTE
            else:
                slot.array[...] = self.data[array.name]

    @property
    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        return {name: slot.array for name, slot in self._slots.items()}

    @property
    def results(self) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays a run may write."""
        kept = {a.name for a in self.program.arguments if a.role in ("output", "inout")}
        return {name: array for name, array in self.arrays.items() if name in kept}

    def damage(self) -> str | None:
        """Say what a run wrote that it should not have; None when all is well."""
        for name, slot in self._slots.items():
            if not slot.intact():
                return f"wrote outside array {name!r}"
        for name in self._slots.keys() - self.results.keys():
            if not np.array_equal(self._slots[name].array, self.data[name]):
                return f"wrote to input array {name!r}"
        return None


class Executable:
    """A compiled nest bound to a workbench's arrays."""

    def __init__(self, compiled: Any, bench: Workbench, threads: int) -> None:
        self._compiled, self._bench, self._threads = compiled, bench, threads

    def once(self) -> float:
        """Run on the arrays as they are (results stay in them); return nanoseconds."""
        return self._time(1, 1, [])[0]

    def run(self, samples: int, repeats: int) -> Sequence[float]:
        """Return nanoseconds per run; in-place arrays are restored outside the timer."""
        return self._time(samples, repeats, self._bench.restore)

    def _time(
        self, samples: int, repeats: int, restore: list[tuple[int, int, int]]
    ) -> Sequence[float]:
        from loopstack import _loopnest

        times: Sequence[float] = _loopnest.time_runs(
            self._compiled.loaded, self._bench.addresses, self._threads, samples, repeats, restore
        )
        return times


def compile_text(nest: str, isa: str) -> Any:
    """Return the compiled nest of a text; ``loaded`` is its code in memory."""
    from loopstack.runtime.jit import compile_nest

    return compile_nest(nest, isa)
