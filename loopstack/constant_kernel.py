"""A kernel with constant operands: packed once when it is made, gone from the call.

``matmul.specialize(m=.., n=.., k=.., const={"B": weights})`` returns one; it is called as ``k(A)``.
The constant is copied (packed or as it is), so later changes of the caller's array do not show.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from loopstack import _loopnest
from loopstack.calling import argument_row, make_callable
from loopstack.errors import ArgumentError, ShapeError
from loopstack.kernel import Kernel, Specialization
from loopstack.runtime.buffers import describe

if TYPE_CHECKING:
    from loopstack.lower.nest import Nest, NestArray
    from loopstack.runtime.jit import CompiledNest
    from loopstack.schedule.script import Schedule

ALIGN = 64


class ConstantKernel(Kernel):
    """A Kernel some of whose inputs are bound to copies of given arrays."""

    def __init__(
        self, specialization: Specialization, constants: Mapping[str, Any],
        schedule: Schedule | None = None,
    ) -> None:  # fmt: skip
        super().__init__(specialization, schedule)
        self.constants = {name: self._copy_of(name, value) for name, value in constants.items()}

    def _copy_of(self, name: str, value: Any) -> np.ndarray[Any, Any]:
        inputs = {a.name: a for a in self.program.arguments if a.role == "input"}
        if name not in inputs:
            raise ArgumentError(f"const= names {name!r}: expected one of {', '.join(inputs)}")
        info, array = describe(value, name), inputs[name]
        expected = tuple(form.const for form in array.shape)
        if info.dtype != array.dtype:
            raise ArgumentError(
                f"constant {name} must have dtype {array.dtype}, found {info.dtype}"
            )
        if info.shape != expected:
            raise ShapeError(f"constant {name} has shape {info.shape}, expected {expected}")
        return np.array(np.asarray(info.owner), order="C", copy=True)

    # ---- how it is made -----------------------------------------------------------------------
    @cached_property
    def schedule(self) -> Schedule:
        if self._given is not None:
            return self._given
        from loopstack.schedule.default import default_schedule

        spec, names = self.specialization, frozenset(self.constants)
        return default_schedule(spec.bound, spec.isa, spec.threads, spec.strides, constants=names)

    def with_schedule(self, schedule: Schedule | str) -> Kernel:
        """Return this kernel, constants included, under another schedule."""
        parsed = super().with_schedule(schedule).schedule
        return ConstantKernel(self.specialization, self.constants, parsed)

    @cached_property
    def nests(self) -> tuple[Nest | None, Nest]:
        """The nest that packs constants, and the nest of a call."""
        from loopstack.lower.pipeline import lower_prepacked

        names, strides = frozenset(self.constants), self.specialization.strides
        return lower_prepacked(self.tree, self.isa, strides, self.threads, names)

    @cached_property
    def nest(self) -> str:
        return str(self.nests[1])

    @cached_property
    def compiled(self) -> CompiledNest:
        from loopstack.runtime.jit import compile_nest

        return compile_nest(self.nest, self.isa)

    @cached_property
    def packed(self) -> dict[str, np.ndarray[Any, Any]]:
        """Every constant argument of the calling nest: packed buffers, other constants as given."""
        packing = self.nests[0]
        if packing is None:
            return dict(self.constants)
        buffers = {a.name: _aligned(a) for a in packing.arrays if a.name not in self.constants}
        arrays = {**self.constants, **buffers}
        self._pack(packing, [arrays[a.name].ctypes.data for a in packing.arrays])
        return arrays

    def _pack(self, packing: Nest, addresses: list[int]) -> None:
        from loopstack.runtime.jit import compile_nest

        _loopnest.run(compile_nest(str(packing), self.isa).loaded, addresses, self.threads)

    @cached_property
    def callable(self) -> Any:
        return make_callable(self, [self._row(array) for array in self._nest_arguments()])

    def _nest_arguments(self) -> list[NestArray]:
        return [a for a in self.nests[1].arrays if a.space == "argument"]

    def _row(self, array: NestArray) -> Any:
        if array.name in self.packed:
            data = self.packed[array.name]
            return (array.name, array.dtype, "constant", data.shape, data.strides, data)
        return argument_row(self.program.array(array.name), self.specialization.strides)

    # ---- calling ------------------------------------------------------------------------------
    def call_slowly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Say why arguments do not fit, as for a kernel without the constants."""
        names = [a.name for a in self.program.arguments if a.role not in ("output",)]
        free = [n for n in names if n not in self.constants]
        if len(args) > len(free):
            raise ArgumentError(
                f"{self.program.name}() takes {len(free)} arguments ({', '.join(free)}) beside its "
                f"constants, found {len(args)}"
            )
        given = {**dict(zip(free, args)), **kwargs, **self.constants}
        return Kernel(self.specialization, self._given).call_slowly((), given)

    def run_on(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Run once on one NumPy array an argument; constants are taken from the kernel."""
        data = {**arrays, **self.packed}
        addresses = [data[a.name].ctypes.data for a in self._nest_arguments()]
        _loopnest.run(self.compiled.loaded, addresses, self.threads)

    def __reduce__(self) -> Any:
        return (ConstantKernel, (self.specialization, self.constants, self.schedule))


def _aligned(array: NestArray) -> np.ndarray[Any, Any]:
    """Return an uninitialised array at a 64-byte boundary."""
    from loopstack.ir.operators import NUMPY_DTYPE

    dtype = np.dtype(NUMPY_DTYPE[array.dtype])
    size = int(np.prod(array.shape)) * dtype.itemsize
    block = np.empty(size + ALIGN, np.uint8)
    start = -block.ctypes.data % ALIGN
    return block[start : start + size].view(dtype).reshape(array.shape)
