"""Every exception a user of LoopStack can meet.

Role: one small class tree, so that callers catch by intent. The message is the interface: what was
expected, what was found, what to try. Position and evidence travel as attributes as well.

    LoopStackError
      FrontendError         line, caret        the kernel's source cannot be understood
      ArgumentError                            rank, dtype, device, alias of a call's arguments
        ShapeError                             extents, a missing or an unknown size
      ScheduleSyntaxError   line, column       the text of a schedule
      IllegalSchedule       witness            a schedule that would change results
      ScheduleNotFound                         a scheduling algorithm gives no schedule, and why
      UnsupportedTarget                        an instruction set that cannot be used here
      WrongResult                              a kernel disagrees with the oracle
      CandidateFault        kind               a measured candidate crashed, hung, was wrong, ...
      StoreError                               the record store
      InternalError         reproducer         our bug; carries what is needed to repeat it
"""

from __future__ import annotations

from typing import Literal

FaultKind = Literal["crash", "hang", "wrong", "compile", "illegal"]


class LoopStackError(Exception):
    """The root of all errors raised by LoopStack on purpose."""


class FrontendError(LoopStackError):
    """A kernel's source cannot be understood; ``line`` is 1-based, ``caret`` a 0-based column."""

    def __init__(self, message: str, line: int | None = None, caret: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.caret = caret


class ArgumentError(LoopStackError):
    """An argument of a call has the wrong rank, dtype, device or overlaps another one."""


class ShapeError(ArgumentError):
    """Extents disagree, or a size is missing or unknown."""


class ScheduleSyntaxError(LoopStackError):
    """A schedule script does not parse; ``line`` and ``column`` are 1-based."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class IllegalSchedule(LoopStackError):
    """A schedule would change results; ``witness`` shows two instances in the wrong order."""

    def __init__(self, message: str, witness: object = None) -> None:
        super().__init__(message)
        self.witness = witness


class ScheduleNotFound(LoopStackError):
    """A scheduling algorithm finds no schedule, or one that our commands cannot express."""


class UnsupportedTarget(LoopStackError):
    """The instruction set asked for is unknown, or this machine cannot run it."""


class WrongResult(LoopStackError):
    """A kernel's result is outside the computed error bound of the oracle's."""


class CandidateFault(LoopStackError):
    """A measured candidate failed; ``kind`` is one of crash, hang, wrong, compile, illegal."""

    def __init__(self, message: str, kind: FaultKind = "crash") -> None:
        super().__init__(message)
        self.kind: FaultKind = kind

    def __reduce__(self) -> tuple[type, tuple[str, FaultKind]]:
        return (type(self), (str(self), self.kind))


class StoreError(LoopStackError):
    """The record store cannot be read or written."""


class InternalError(LoopStackError):
    """A bug in LoopStack; ``reproducer`` is the text (or the path of a file) that repeats it."""

    def __init__(self, message: str, reproducer: str | None = None) -> None:
        super().__init__(message)
        self.reproducer = reproducer
