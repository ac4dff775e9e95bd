"""The decorated object: one program, a kernel per signature, dispatch by exact match.

A call tries the kernels of earlier signatures in C++ (``_loopnest.Dispatcher``); only a signature
never seen before comes to :meth:`KernelFunction.first_call`, which infers sizes, takes the best
schedule known and compiles.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loopstack import _loopnest, knobs
from loopstack.errors import ArgumentError
from loopstack.ir.program import Program
from loopstack.kernel import Kernel, Specialization
from loopstack.tracebacks import hide_our_frames

if TYPE_CHECKING:
    import numpy as np

InputMaker = Callable[[Mapping[str, int], int], Mapping[str, "np.ndarray"]]
Sizes = Mapping[str, int]
Strides = Mapping[str, tuple[int, ...]]


class _FirstCall:
    """The dispatcher's fallback; ``owner`` is set once the object exists."""

    owner: KernelFunction

    @hide_our_frames
    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.owner.first_call(args, kwargs)


def _check_mapping(expected: str, found: object) -> None:
    if not isinstance(found, Mapping):
        raise ArgumentError(f"{expected}, found {found!r:.60}")


@_loopnest.call_directly
class KernelFunction(_loopnest.Dispatcher):
    """A kernel: call it with arrays, specialise it, search its schedule."""

    def __new__(cls, *_: Any, **__: Any) -> KernelFunction:
        fallback = _FirstCall()
        self = super().__new__(cls, fallback)
        fallback.owner = self
        return self

    def __init__(
        self, name: str, make_program: Callable[[], Program], *, strategy: str = "default",
        reassociate: bool = True, threads: int | None = None, parameters: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.__name__ = name
        self._parameters = parameters
        self._make_program = make_program
        self._program: Program | None = None
        self._strategy = strategy
        self._reassociate = reassociate
        self._threads = threads
        self._kernels: dict[Any, Kernel] = {}
        self._lock = threading.RLock()
        self._make_inputs: InputMaker | None = None

    @property
    def program(self) -> Program:
        """The program, parametric in sizes; traced on first use."""
        with self._lock:
            if self._program is None:
                self._program = replace(self._make_program(), reassociate=self._reassociate)
            return self._program

    # ---- calling ------------------------------------------------------------------------------
    def first_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Specialise for these arguments, remember the kernel, and run it."""
        from loopstack.calling import prepare
        from loopstack.frontend.tensor import inline_call, is_symbolic

        if any(map(is_symbolic, args)) or any(map(is_symbolic, kwargs.values())):
            return inline_call(self, args, kwargs)
        call = prepare(self.program, args, kwargs, parameters=self._parameters)
        kernel = self._kernel_for(self._specialization(call.sizes, call.strides, None))
        entry = self._entry(kernel)
        self.add(entry)
        return call.run(entry)

    def _entry(self, kernel: Kernel) -> Any:
        """Return the object that takes this function's arguments, sizes included."""
        from loopstack.calling import make_entry, size_parameters

        if not size_parameters(self.program, self._parameters):
            return kernel.callable
        return make_entry(kernel, self._parameters)

    def _kernel_for(self, spec: Specialization) -> Kernel:
        """Return the kernel of ``spec``, compiled once however many threads ask."""
        with self._lock:
            kernel = self._kernels.setdefault(spec.key, Kernel(spec))
            _ = kernel.callable
            return kernel

    def _specialization(
        self, sizes: Sizes, strides: Strides, threads: int | None
    ) -> Specialization:
        from loopstack.machine.features import target_isa

        chosen = self._threads if threads is None else threads
        knob = knobs.NUM_THREADS
        count = knob.value() if chosen is None else knob.parse(chosen, "threads")
        return Specialization(
            self.program, dict(sizes), target_isa(), count, dict(strides), self._parameters
        )

    # ---- specialising -------------------------------------------------------------------------
    @hide_our_frames
    def specialize(
        self, sizes: Sizes | None = None, /, *, like: Any = None,
        const: Mapping[str, Any] | None = None, threads: int | None = None, **sizes_by_name: int,
    ) -> Kernel:  # fmt: skip
        """Return the kernel for given sizes under the best schedule known.

        ``like=(A, B)`` takes sizes, strides and dtypes from arrays; ``const={"B": array}`` packs a
        constant operand once and drops it from the call. Raises ShapeError for a missing or
        unknown size.
        """
        found, strides = self._signature(sizes, like, sizes_by_name)
        spec = self._specialization(found, strides, threads)
        if const is None:
            return Kernel(spec)
        _check_mapping("const= is a mapping such as {'B': array}", const)
        from loopstack.constant_kernel import ConstantKernel

        return ConstantKernel(spec, const)

    def _signature(self, sizes: Sizes | None, like: Any, by_name: Sizes) -> tuple[Sizes, Strides]:
        from loopstack.calling import prepare
        from loopstack.frontend.sizes import infer_sizes

        _check_mapping("sizes are a mapping such as {'m': 512}", sizes or {})
        known = {**(sizes or {}), **by_name}
        if like is None:
            return infer_sizes(self.program, {}, known), {}
        arrays = tuple(like) if isinstance(like, (tuple, list)) else (like,)
        call = prepare(self.program, arrays, {}, known)
        return call.sizes, call.strides

    @hide_our_frames
    def search(
        self, sizes: Sizes | None = None, /, *, like: Any = None, budget: str = "10s",
        strategy: str = "auto", seed: int = 0, threads: int | None = None, resume: bool = False,
        progress: Any = False, **sizes_by_name: int,
    ) -> Any:  # fmt: skip
        """Search a schedule, store the record and use it from the next call on.

        ``budget`` is ``"20s"``, ``"2m"`` or ``"300 trials"``. Returns an ``ls.SearchResult``.
        """
        from loopstack.records.tuning import tune

        found, strides = self._signature(sizes, like, sizes_by_name)
        spec = self._specialization(found, strides, threads)
        try:
            return tune(
                spec, budget=budget, strategy=strategy, seed=seed, resume=resume,
                progress=progress, make_inputs=self._make_inputs,
            )  # fmt: skip
        finally:
            self.forget_kernels()

    def forget_kernels(self) -> None:
        """Drop compiled kernels, so that the next call looks up the best schedule again."""
        with self._lock:
            self._kernels.clear()
            self.clear()

    @property
    def inputs_function(self) -> InputMaker | None:
        """What :meth:`inputs` registered."""
        return self._make_inputs

    def inputs(self, make: InputMaker) -> InputMaker:
        """Register ``make(sizes, seed) -> {name: array}`` as data for measuring (a decorator)."""
        self._make_inputs = make
        return make

    def __reduce__(self) -> str:
        """Pickle by name, as functions are: the module that decorates it makes it again."""
        return str(self.__dict__.get("__qualname__", self.__name__))

    def __repr__(self) -> str:
        return f"<kernel {self.__name__}>"
