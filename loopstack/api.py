"""The decorators, and the switches that are functions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Literal, overload

from loopstack import knobs
from loopstack.errors import ArgumentError
from loopstack.ir.program import Program
from loopstack.kernel import Kernel
from loopstack.kernel_function import KernelFunction
from loopstack.tracebacks import hide_our_frames

if TYPE_CHECKING:
    from loopstack.schedule.script import Schedule


@overload
def kernel(function: Callable[..., Any], /) -> KernelFunction: ...


@overload
def kernel(
    *, strategy: str = "default", reassociate: bool = True, threads: int | None = None
) -> Callable[[Callable[..., Any]], KernelFunction]: ...


def kernel(
    function: Callable[..., Any] | None = None, /, *, strategy: str = "default",
    reassociate: bool = True, threads: int | None = None,
) -> Any:  # fmt: skip
    """Make a tensor kernel of a function in index notation.

    The function is traced once with symbolic tensors. ``reassociate`` allows regrouping sums;
    ``threads`` fixes the number of threads (default: ``ls.set_num_threads``).
    """
    _check_strategy(strategy)

    def decorate(f: Callable[..., Any]) -> KernelFunction:
        def make_program() -> Program:
            from loopstack.frontend.tensor import trace

            return trace(f)

        return _function(f, make_program, strategy, reassociate, threads)

    return decorate if function is None else decorate(function)


@overload
def affine(function: Callable[..., Any], /) -> KernelFunction: ...


@overload
def affine(
    *, strategy: str = "default", reassociate: bool = False, threads: int | None = None
) -> Callable[[Callable[..., Any]], KernelFunction]: ...


def affine(
    function: Callable[..., Any] | None = None, /, *, strategy: str = "default",
    reassociate: bool = False, threads: int | None = None,
) -> Any:  # fmt: skip
    """Make a kernel of a function of affine loops over arrays, which it updates in place.

    The body is parsed, not run. Sums keep their order unless ``reassociate`` allows to regroup
    them; ``threads`` fixes the number of threads (default: ``ls.set_num_threads``).
    """
    _check_strategy(strategy)

    def decorate(f: Callable[..., Any]) -> KernelFunction:
        def make_program() -> Program:
            from loopstack.frontend.affine import parse

            return parse(f, reassociate=reassociate)

        return _function(f, make_program, strategy, reassociate, threads)

    return decorate if function is None else decorate(function)


def _check_strategy(strategy: str) -> None:
    if strategy != "default":
        raise ArgumentError(
            f"strategy={strategy!r}: a plain call measures nothing, so a decorator takes only "
            f"'default'; search with .search(..., strategy={strategy!r}), calls use what it finds"
        )


def _function(
    f: Callable[..., Any], make_program: Callable[[], Program], strategy: str, reassociate: bool,
    threads: int | None,
) -> KernelFunction:  # fmt: skip
    if threads is not None:
        threads = knobs.NUM_THREADS.parse(threads, "threads")
    code = getattr(f, "__code__", None)
    parameters = code.co_varnames[: code.co_argcount] if code is not None else ()
    made = KernelFunction(
        getattr(f, "__name__", repr(f)), make_program, strategy=strategy, reassociate=reassociate,
        threads=threads, parameters=parameters,
    )  # fmt: skip
    update_wrapper(made, f)
    return made


def scalar(function: Callable[..., Any]) -> Any:
    """Make a function of numbers callable inside ``@ls.affine`` functions, where it is inlined."""
    from loopstack.frontend.affine_calls import ScalarFunction

    return ScalarFunction(function)


def isa(name: str) -> AbstractContextManager[Any]:
    """Use instruction set ``name`` (avx2, avx512, neon, neon_fp16) inside a ``with`` block."""
    from loopstack.machine.features import runnable_isa

    runnable_isa(name)
    return knobs.scope(isa=name)


def set_num_threads(count: int) -> None:
    """Use up to ``count`` threads from now on, in kernels specialised from now on."""
    knobs.set(num_threads=count)


def get_num_threads() -> int:
    """Return the number of threads new kernels use."""
    count: int = knobs.value("num_threads")
    return count


@hide_our_frames
def einsum(subscripts: str, *operands: Any, out: Any = None) -> Any:
    """Evaluate Einstein summation; equal to ``numpy.einsum`` for one or more operands.

    ``subscripts`` may repeat indices, leave the output implicit and use an ellipsis. NumPy arrays
    give a NumPy array, torch CPU tensors a tensor. Each signature is compiled once.
    """
    from loopstack.einsum_function import einsum_function, prepare_operands

    ready = prepare_operands(operands)
    return einsum_function(subscripts, ready)(*ready, **({} if out is None else {"out": out}))


def emit_c(source: Any, *, scheduled: bool = False) -> str:
    """Return C text for a Kernel, a decorated kernel or a Program.

    The loops are those of the program as written; ``scheduled=True`` prints those of a Kernel's
    schedule, with its buffers, on one thread. Both functions are called in the same way.
    """
    from loopstack.emit.c_text import emit_c as emit
    from loopstack.emit.scheduled_c import emit_scheduled_c

    if not scheduled:
        return emit(_program_of(source))
    if not isinstance(source, Kernel):
        raise ArgumentError(
            f"a schedule belongs to a Kernel, found {type(source).__name__}: "
            "emit_c(f.specialize(...), scheduled=True)"
        )
    if source.specialization.strides:
        raise ArgumentError("scheduled C text is for dense row-major arrays, found strides")
    return emit_scheduled_c(source.nest, source.program)


def emit_numpy(source: Any) -> str:
    """Return NumPy text for a Kernel, a decorated kernel or a Program."""
    from loopstack.emit.numpy_text import emit_numpy as emit

    return emit(_program_of(source))


@hide_our_frames
def pluto(source: Any, *, tile: int | tuple[int, ...] = 32, threads: int | None = None) -> Schedule:
    """Return the schedule of the Pluto algorithm for a Kernel, or a Program with integer sizes.

    Requires: affine accesses; ``tile`` is the extent of a tile in iterations, for every loop of a
    band or one for each (the last one for all that follow); ``threads`` are those of the kernel
    unless given.
    Before: any order of loops. After: bands of loops along which all dependences go forward, cut
    into tiles; the outermost loop without dependences, or diagonals of tiles, in parallel; the
    loop that walks memory innermost, as lanes.
    Raises: ScheduleNotFound when there is none, it takes too long to find, or it cannot be proven
    legal; ArgumentError for a source without sizes.
    Source: Bondhugula et al., "A Practical Automatic Polyhedral Parallelizer and Locality
    Optimizer", PLDI 2008.
    """
    return _algorithm(source, "pluto", tile, threads)


@hide_our_frames
def isl(source: Any, *, tile: int | tuple[int, ...] = 32, threads: int | None = None) -> Schedule:
    """Return the schedule of isl's scheduler for a Kernel, or a Program with integer sizes.

    Arguments, tiles, threads, lanes and errors are those of :func:`pluto`. isl's scheduler fuses
    more, shifts and reverses loops, and falls back to one loop at a time where no band is found.
    Source: Verdoolaege and Janssens, "Scheduling for PPCG", 2017.
    """
    return _algorithm(source, "isl", tile, threads)


def _algorithm(
    source: Any, algorithm: Literal["pluto", "isl"], tile: int | tuple[int, ...],
    threads: int | None,
) -> Schedule:  # fmt: skip
    from loopstack.schedule.polyhedral import polyhedral_schedule

    program, specialization = _program_of(source), getattr(source, "specialization", None)
    if program.sizes:
        raise ArgumentError(
            f"a schedule needs integer sizes: specialize({', '.join(program.sizes)}) first"
        )
    if threads is None:
        threads = specialization.threads if specialization else get_num_threads()
    strides = specialization.strides if specialization else {}
    return polyhedral_schedule(program, algorithm, tile, threads, strides)


def _program_of(source: Any) -> Program:
    program = getattr(source, "program", source)
    if not isinstance(program, Program):
        raise ArgumentError(
            f"expected a Kernel, a decorated kernel or a Program, found {type(source).__name__}"
        )
    return program
