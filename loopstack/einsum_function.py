"""``ls.einsum``: one KernelFunction per subscripts and kinds of operand, found by key.

What decides the program is in the key: the subscripts, and of every operand its dtype, its rank and
which extents are 1 (they broadcast). With three or more operands the extents are in it as well,
for they decide the order of contraction.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from loopstack.errors import ArgumentError
from loopstack.ir.operators import DTYPE_OF_NUMPY
from loopstack.kernel_function import KernelFunction
from loopstack.runtime.buffers import is_tensor

Key = tuple[Any, ...]
LARGEST_CACHE = 1024

_functions: dict[Key, KernelFunction] = {}
_lock = threading.Lock()


def prepare_operands(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return operands as arrays or tensors; Python numbers and lists become NumPy arrays.

    Raises ArgumentError without operands, and for lists that are no array.
    """
    if not operands:
        raise ArgumentError("einsum: expected at least one operand, found none")
    return tuple(map(_as_operand, operands))


def _as_operand(value: Any) -> Any:
    if isinstance(value, np.ndarray) or is_tensor(value):
        return value
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ArgumentError(f"einsum: an operand is no array: {error}") from error


def einsum_function(subscripts: str, operands: tuple[Any, ...]) -> KernelFunction:
    """Return the kernel function for these operands, compiled at most once per signature."""
    if not isinstance(subscripts, str):
        raise ArgumentError(f"einsum: expected subscripts like 'ij,jk->ik', found {subscripts!r}")
    key = (subscripts, *map(_operand_key, operands))
    if len(operands) > 2:
        key += tuple(tuple(x.shape) for x in operands)
    with _lock:
        found = _functions.get(key)
    return found if found is not None else _make(key, subscripts, operands)


def _operand_key(operand: Any) -> Key:
    ones = tuple([d for d, extent in enumerate(operand.shape) if extent == 1])
    return (_dtype(operand), len(operand.shape), ones)


def _dtype(operand: Any) -> str:
    name = str(operand.dtype).removeprefix("torch.")
    if name not in DTYPE_OF_NUMPY:
        known = ", ".join(DTYPE_OF_NUMPY)
        raise ArgumentError(f"einsum: operands of dtype {name} are not supported: expected {known}")
    return DTYPE_OF_NUMPY[name]


def _make(key: Key, subscripts: str, operands: tuple[Any, ...]) -> KernelFunction:
    from loopstack.frontend.einsum import program_of

    dtypes = [_dtype(x) for x in operands]
    shapes = [tuple(x.shape) for x in operands]
    program = program_of(subscripts, dtypes, shapes=shapes)
    made = KernelFunction(f"einsum {subscripts}", lambda: program)
    with _lock:
        while len(_functions) >= LARGEST_CACHE:
            _functions.pop(next(iter(_functions)))
        return _functions.setdefault(key, made)
