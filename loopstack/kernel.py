"""A kernel: a program at fixed sizes, strides, instruction set and thread count, with a schedule.

    Specialization (what is computed) + Schedule (how)  ->  Tree -> nest text -> machine code

Everything is made on first use and kept. A Kernel is a value: ``with_schedule`` returns a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loopstack.errors import ArgumentError, UnsupportedTarget
from loopstack.ir.program import Program
from loopstack.tracebacks import hide_our_frames

if TYPE_CHECKING:
    import numpy as np

    from loopstack.ir.loop_tree import Tree
    from loopstack.measure.task import MeasureTask
    from loopstack.measure.timer import Timing
    from loopstack.runtime.jit import CompiledNest
    from loopstack.schedule.script import Schedule

VIEWS = ("program", "dependences", "loops", "nest", "asm", "c", "roofline")


@dataclass(frozen=True)
class Specialization:
    """What a kernel computes and for which target.

    ``strides`` are element strides of the arguments that are not dense row-major; ``parameters``
    the order of a call's arguments where sizes are among them.
    """

    program: Program
    sizes: Mapping[str, int]
    isa: str
    threads: int = 1
    strides: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells kernels of one program apart."""
        sizes, strides = sorted(self.sizes.items()), sorted(self.strides.items())
        return (tuple(sizes), tuple(strides), self.isa, self.threads)

    @cached_property
    def bound(self) -> Program:
        """The program with integer sizes."""
        return self.program.bind(dict(self.sizes))

    def default_schedule(self) -> Schedule:
        from loopstack.schedule.default import default_schedule

        refuse_truth_values(self.program)
        return default_schedule(self.bound, self.isa, self.threads, self.strides)

    def recorded_schedule(self) -> Schedule | None:
        """Return the best stored schedule for exactly this key, or None."""
        from loopstack.records.lookup import best_script
        from loopstack.schedule.script import Schedule

        script = best_script(self.program, self.sizes, self.isa, self.threads, self.strides)
        return None if script is None else Schedule.parse(script)


def refuse_truth_values(program: Program) -> None:
    """Raise UnsupportedTarget for arrays of bool_: the code generator has no such memory yet."""
    for array in program.arrays:
        if array.dtype == "bool_":
            raise UnsupportedTarget(
                f"{program.name}: {array.name} is stored as ls.bool_, which the code generator "
                "cannot do yet: use ls.i32 (ls.where(condition, 1, 0), and x != 0)"
            )


class Kernel:
    """A compiled kernel.

    Call it with arrays of exactly its sizes. ``schedule`` is readable, and
    ``ls.Schedule.parse(str(kernel.schedule))`` gives it back.
    """

    def __init__(self, specialization: Specialization, schedule: Schedule | None = None) -> None:
        self.specialization = specialization
        self._given = schedule

    # ---- what it is ---------------------------------------------------------------------------
    @property
    def program(self) -> Program:
        """The program with integer sizes."""
        return self.specialization.bound

    @property
    def isa(self) -> str:
        return self.specialization.isa

    @property
    def threads(self) -> int:
        return self.specialization.threads

    @cached_property
    def schedule(self) -> Schedule:
        """The schedule in force: the given one, else the best recorded, else the default."""
        if self._given is not None:
            return self._given
        return self.specialization.recorded_schedule() or self.specialization.default_schedule()

    @hide_our_frames
    def with_schedule(self, schedule: Schedule | str) -> Kernel:
        """Return this kernel under another schedule.

        Raises ScheduleSyntaxError (line, column) for text that does not parse, and IllegalSchedule
        (witness) for a schedule that would change results.
        """
        from loopstack.schedule.script import Schedule

        parsed = Schedule.parse(schedule) if isinstance(schedule, str) else schedule
        if not isinstance(parsed, Schedule):
            raise ArgumentError(
                f"a schedule is a script (text) or an ls.Schedule, found {type(parsed).__name__}"
            )
        kernel = Kernel(self.specialization, parsed)
        _ = kernel.tree
        return kernel

    # ---- how it is made -----------------------------------------------------------------------
    @cached_property
    def tree(self) -> Tree:
        """The scheduled loop tree, proven legal."""
        from loopstack.schedule.script import check

        return check(self.schedule, self.program)

    @cached_property
    def nest(self) -> str:
        """The nest text the code generator takes."""
        from loopstack.lower.pipeline import lower

        refuse_truth_values(self.program)
        return lower(self.tree, self.isa, self.specialization.strides, self.threads)

    @cached_property
    def compiled(self) -> CompiledNest:
        from loopstack.runtime.jit import compile_nest

        return compile_nest(self.nest, self.isa)

    @cached_property
    def callable(self) -> Any:
        """The object that checks arguments and runs the code, with no Python on the way."""
        from loopstack.calling import make_callable

        return make_callable(self)

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """Run on arrays of exactly this kernel's sizes; returns the output (or ``out=``)."""
        return self.callable(*arrays, **named)

    @hide_our_frames
    def call_slowly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Called for arguments that do not match exactly: adapt them, or say what is wrong."""
        from loopstack.calling import call_exactly

        return call_exactly(self, args, kwargs)

    # ---- looking inside -----------------------------------------------------------------------
    @hide_our_frames
    def show(self, what: str) -> str:
        """Return one view as text: program, dependences, loops, nest, asm, c or roofline.

        Raises ArgumentError for another word.
        """
        from loopstack import views

        if what not in VIEWS:
            raise ArgumentError(f"show({what!r}): expected one of {', '.join(VIEWS)}")
        text: str = getattr(views, f"view_{what}")(self)
        return text

    # ---- measuring ----------------------------------------------------------------------------
    def measure_task(self, seed: int = 0) -> MeasureTask:
        """Return what a measuring process needs to know about this kernel."""
        from loopstack.records.tuning import measure_task

        return measure_task(self.specialization, seed)

    def time(self) -> Timing:
        """Measure this kernel on default inputs, in this process, and return the timing."""
        from loopstack.measure.candidate import Laboratory

        return Laboratory(self.measure_task()).time(self.nest)

    @hide_our_frames
    def check(self, seed: int = 0) -> None:
        """Compare one run on default inputs with the oracle.

        Raises WrongResult with the first element outside the computed error bound.
        """
        from loopstack.measure.verify import check_kernel

        check_kernel(self.measure_task(seed), self.run_on)

    def run_on(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Run once on one NumPy array an argument, in place (scalars as rank-0 arrays)."""
        from loopstack import _loopnest

        addresses = [arrays[a.name].ctypes.data for a in self.program.arguments]
        _loopnest.run(self.compiled.loaded, addresses, self.threads)

    # ---- as a value ---------------------------------------------------------------------------
    def __repr__(self) -> str:
        sizes = ", ".join(f"{n}={v}" for n, v in self.specialization.sizes.items())
        return f"<Kernel {self.program.name}({sizes}) {self.isa} threads={self.threads}>"

    def __reduce__(self) -> Any:
        return (Kernel, (self.specialization, self.schedule))
