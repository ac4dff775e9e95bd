"""Functions written with primitive operators, once, for every consumer.

An expansion gets ``make(name, *operands)``, ``const(value)`` and the dtype, and returns whatever
``make`` returns: the tensor frontend builds its graph with it, others may build Expr or arrays.

Error bounds, in units in the last place (ulp) of the result, with ``exp`` within 1 ulp; measured
against 50-digit arithmetic in tests/unit/test_operators.py:

    tanh      <= 3 ulp f32 and f64, everywhere
    erf       <= 3 ulp f32 and f64, everywhere
    sigmoid   <= 4 ulp where the result is a normal number (relative error of exp, add, div)
    gelu      absolute error <= 3 ulp of |x|; 1 + erf cancels for x < 0, as in the usual formula

NaN gives NaN, infinities give limits. The polynomials are our own weighted minimax fits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Expression = Any
"""What the caller's ``make`` builds: a graph node, an Expr, an array."""

Make = Callable[..., Expression]
MakeConst = Callable[[float], Expression]
Expansion = Callable[[Make, MakeConst, str, Expression], Expression]

_SQRT_HALF = 0.7071067811865476

# (tanh(x) / x - 1) / x**2 in x**2 on |x| <= 0.625.
_TANH_LIMIT = 0.625
_TANH = {
    "f32": (-0.33333284, 0.13331491, -0.05374348, 0.020650545, -0.0057170023),
    "f64": (
        -0.33333333333332876,
        0.133333333332649,
        -0.05396825393247534,
        0.0218694876018228,
        -0.008863221317592518,
        0.003591991558519048,
        -0.0014549704191287186,
        0.000586352313354189,
        -0.0002286329227129822,
        7.721884286997186e-05,
        -1.610739223657891e-05,
    ),
}

# erf(x) / x in x**2 on |x| <= 1.
_ERF = {
    "f32": (
        1.1283791,
        -0.37612626,
        0.112836,
        -0.026854444,
        0.0051895347,
        -0.00080208376,
        7.889108e-05,
    ),
    "f64": (
        1.1283791670955126,
        -0.3761263890318355,
        0.1128379167094525,
        -0.026866170643275865,
        0.005223977607421479,
        -0.0008548325989626333,
        0.00012055295318856063,
        -1.4924744638128868e-05,
        1.6447517426886238e-06,
        -1.620917438069425e-07,
        1.3722971176421867e-08,
        -7.801182064933548e-10,
    ),
}

# erfc(x) * exp(x**2) in u = (x - 2) / (x + 2), weighted by exp(-x**2), from x = 1 to the limit,
# where erf(x) rounds to 1.
_ERFC_LIMIT = {"f32": 4.0, "f64": 6.0}
_ERFC = {
    "f32": (0.25539568, -0.42718586, 0.24165727, -0.07898689, 0.00372979, 0.0072126118),
    "f64": (
        0.25539567631050575,
        -0.4271858474139568,
        0.2416581942424688,
        -0.07897858101641438,
        0.003732892398534482,
        0.006997461785463537,
        -0.0008471425913448752,
        -0.0009819764767590687,
        4.353619459153587e-05,
        0.00017428852166984568,
        2.7622965195407124e-05,
        -2.661230965786664e-05,
        -1.2644885948176596e-05,
    ),
}


def _table(tables: dict[str, Any], dtype: str) -> Any:
    """Return the table for f32, or the f64 one for every other (also undecided) dtype."""
    return tables.get(dtype) or tables["f64"]


def _polynomial(make: Make, const: MakeConst, x: Expression, terms: Sequence[float]) -> Expression:
    """Return terms[0] + terms[1]*x + ... by Horner's rule (one FMA per term)."""
    result = const(terms[-1])
    for term in reversed(terms[:-1]):
        result = make("add", make("mul", result, x), const(term))
    return result


def _with_sign_of(make: Make, const: MakeConst, x: Expression, size: Expression) -> Expression:
    # A product, not a choice of size or -size: an expression is a tree and would hold size twice.
    return make("mul", make("select", make("lt", x, const(0.0)), const(-1.0), const(1.0)), size)


def relu(make: Make, const: MakeConst, dtype: str, x: Expression) -> Expression:
    """maximum(x, 0)"""
    return make("maximum", x, const(0.0))


def sigmoid(make: Make, const: MakeConst, dtype: str, x: Expression) -> Expression:
    """1 / (1 + exp(-x)); exp overflows to inf for very negative x and the result is 0."""
    one = const(1.0)
    return make("div", one, make("add", one, make("exp", make("neg", x))))


def silu(make: Make, const: MakeConst, dtype: str, x: Expression) -> Expression:
    """x / (1 + exp(-x))"""
    return make("div", x, make("add", const(1.0), make("exp", make("neg", x))))


def tanh(make: Make, const: MakeConst, dtype: str, x: Expression) -> Expression:
    """x (1 + x**2 P(x**2)) near 0; elsewhere sign(x) (1 - 2 / (exp(2 |x|) + 1))"""
    size = make("abs", x)
    square = make("mul", x, x)
    series = _polynomial(make, const, square, _table(_TANH, dtype))
    near = make("mul", x, make("add", make("mul", square, series), const(1.0)))
    growth = make("exp", make("add", size, size))
    far = make("sub", const(1.0), make("div", const(2.0), make("add", growth, const(1.0))))
    signed = _with_sign_of(make, const, x, far)
    return make("select", make("lt", size, const(_TANH_LIMIT)), near, signed)


def erf(make: Make, const: MakeConst, dtype: str, x: Expression) -> Expression:
    """x P(x**2) on |x| < 1; elsewhere sign(x) (1 - exp(-x**2) Q((|x| - 2) / (|x| + 2)))"""
    size = make("abs", x)
    near = make("mul", x, _polynomial(make, const, make("mul", x, x), _table(_ERF, dtype)))
    # Beyond the limit the result is 1; the clamp keeps inf out of u and lets NaN through.
    clamped = make("minimum", size, const(_table(_ERFC_LIMIT, dtype)))
    u = make("div", make("sub", clamped, const(2.0)), make("add", clamped, const(2.0)))
    scaled = _polynomial(make, const, u, _table(_ERFC, dtype))
    decay = make("exp", make("neg", make("mul", clamped, clamped)))
    far = make("sub", const(1.0), make("mul", decay, scaled))
    signed = _with_sign_of(make, const, x, far)
    return make("select", make("lt", size, const(1.0)), near, signed)


def gelu(make: Make, const: MakeConst, dtype: str, x: Expression) -> Expression:
    """x / 2 (1 + erf(x / sqrt(2)))"""
    inner = erf(make, const, dtype, make("mul", x, const(_SQRT_HALF)))
    return make("mul", make("mul", const(0.5), x), make("add", const(1.0), inner))


EXPANSIONS: dict[str, Expansion] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "silu": silu,
    "tanh": tanh,
    "erf": erf,
    "gelu": gelu,
}
