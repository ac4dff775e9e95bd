"""Run the body of an affine function as the Python text that it is: an oracle that shares nothing.

``ls`` in the body stands for plain NumPy functions; scalar helpers are called as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from loopstack.frontend.affine_calls import ScalarFunction
from loopstack.frontend.types import DType
from loopstack.ir.operators import NUMPY_DTYPE


def run_plain(
    function: Any, sizes: Mapping[str, int], arrays: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return copies of ``arrays`` after a run; scalars may be rank-0 arrays."""
    body = getattr(function, "__wrapped__", function)
    copies = {name: np.array(value) for name, value in arrays.items()}
    values = {n: a[()] if a.ndim == 0 else a for n, a in copies.items()}
    names = body.__code__.co_varnames[: body.__code__.co_argcount]
    with np.errstate(all="ignore"):
        _with_numpy(body, sizes)(*(values[n] if n in values else sizes[n] for n in names))
    return copies


def _with_numpy(body: FunctionType, sizes: Mapping[str, int]) -> FunctionType:
    known = {**body.__globals__, "ls": _functions(sizes)}
    for name, value in body.__globals__.items():
        if isinstance(value, ScalarFunction):
            helper = value.__wrapped__
            known[name] = FunctionType(helper.__code__, known, name, helper.__defaults__)
    cells = body.__closure__
    return FunctionType(body.__code__, known, body.__name__, None, cells)


def _functions(sizes: Mapping[str, int]) -> SimpleNamespace:
    def empty(dims: str, dtype: DType) -> np.ndarray:
        shape = tuple(eval(dim, dict(sizes)) for dim in dims.split())
        return np.full(shape, np.nan, NUMPY_DTYPE[dtype.name])

    return SimpleNamespace(
        empty=empty, exp=np.exp, sqrt=np.sqrt, abs=np.abs, where=np.where, maximum=np.maximum,
        minimum=np.minimum, f32=DType("f32"), f64=DType("f64"), i32=DType("i32"), i64=DType("i64"),
        cast=lambda x, dtype: np.asarray(x).astype(NUMPY_DTYPE[dtype.name])[()],
    )  # fmt: skip
