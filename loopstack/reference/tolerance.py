"""How far a correct kernel may be from the reference: running error analysis.

Every value travels with a bound on the absolute error that *any* allowed evaluation may have:
operators rounded to their dtype or contracted into FMAs, sums regrouped at will, divisions by an
invariant turned into multiplications. With u = 2^-24 (f32) or 2^-53 (f64), one rounding is
e = u |result| + smallest subnormal, and to first order, rounded up:

    add, sub     ea + eb + e                    exp      |exp a| (exp(ea) - 1) + 4 u |exp a| + ...
    mul          |a| eb + |b| ea + ea eb + e    sqrt     largest move of the root over a +- ea, + e
    div          (ea + |q| eb) / (|b| - eb) + 3 e
    sum of n     errors of the terms + n u / (1 - n u) * (|start| + sum |term|)
    prod of n    interval product - product + n u / (1 - n u) * interval product
    max, min     the largest error among the operands
    floor, cast, comparisons   0 where the error cannot reach a jump, else the height of the jump
    select       where the condition is uncertain, both sides are possible

A result that is infinite or NaN has no bound but itself. Integers are exact unless they come from
an uncertain float.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from loopstack.ir.expr import Op
from loopstack.ir.program import Program
from loopstack.reference.arithmetic import Parts, Wide
from loopstack.reference.interpreter import execute

UNIT = {"f32": 2.0**-24, "f64": 2.0**-53}
SUBNORMAL = {"f32": 2.0**-149, "f64": 2.0**-1074}
EXP_UNITS = 4.0
"""Roundings that an implementation of exp may be off by: 2 units in the last place."""
_SLACK = 1.0 + 1e-9  # the bounds themselves are computed in rounded float64


@dataclass(frozen=True)
class Mismatch:
    """The first element outside its bound, and how many there are."""

    index: tuple[int, ...]
    actual: object
    expected: object
    bound: float
    count: int

    def __str__(self) -> str:
        at = ", ".join(map(str, self.index))
        found = f"[{at}] is {self.actual!r}, expected {self.expected!r} within {self.bound:.3g}"
        return f"{found} ({self.count} element{'s' if self.count > 1 else ''} differ)"


def reference(
    program: Program, arrays: Mapping[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Run ``program`` and return (expected, absolute error bound) per output and inout array."""
    memory = execute(program, arrays, Bounded())
    wanted = [a.name for a in program.arrays if a.role in ("output", "inout")]
    return {name: (memory[name][0], memory[name][1]) for name in wanted}


def bound(program: Program, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return only the absolute error bounds of :func:`reference`."""
    return {name: error for name, (_, error) in reference(program, arrays).items()}


def compare(actual: np.ndarray, expected: np.ndarray, bound: np.ndarray) -> Mismatch | None:
    """Return the first element of ``actual`` that is farther than ``bound`` from ``expected``.

    NaN equals NaN, an infinity needs the same sign. An actual infinity is accepted where expected
    plus bound leaves the dtype's range. Raises ValueError when shapes or dtypes differ.
    """
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        found = f"{actual.dtype}{actual.shape}"
        raise ValueError(f"expected {expected.dtype}{expected.shape}, found {found}")
    bound = np.broadcast_to(bound, expected.shape)
    wrong = ~_accepted(actual, expected, bound)
    if not wrong.any():
        return None
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    return Mismatch(
        first, actual[first].item(), expected[first].item(), float(bound[first]), int(wrong.sum())
    )


def _accepted(actual: np.ndarray, expected: np.ndarray, bound: np.ndarray) -> np.ndarray:
    if expected.dtype.kind != "f":
        return _integers_accepted(actual, expected, bound)
    with np.errstate(all="ignore"):
        wide = np.longdouble
        close = np.abs(actual.astype(wide) - expected.astype(wide)) <= bound
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        edge = np.abs(expected.astype(wide)) + bound >= np.finfo(expected.dtype).max
        overflowed = np.isinf(actual) & (np.sign(actual) == np.sign(expected)) & edge
    return same | (close & np.isfinite(expected)) | overflowed


def _integers_accepted(actual: np.ndarray, expected: np.ndarray, bound: np.ndarray) -> np.ndarray:
    accepted = actual == expected
    if not bound.any():
        return accepted
    distance = np.abs(actual.astype(np.longdouble) - expected.astype(np.longdouble))
    return accepted | (distance <= bound)


def _rounding(value: np.ndarray, dtype: str) -> np.ndarray:
    """Return the error of one rounding of ``value``; none for integers and truth values."""
    magnitude = np.abs(value).astype(np.float64)
    if dtype not in UNIT:
        return np.zeros_like(magnitude)
    return magnitude * UNIT[dtype] * _SLACK + SUBNORMAL[dtype]


def _settled(value: np.ndarray, error: np.ndarray) -> Parts:
    """Pair a value with its error: exact where it is not finite, unbounded where unknown."""
    error = np.where(np.isnan(error), np.inf, error)
    finite = np.isfinite(value) if value.dtype.kind == "f" else np.ones(value.shape, bool)
    return value, np.where(finite, error, 0.0)


class Bounded:
    """The wide arithmetic with error bounds as a second part."""

    def __init__(self) -> None:
        self.wide = Wide()

    def load(self, stored: Parts, dtype: str) -> Parts:
        return (*self.wide.load(stored[:1], dtype), stored[1])

    def store(self, value: Parts, dtype: str) -> Parts:
        stored = self.wide.store(value[:1], dtype)[0]
        moved = np.abs(stored.astype(value[0].dtype) - value[0]) if dtype in UNIT else 0.0
        return _settled(stored, np.asarray(value[1] + np.asarray(moved, np.float64)))

    def constant(self, value: object, dtype: str) -> Parts:
        parts = self.wide.constant(value, dtype)
        return (*parts, np.zeros(parts[0].shape))

    def apply(self, node: Op, args: tuple[Parts, ...]) -> Parts:
        values, errors = tuple(a[0] for a in args), tuple(a[1] for a in args)
        (result,) = self.wide.apply(node, tuple((v,) for v in values))
        moved = _PROPAGATE.get(node.name, _jump)(node, values, errors, result)
        return _settled(result, np.asarray(moved * _SLACK))

    def fold(
        self, operator: str, start: Parts, terms: Parts, counts: np.ndarray, dtype: str
    ) -> Parts:
        (total,) = self.wide.fold(operator, start[:1], terms[:1], counts, dtype)
        growth = counts * UNIT.get(dtype, 0.0)
        growth = np.where(growth < 0.5, growth / (1.0 - growth), np.inf)
        size = np.abs(
            np.concatenate([np.broadcast_to(start[0], terms[0].shape[1:])[None], terms[0]])
        )
        error = np.concatenate([np.broadcast_to(start[1], terms[1].shape[1:])[None], terms[1]])
        size = size.astype(np.float64)
        if operator == "sum":
            moved = error.sum(axis=0) + growth * size.sum(axis=0)
        elif operator == "prod":
            most = (size + error).prod(axis=0)
            moved = most - size.prod(axis=0) + growth * most
        else:
            moved = error.max(axis=0)
        subnormal = (counts + 1) * SUBNORMAL.get(dtype, 0.0)
        return _settled(np.asarray(total), np.asarray(moved * _SLACK + subnormal))


# ---- operators: (node, values, errors, result) -> error of the result ---------------------------
Values = tuple[np.ndarray, ...]


def _add(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    return errors[0] + errors[1] + _rounding(result, node.dtype)


def _mul(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    a, b = (np.abs(v).astype(np.float64) for v in values[:2])
    return (
        _times(a, errors[1])
        + _times(b, errors[0])
        + errors[0] * errors[1]
        + _rounding(result, node.dtype)
    )


def _times(magnitude: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Return the product where 0 errors stay 0, also times infinity."""
    return np.where(error == 0, 0.0, magnitude * error)


def _fma(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    product = values[0] * values[1]
    return _mul(node, values, errors, product) + errors[2] + _rounding(result, node.dtype)


def _div(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    quotient = np.abs(result).astype(np.float64)
    divisor = np.abs(values[1]).astype(np.float64) - errors[1]
    moved = errors[0] + _times(quotient, errors[1])
    moved = np.where(moved == 0, 0.0, np.where(divisor > 0, moved / divisor, np.inf))
    return moved + 3 * _rounding(result, node.dtype)


def _extreme(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    return np.maximum(errors[0], errors[1])


def _same(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    return errors[0]


def _sqrt(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    value = values[0].astype(np.float64)
    root = np.sqrt(np.maximum(value, 0.0))
    below = root - np.sqrt(np.maximum(value - errors[0], 0.0))
    return np.where(errors[0] == 0, 0.0, below) + _rounding(result, node.dtype)


def _exp(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    moved = _times(np.abs(result).astype(np.float64), np.expm1(errors[0]))
    return moved + EXP_UNITS * _rounding(result, node.dtype)


def _compared(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    reach = errors[0] + errors[1]
    distance = np.abs(values[0] - values[1]) if values[0].dtype.kind == "f" else np.inf
    return np.where((reach > 0) & (distance <= reach), 1.0, 0.0)


def _logical(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    return np.maximum.reduce(np.broadcast_arrays(*errors))


def _select(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    condition, first, second = values
    chosen = np.where(condition, errors[1], errors[2])
    if not np.any(errors[0]):
        return chosen
    apart = np.abs(first.astype(np.float64) - second.astype(np.float64))
    return np.where(errors[0] > 0, apart + np.maximum(errors[1], errors[2]), chosen)


def _jump(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    """Bound a monotone operator without a row of its own by its values at both ends."""
    if not np.any(errors[0]):
        inexact = node.name == "cast" and node.dtype in UNIT
        return _rounding(result, node.dtype) if inexact else np.zeros(result.shape)
    ends = (values[0] - errors[0], values[0] + errors[0])
    low, high = (Wide().apply(node, ((end.astype(values[0].dtype),),))[0] for end in ends)
    low, high, middle = (v.astype(np.float64) for v in (low, high, result))
    return np.maximum(high - middle, middle - low) + _rounding(result, node.dtype)


def _integer(node: Op, values: Values, errors: Values, result: np.ndarray) -> np.ndarray:
    uncertain = (errors[0] > 0) | (errors[1] > 0)
    return np.where(uncertain, np.inf, 0.0)


_PROPAGATE: Mapping[str, Callable[[Op, Values, Values, np.ndarray], np.ndarray]] = {
    "add": _add,
    "sub": _add,
    "mul": _mul,
    "div": _div,
    "fma": _fma,
    "floordiv": _integer,
    "mod": _integer,
    "maximum": _extreme,
    "minimum": _extreme,
    "neg": _same,
    "abs": _same,
    "sqrt": _sqrt,
    "exp": _exp,
    "select": _select,
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge"), _compared),
    **dict.fromkeys(("logical_and", "logical_or", "logical_not"), _logical),
}
