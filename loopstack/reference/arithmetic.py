"""How the interpreter computes scalars: three arithmetics behind one interface.

A value is a tuple of broadcastable arrays, its *parts*. ``Declared`` and ``Wide`` have one part,
the value; ``tolerance.Bounded`` adds a second, an error bound. The interpreter only reshapes,
gathers and scatters parts, so it is written once.

    Declared   every operator rounds to its dtype, sums run in program order
    Wide       f32 in float64, f64 in long double, within a statement; rounded once when stored.
               Operands of floor, casts and comparisons are rounded first: a jump happens where
               the declared dtype has it. A result beyond the dtype's range is infinite.

Integers are exact modulo 2^32 or 2^64 in every arithmetic.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from loopstack.ir import operators
from loopstack.ir.expr import Op

Parts = tuple[np.ndarray, ...]

NUMPY = {dtype: np.dtype(text) for dtype, text in operators.NUMPY_DTYPE.items()}
WIDE = {**NUMPY, "f32": np.dtype(np.float64), "f64": np.dtype(np.longdouble)}
_JUMPS = frozenset({"floor", "cast", "eq", "ne", "lt", "le", "gt", "ge"})


class Arithmetic(Protocol):
    """What the interpreter asks for. ``terms`` of a fold run along axis 0, ``counts`` are real."""

    def load(self, stored: Parts, dtype: str) -> Parts: ...
    def store(self, value: Parts, dtype: str) -> Parts: ...
    def constant(self, value: object, dtype: str) -> Parts: ...
    def apply(self, node: Op, args: tuple[Parts, ...]) -> Parts: ...
    def fold(
        self, operator: str, start: Parts, terms: Parts, counts: np.ndarray, dtype: str
    ) -> Parts: ...


def identity(operator: str, dtype: str) -> float | int | bool:
    """Return the identity of a reduction operator, truth values included."""
    if dtype == "bool_":
        return operator in ("min", "prod")
    return operators.identity(operator, dtype)


def padding(operator: str, dtype: str) -> float | int | bool:
    """Return a term that leaves any partial result unchanged: x + -0.0 is x, also for x = -0.0."""
    return -0.0 if operator == "sum" and dtype in operators.FLOATS else identity(operator, dtype)


def combine(operator: str) -> np.ufunc:
    return getattr(np, operators.REDUCTIONS[operator].numpy)


def compute(node: Op, args: tuple[np.ndarray, ...], result: np.dtype) -> np.ndarray:
    """Apply one operator with NumPy; ``args`` have the dtype to compute in."""
    if node.name == "cast":
        return args[0].astype(result)
    if node.name == "fma":
        return args[0] * args[1] + args[2]
    row = operators.OPERATORS[node.name]
    if row.numpy is None or row.expansion is not None:
        raise ValueError(f"operator {node.name} must be expanded before it is run")
    return getattr(np, row.numpy)(*args)


class Declared:
    """Every operator in its declared dtype; sums in program order."""

    def load(self, stored: Parts, dtype: str) -> Parts:
        return stored

    def store(self, value: Parts, dtype: str) -> Parts:
        return (value[0].astype(NUMPY[dtype]),)

    def constant(self, value: object, dtype: str) -> Parts:
        return (np.asarray(value, NUMPY[dtype]),)

    def apply(self, node: Op, args: tuple[Parts, ...]) -> Parts:
        values = tuple(part for (part,) in args)
        if node.name == "fma":  # one rounding, up to the rare double rounding of a wide sum
            values = tuple(v.astype(WIDE[node.dtype]) for v in values)
        return (np.asarray(compute(node, values, NUMPY[node.dtype])).astype(NUMPY[node.dtype]),)

    def fold(
        self, operator: str, start: Parts, terms: Parts, counts: np.ndarray, dtype: str
    ) -> Parts:
        column = np.concatenate([np.broadcast_to(start[0], terms[0].shape[1:])[None], terms[0]])
        return (combine(operator).accumulate(column, axis=0, dtype=NUMPY[dtype])[-1],)


class Wide:
    """Wider floats within a statement, rounded once when stored."""

    def load(self, stored: Parts, dtype: str) -> Parts:
        return (stored[0].astype(WIDE[dtype]),)

    def store(self, value: Parts, dtype: str) -> Parts:
        return (value[0].astype(NUMPY[dtype]),)

    def constant(self, value: object, dtype: str) -> Parts:
        return (np.asarray(value, NUMPY[dtype]).astype(WIDE[dtype]),)

    def apply(self, node: Op, args: tuple[Parts, ...]) -> Parts:
        values = tuple(part for (part,) in args)
        if node.name in _JUMPS:
            values = tuple(rounded(v, arg.dtype) for v, arg in zip(values, node.args))
        result = np.asarray(compute(node, values, WIDE[node.dtype])).astype(WIDE[node.dtype])
        return (overflowed(result, node.dtype),)

    def fold(
        self, operator: str, start: Parts, terms: Parts, counts: np.ndarray, dtype: str
    ) -> Parts:
        ufunc = combine(operator)
        if not len(terms[0]):
            return (np.broadcast_to(start[0], terms[0].shape[1:]),)
        total = ufunc(start[0], ufunc.reduce(terms[0], axis=0, dtype=WIDE[dtype]))
        return (overflowed(np.asarray(total), dtype),)


def rounded(value: np.ndarray, dtype: str) -> np.ndarray:
    """Round to the declared dtype, keeping the wide representation."""
    return value.astype(NUMPY[dtype]).astype(WIDE[dtype])


def overflowed(value: np.ndarray, dtype: str) -> np.ndarray:
    """Replace magnitudes that round to infinity in ``dtype`` by infinity."""
    if dtype not in operators.FLOATS:
        return value
    beyond = np.isinf(value.astype(NUMPY[dtype]))
    return np.where(beyond, np.copysign(np.inf, value), value).astype(value.dtype, copy=False)
