"""Tracebacks that show a user's mistake where the user made it.

What a user does wrong is found deep in the compiler; the way there is of no use to them. Public
calls are wrapped, and drop our frames from such errors. Errors that are our own bugs keep them.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import ParamSpec, TypeVar

from loopstack.errors import InternalError, LoopStackError

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TRACER = os.path.join(_PACKAGE, "frontend", "tensor.py")
_BETWEEN_OURS = (functools.__file__, contextlib.__file__)
P = ParamSpec("P")
R = TypeVar("R")


def hide_our_frames(function: Callable[P, R]) -> Callable[P, R]:
    """Make a user's mistake in a call of ``function`` show the user's frames and this wrapper's.

    Bugs of ours (InternalError, and any other exception from our code) keep every frame.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if not _is_the_users(error):
                raise
            shown = _without_ours(error.__traceback__)
            raise error.with_traceback(shown)  # noqa: B904 - it is the same exception

    return call


def _is_the_users(error: Exception) -> bool:
    if isinstance(error, LoopStackError):
        return not isinstance(error, InternalError)
    return _left_a_kernel(error.__traceback__)


def _left_a_kernel(trace: TracebackType | None) -> bool:
    """Return whether the exception came out of the function that was being traced."""
    while trace is not None and trace.tb_next is not None:
        code, inner = trace.tb_frame.f_code, trace.tb_next.tb_frame.f_code
        if code.co_filename == _TRACER and code.co_name == "trace" and not _is_ours(inner):
            return True
        trace = trace.tb_next
    return False


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    if trace is None:
        return None
    rest = _without_ours(trace.tb_next)
    if _is_ours(trace.tb_frame.f_code):
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(_PACKAGE) or code.co_filename in _BETWEEN_OURS
