"""Default data for measuring, and arrays that notice a write outside of them.

Floats are uniform in [0.5, 1.5): no cancellation, no denormals, no overflow in a product of a few.
Square float matrices get their extent added to the diagonal, so that solvers and factorisations
stay stable. Integers are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from loopstack.ir.program import Array, Program

    AnyArray = np.ndarray[Any, Any]

NUMPY_DTYPE = {
    "bool_": np.dtype(np.bool_),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
}
GUARD_BYTES = 4096
CANARY = 0xA5
LARGEST_INTEGER = 8


def extents(array: Array) -> tuple[int, ...]:
    """Return the integer shape of an array of a bound program."""
    return tuple(form.evaluate({}) for form in array.shape)


class Guarded:
    """An array inside a larger block whose margins hold a known byte.

    ``strides`` are in elements and not negative; absent: C order. The data is aligned to 64 bytes.
    """

    def __init__(
        self, shape: Sequence[int], dtype: np.dtype[Any], strides: Sequence[int] | None = None
    ) -> None:
        size_bytes = _span(shape, strides) * dtype.itemsize
        self._block = np.full(size_bytes + 2 * GUARD_BYTES + 64, CANARY, np.uint8)
        self._start = GUARD_BYTES + -(self._block.ctypes.data + GUARD_BYTES) % 64
        self._end = self._start + size_bytes
        flat = self._block[self._start : self._end].view(dtype)
        steps = None if strides is None else [s * dtype.itemsize for s in strides]
        self.array: AnyArray = np.ndarray(tuple(shape), dtype, flat.data, strides=steps)

    @property
    def data(self) -> AnyArray:
        """The bytes of the array, gaps between strided elements included."""
        return self._block[self._start : self._end]

    def intact(self) -> bool:
        """Return whether nobody wrote into the margins."""
        margins = (self._block[: self._start], self._block[self._end :])
        return all(bool((margin == CANARY).all()) for margin in margins)


def _span(shape: Sequence[int], strides: Sequence[int] | None) -> int:
    if 0 in shape:
        return 0
    if strides is None:
        return int(np.prod(shape, dtype=np.int64))
    return 1 + sum((n - 1) * s for n, s in zip(shape, strides))


def default_inputs(program: Program, seed: int = 0) -> dict[str, AnyArray]:
    """Make data for every argument of a bound program that is read, outputs excepted."""
    made: dict[str, AnyArray] = {}
    for position, array in enumerate(program.arguments):
        if array.role == "output":
            continue
        rng = np.random.default_rng([seed, position])
        made[array.name] = _fill(array, rng)
    return made


def _fill(array: Array, rng: np.random.Generator) -> AnyArray:
    shape, dtype = extents(array), NUMPY_DTYPE[array.dtype]
    if dtype.kind == "f":
        data = rng.uniform(0.5, 1.5, shape).astype(dtype)
        if len(shape) == 2 and shape[0] == shape[1]:
            data[np.diag_indices(shape[0])] += shape[0]
        return data
    if dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, shape).astype(dtype))
    return np.asarray(rng.integers(0, LARGEST_INTEGER, shape).astype(dtype))


def load_inputs(path: str) -> dict[str, AnyArray]:
    """Read the arrays of an ``.npz`` file; pickled objects are refused."""
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
