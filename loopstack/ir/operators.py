"""The one table of scalar operators, and the table of reduction operators.

Every stage that has to know an operator reads it here: the frontends (dtype rules, NumPy names),
the reader and the verifier (arity, dtypes), the reference interpreter (NumPy names), the C text,
and the sharing rule (which operators are worth storing). A row without an ``expansion`` is a
primitive: nest text and the code generator know it by the same name.

Dtype rules. ``same``: operands and result have one numeric dtype. ``float``, ``int``: the same,
of that kind. ``compare``: operands of one dtype, result bool_. ``logical``: all bool_.
``select``: bool_, then two of one dtype. ``cast``: the result dtype is written with the operator.

Integer ``floordiv`` and ``mod`` round towards minus infinity; like NumPy's, division by zero gives
0. ``maximum`` and ``minimum`` give NaN when either operand is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loopstack.ir.expansions import EXPANSIONS, Expansion

Rule = Literal["same", "float", "int", "compare", "logical", "select", "cast"]

FLOATS = frozenset({"f32", "f64"})
INTEGERS = frozenset({"i32", "i64"})
NUMERIC = FLOATS | INTEGERS
C_TYPE = {"bool_": "uint8_t", "i32": "int32_t", "i64": "int64_t", "f32": "float", "f64": "double"}
NUMPY_DTYPE = {"bool_": "bool", "i32": "int32", "i64": "int64", "f32": "float32", "f64": "float64"}
DTYPE_OF_NUMPY = {numpy: dtype for dtype, numpy in NUMPY_DTYPE.items()}
INTEGER_RANGE = {"i32": (-(2**31), 2**31 - 1), "i64": (-(2**63), 2**63 - 1)}


@dataclass(frozen=True)
class Operator:
    """One row. ``c`` is C text over a, b, c; ``%f`` stands for the f of float functions."""

    name: str
    arity: int
    rule: Rule
    numpy: str | None
    c: str | Mapping[str, str] = ""
    transcendental: bool = False
    commutative: bool = False
    expansion: Expansion | None = None

    @property
    def is_primitive(self) -> bool:
        return self.expansion is None


_FLOORDIV = (
    "(b == 0 ? 0 : b == -1 ? (%t)(0 - (%u)a) : a / b - (a % b != 0 && ((a < 0) != (b < 0))))"
)
_MOD = "(b == 0 || b == -1 ? 0 : a % b + ((a % b != 0 && ((a < 0) != (b < 0))) ? b : 0))"
_MAXIMUM = {"float": "(a > b || a != a ? a : b)", "int": "(a > b ? a : b)"}
_MINIMUM = {"float": "(a < b || a != a ? a : b)", "int": "(a < b ? a : b)"}

_ROWS = (
    Operator("add", 2, "same", "add", "(a + b)", commutative=True),
    Operator("sub", 2, "same", "subtract", "(a - b)"),
    Operator("mul", 2, "same", "multiply", "(a * b)", commutative=True),
    Operator("div", 2, "float", "true_divide", "(a / b)"),
    Operator("floordiv", 2, "int", "floor_divide", _FLOORDIV),
    Operator("mod", 2, "int", "remainder", _MOD),
    Operator("maximum", 2, "same", "maximum", _MAXIMUM, commutative=True),
    Operator("minimum", 2, "same", "minimum", _MINIMUM, commutative=True),
    Operator("neg", 1, "same", "negative", "(-a)"),
    Operator("abs", 1, "same", "absolute", {"float": "fabs%f(a)", "int": "(a < 0 ? -a : a)"}),
    Operator("sqrt", 1, "float", "sqrt", "sqrt%f(a)"),
    Operator("exp", 1, "float", "exp", "exp%f(a)", transcendental=True),
    Operator("floor", 1, "float", "floor", "floor%f(a)"),
    Operator("fma", 3, "float", None, "fma%f(a, b, c)"),
    Operator("select", 3, "select", "where", "(a ? b : c)"),
    Operator("eq", 2, "compare", "equal", "(a == b)", commutative=True),
    Operator("ne", 2, "compare", "not_equal", "(a != b)", commutative=True),
    Operator("lt", 2, "compare", "less", "(a < b)"),
    Operator("le", 2, "compare", "less_equal", "(a <= b)"),
    Operator("gt", 2, "compare", "greater", "(a > b)"),
    Operator("ge", 2, "compare", "greater_equal", "(a >= b)"),
    Operator("logical_and", 2, "logical", "logical_and", "(a && b)", commutative=True),
    Operator("logical_or", 2, "logical", "logical_or", "(a || b)", commutative=True),
    Operator("logical_not", 1, "logical", "logical_not", "(!a)"),
    Operator("cast", 1, "cast", None, {"bool_": "(a != 0)", "int": "(%t)(a)", "float": "(%t)(a)"}),
    # Functions written with the rows above.
    Operator("relu", 1, "same", None, expansion=EXPANSIONS["relu"]),
    Operator("sigmoid", 1, "float", None, transcendental=True, expansion=EXPANSIONS["sigmoid"]),
    Operator("silu", 1, "float", None, transcendental=True, expansion=EXPANSIONS["silu"]),
    Operator("tanh", 1, "float", "tanh", transcendental=True, expansion=EXPANSIONS["tanh"]),
    Operator("erf", 1, "float", None, transcendental=True, expansion=EXPANSIONS["erf"]),
    Operator("gelu", 1, "float", None, transcendental=True, expansion=EXPANSIONS["gelu"]),
)

OPERATORS: Mapping[str, Operator] = {row.name: row for row in _ROWS}


@dataclass(frozen=True)
class ReductionOperator:
    """``combine`` is a row of OPERATORS; ``numpy`` reduces an axis."""

    name: str
    combine: str
    numpy: str


REDUCTIONS: Mapping[str, ReductionOperator] = {
    "sum": ReductionOperator("sum", "add", "add"),
    "prod": ReductionOperator("prod", "mul", "multiply"),
    "max": ReductionOperator("max", "maximum", "maximum"),
    "min": ReductionOperator("min", "minimum", "minimum"),
}


def identity(reduction: str, dtype: str) -> float | int:
    """Return the value that leaves every ``dtype`` element unchanged under ``reduction``."""
    if reduction in ("sum", "prod"):
        value = 0 if reduction == "sum" else 1
        return float(value) if dtype in FLOATS else value
    if dtype in FLOATS:
        return -math.inf if reduction == "max" else math.inf
    low, high = INTEGER_RANGE[dtype]
    return low if reduction == "max" else high


def result_dtype(name: str, dtypes: Sequence[str], cast_to: str | None = None) -> str:
    """Return the dtype of operator ``name`` over operands of these dtypes.

    Raises ValueError, with the rule in words, when the operands do not fit.
    """
    row = OPERATORS.get(name)
    if row is None:
        raise ValueError(f"unknown operator {name!r}")
    if len(dtypes) != row.arity:
        raise ValueError(f"{name} takes {row.arity} operands, found {len(dtypes)}")
    return _RULES[row.rule](name, tuple(dtypes), cast_to)


def _one_of(name: str, dtypes: tuple[str, ...], allowed: frozenset[str]) -> str:
    if len(set(dtypes)) != 1:
        raise ValueError(f"{name} wants operands of one dtype, found {', '.join(dtypes)}")
    if dtypes[0] not in allowed:
        raise ValueError(f"{name} is not defined for {dtypes[0]}")
    return dtypes[0]


def _select(name: str, dtypes: tuple[str, ...], _: str | None) -> str:
    if dtypes[0] != "bool_":
        raise ValueError(f"{name} wants a bool_ first, found {dtypes[0]}")
    return _one_of(name, dtypes[1:], NUMERIC | {"bool_"})


def _compare(name: str, dtypes: tuple[str, ...], _: str | None) -> str:
    _one_of(name, dtypes, NUMERIC | {"bool_"} if name in ("eq", "ne") else NUMERIC)
    return "bool_"


def _cast(name: str, dtypes: tuple[str, ...], cast_to: str | None) -> str:
    if cast_to not in C_TYPE:
        raise ValueError(f"cast to unknown dtype {cast_to}")
    return cast_to


_RULES = {
    "same": lambda name, dtypes, _: _one_of(name, dtypes, NUMERIC),
    "float": lambda name, dtypes, _: _one_of(name, dtypes, FLOATS),
    "int": lambda name, dtypes, _: _one_of(name, dtypes, INTEGERS),
    "logical": lambda name, dtypes, _: _one_of(name, dtypes, frozenset({"bool_"})),
    "compare": _compare,
    "select": _select,
    "cast": _cast,
}


def c_text(name: str, dtype: str) -> str:
    """Return C text for a primitive over operands ``a``, ``b``, ``c`` of ``dtype``.

    The operands stand for names or literals: some texts mention one more than once. For ``cast``
    and ``select``, ``dtype`` is that of the result.
    """
    text = OPERATORS[name].c
    if not isinstance(text, str):
        kind = "float" if dtype in FLOATS else "int"
        text = text.get(dtype) or text[kind]
    text = text.replace("%f", "f" if dtype == "f32" else "")
    return text.replace("%t", C_TYPE[dtype]).replace("%u", "u" + C_TYPE[dtype])
