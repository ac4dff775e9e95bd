"""Fused multiply-add rounded once, on arrays.

f32: a product of two 24-bit significands is exact in f64. The sum with c is rounded to odd in f64
(rounded toward zero, last bit set when inexact) from its exact error; with 53 >= 24 + 2 bits the
final rounding to f32 is then the correct one, also in the subnormal range.

f64: product and sums are kept as unevaluated pairs, and the low part is rounded to odd before the
last addition (S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums: proved
algorithms using rounding to odd", IEEE Transactions on Computers 57(4), 2008). That holds away
from overflow and underflow of the intermediate terms; lanes near those are done with fractions.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

SPLIT = 134217729.0  # 2**27 + 1 halves a 53-bit significand


def fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return a * b + c, rounded once to the arrays' common dtype."""
    return _fma32(a, b, c) if a.dtype == np.float32 else _fma64(a, b, c)


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def _two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    product = a * b
    a_high = a * SPLIT - (a * SPLIT - a)
    b_high = b * SPLIT - (b * SPLIT - b)
    a_low, b_low = a - a_high, b - b_high
    error = a_high * b_high - product + a_high * b_low + a_low * b_high + a_low * b_low
    return product, error


def _add_to_odd(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Add two f64 arrays, rounding to odd."""
    total, error = _two_sum(a, b)
    bits = total.view(np.int64)
    inexact = (error != 0) & np.isfinite(total) & ((bits & 1) == 0)
    # Rounded to nearest, even: the neighbour on the error's side is odd.
    away = (error > 0) == (total > 0)
    return np.where(inexact, np.where(away, bits + 1, bits - 1), bits).view(np.float64)


def _fma32(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    product = a.astype(np.float64) * b.astype(np.float64)
    return _add_to_odd(product, c.astype(np.float64)).astype(np.float32)


def _fma64(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    plain = a * b + c
    product, low = _two_product(a, b)
    high, middle = _two_sum(c, low)
    top, rest = _two_sum(product, high)
    fused = top + _add_to_odd(rest, middle)
    result = np.where(_is_far_from_limits(a, b, c, product), fused, plain)
    for lane in np.nonzero(_is_near_limits(a, b, c, product))[0]:
        result[lane] = _fma_scalar(float(a[lane]), float(b[lane]), float(c[lane]))
    return result


def _is_far_from_limits(a, b, c, product) -> np.ndarray:
    size = np.abs(product)
    fits = (np.abs(a) < 2.0**990) & (np.abs(b) < 2.0**990) & (np.abs(c) < 2.0**1000)
    return fits & (size > 2.0**-900) & (size < 2.0**1000)


def _is_near_limits(a, b, c, product) -> np.ndarray:
    """Lanes where neither the plain nor the paired evaluation is right."""
    ordinary = np.isfinite(a) & np.isfinite(b) & (a != 0) & (b != 0)
    return ordinary & ~np.isnan(c) & ~_is_far_from_limits(a, b, c, product)


def _fma_scalar(a: float, b: float, c: float) -> float:
    if math.isinf(c):
        return c
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return 0.0
    try:
        rounded = exact.numerator / exact.denominator
    except OverflowError:
        rounded = math.inf if exact > 0 else -math.inf
    return math.copysign(rounded, 1 if exact > 0 else -1)
