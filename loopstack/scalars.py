"""Run-time scalars of a call: numbers, and arrays or tensors of rank 0.

The fast path (csrc/bindings/match_scalar.cpp) takes Python and NumPy numbers that fit and never
raises; here the rest is converted, or the caller told what is wrong. No number is rounded to an
integer, and none becomes infinite.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from loopstack.errors import ArgumentError
from loopstack.ir.operators import NUMPY_DTYPE
from loopstack.ir.program import Array
from loopstack.runtime.buffers import describe, is_tensor

Accepted = tuple[str, tuple[type, ...]]
_INTEGER: Accepted = ("an integer", (int, np.integer))
_NUMBER: Accepted = ("a number", (int, float, np.integer, np.floating))
_TRUTH: Accepted = ("True or False", (bool, np.bool_))


def scalar_argument(array: Array, value: Any) -> Any:
    """Return the number to pass for the scalar ``array``. Raises ArgumentError."""
    number = _number(array.name, value)
    words, types = _accepted(array.dtype)
    if not isinstance(number, types):
        raise ArgumentError(
            f"argument {array.name} must be {words} ({array.dtype}), "
            f"found {type(value).__name__}: {value!r:.60}"
        )
    if not _fits(number, array.dtype):
        raise ArgumentError(
            f"argument {array.name} is {_brief(number)}, which {array.dtype} cannot hold"
        )
    return number


def _number(name: str, value: Any) -> Any:
    """Return what an array or tensor of rank 0 holds; anything else as it is."""
    if is_tensor(value) and value.ndim == 0:
        describe(value, name)  # refuses other devices, and gradients that would be lost
        return value.item()
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value[()]
    return value


def _accepted(dtype: str) -> Accepted:
    if dtype == "bool_":
        return _TRUTH
    return _NUMBER if dtype.startswith(("f", "bf")) else _INTEGER


def _fits(number: Any, dtype: str) -> bool:
    kind = np.dtype(NUMPY_DTYPE[dtype])
    if kind.kind == "b":
        return True
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return bool(limits.min <= int(number) <= limits.max)
    try:
        real = float(number)
    except OverflowError:
        return False
    return not math.isfinite(real) or abs(real) <= float(np.finfo(kind).max)


def _brief(number: Any) -> str:
    text = str(number)
    return text if len(text) <= 40 else f"{text[:8]}... ({len(text)} digits)"
