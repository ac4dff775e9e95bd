"""Dtypes of results: NumPy 2 promotion, with Python numbers and indices weakly typed.

An index stands for the Python int of a loop, so it is weak like one: ``x[i] * i`` keeps the dtype
of a float x. A weak value is made definite when it meets a typed one: a weak float expression is
computed in that dtype, a weak integer one in i64 and then cast.
"""

from __future__ import annotations

from loopstack.diagnostics import frontend_error
from loopstack.frontend.graph import WEAK, Node, Trace, current
from loopstack.ir.operators import FLOATS, INTEGER_RANGE, INTEGERS

DEFAULT = {"int": "i64", "float": "f64"}
_KIND = {"bool_": 0, "int": 1, "i32": 1, "i64": 1, "float": 2, "f32": 2, "f64": 2}
_RANK = {"bool_": 0, "i32": 1, "i64": 2, "f32": 3, "f64": 4}


def promote(left: str, right: str) -> str:
    """Return the dtype in which two operands meet (NumPy 2 rules; weak ``int`` and ``float``)."""
    if left == right:
        return left
    if left in WEAK or right in WEAK:
        return _promote_weak(left, right)
    low, high = sorted((left, right), key=_RANK.__getitem__)
    # An f32 cannot hold every i32: NumPy meets in f64.
    return "f64" if low in INTEGERS and high == "f32" else high


def _promote_weak(left: str, right: str) -> str:
    if left in WEAK and right in WEAK:
        return "float"
    weak, strong = (left, right) if left in WEAK else (right, left)
    return strong if _KIND[strong] >= _KIND[weak] else DEFAULT[weak]


def promote_all(dtypes: list[str]) -> str:
    result = dtypes[0]
    for dtype in dtypes[1:]:
        result = promote(result, dtype)
    return result


def as_float(dtype: str) -> str:
    """Return the float dtype in which NumPy computes a float function of ``dtype``."""
    if dtype in FLOATS or dtype == "float":
        return dtype
    return "float" if dtype == "int" else "f64"


def definite_name(dtype: str) -> str:
    """Return a dtype, a weak one replaced by its default."""
    return DEFAULT.get(dtype, dtype)


def definite(node: Node) -> Node:
    """Return ``node`` with a weak dtype replaced by its default (i64, f64)."""
    return convert(node, DEFAULT[node.dtype]) if node.dtype in WEAK else node


def constant(value: float | int | bool, dtype: str) -> Node:
    """Return a constant of ``dtype``. Raises FrontendError when an integer does not fit."""
    if dtype in FLOATS or dtype == "float":
        value = float(value)
    elif dtype in INTEGER_RANGE:
        low, high = INTEGER_RANGE[dtype]
        if not low <= value <= high:
            raise frontend_error(f"the constant {value} does not fit ls.{dtype}")
        value = int(value)
    elif dtype == "bool_":
        value = bool(value)
    return current().node("const", Exact(value), (), dtype)


class Exact:
    """A number that compares by its spelling: 0.0 is not -0.0, and nan is nan."""

    __slots__ = ("text", "value")

    def __init__(self, value: float | int | bool) -> None:
        self.text = repr(value)
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exact) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


def convert(node: Node, dtype: str) -> Node:
    """Return ``node`` as a value of ``dtype``: weak parts are retyped, typed ones are cast."""
    if node.dtype == dtype:
        return node
    if node.dtype == "float" and dtype not in FLOATS:
        node = definite(node)  # a weak float is a number first, and an integer by truncation
    if node.dtype in WEAK:
        return _retype(node, dtype, {})
    return current().node("op", "cast", (node,), dtype)


def _retype(node: Node, dtype: str, memo: dict[Node, Node]) -> Node:
    """Give a weak value the dtype ``dtype``."""
    if node in memo:
        return memo[node]
    trace = current()
    if node.kind == "const":
        memo[node] = constant(node.payload.value, dtype)
    elif node.dtype == "int":
        memo[node] = _retyped_int(trace, node, dtype, memo)
    else:
        memo[node] = trace.node("op", node.payload, _retyped_args(node, dtype, memo), dtype)
    return memo[node]


def _retyped_int(trace: Trace, node: Node, dtype: str, memo: dict[Node, Node]) -> Node:
    if dtype == "float":
        return node
    if node.kind == "index":
        whole = trace.node("index", node.payload, (), "i64")
    else:
        whole = trace.node("op", node.payload, _retyped_args(node, "i64", {}), "i64")
    return whole if dtype == "i64" else trace.node("op", "cast", (whole,), dtype)


def _retyped_args(node: Node, dtype: str, memo: dict[Node, Node]) -> tuple[Node, ...]:
    return tuple(_retype(arg, dtype, memo) if arg.dtype in WEAK else arg for arg in node.args)
