"""Data for programs: one array an argument that is read.

small_integers   -4 .. 4: sums of products are exact in f32 up to 2^20 terms
random_floats    standard normal
special_values   infinities, NaN, signed zeros, subnormals, extremes among ordinary values
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from loopstack.ir.operators import NUMPY_DTYPE
from loopstack.ir.program import Array, Program

Fill = Callable[[np.random.Generator, Sequence[int], np.dtype], np.ndarray]
Arrays = dict[str, np.ndarray]


def small_integers(rng: np.random.Generator, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.integers(-4, 5, shape).astype(dtype)


def random_floats(rng: np.random.Generator, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    if dtype.kind != "f":
        return small_integers(rng, shape, dtype)
    return np.asarray(rng.standard_normal(shape), dtype)


def special_values(rng: np.random.Generator, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "b":
        return small_integers(rng, shape, dtype)
    if dtype.kind == "i":
        edges = np.array([0, 1, -1, np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
        return rng.choice(edges, shape)
    limits = np.finfo(dtype)
    subnormal = limits.smallest_subnormal
    edges = [np.inf, -np.inf, np.nan, 0.0, -0.0, subnormal, -3 * subnormal, limits.max, -limits.max]
    ordinary = np.asarray(rng.standard_normal(shape), dtype)
    return np.where(rng.random(shape) < 0.3, rng.choice(np.array(edges, dtype), shape), ordinary)


def inputs(program: Program, fill: Fill = random_floats, seed: int = 0) -> Arrays:
    """Return arrays for the arguments of a bound program, outputs excepted."""
    rng = np.random.default_rng(seed)
    return {a.name: _make(a, fill, rng) for a in program.arguments if a.role != "output"}


def _make(array: Array, fill: Fill, rng: np.random.Generator) -> np.ndarray:
    shape = tuple(form.evaluate({}) for form in array.shape)
    return np.asarray(fill(rng, shape, np.dtype(NUMPY_DTYPE[array.dtype])))


def outputs(program: Program) -> Arrays:
    """Return arrays for the outputs of a bound program, filled with a recognisable value."""
    made = {}
    for array in program.arguments:
        if array.role == "output":
            shape = tuple(form.evaluate({}) for form in array.shape)
            made[array.name] = np.full(shape, 77, NUMPY_DTYPE[array.dtype])
    return made
