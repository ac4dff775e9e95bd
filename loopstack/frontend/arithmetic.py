"""Operators on graph nodes: which dtype an operator computes in, and expansions.

Values (``values.py``) lift their operands to nodes and come here; einsum, which has no values,
uses :func:`make` directly.
"""

from __future__ import annotations

from collections.abc import Callable

from loopstack.diagnostics import frontend_error
from loopstack.frontend.graph import Node, current
from loopstack.frontend.promotion import (
    as_float,
    constant,
    convert,
    definite,
    definite_name,
    promote_all,
)
from loopstack.ir.operators import INTEGERS, OPERATORS, Operator


def make(name: str, *args: Node) -> Node:
    """Return operator ``name`` over operands that already have the dtypes its row asks for."""
    rule = OPERATORS[name].rule
    dtype = "bool_" if rule in ("compare", "logical") else args[-1].dtype
    return current().node("op", name, args, dtype)


def _typed(name: str, dtype: str, nodes: list[Node]) -> Node:
    """Return operator ``name`` computed in ``dtype``, weak ones included."""
    return current().node("op", name, tuple(convert(n, dtype) for n in nodes), dtype)


def operate(name: str, nodes: list[Node]) -> Node:
    """Return operator ``name`` over operands of any dtypes, promoted by NumPy's rules."""
    row = OPERATORS[name]
    return _expanded(row, nodes) if row.expansion else _BY_RULE[row.rule](name, nodes)


def _expanded(row: Operator, nodes: list[Node]) -> Node:
    node = definite(nodes[0])
    if row.rule == "float":
        node = convert(node, as_float(node.dtype))
    elif node.dtype == "bool_":
        raise frontend_error(f"{row.name} is not defined for ls.bool_", hint="use ls.where")
    dtype = node.dtype
    assert row.expansion is not None
    result: Node = row.expansion(make, lambda value: constant(value, dtype), dtype, node)
    current().labels.setdefault(result, row.name)
    return result


_BOOL_TWINS = {
    "add": "logical_or",
    "mul": "logical_and",
    "maximum": "logical_or",
    "minimum": "logical_and",
}


def _same(name: str, nodes: list[Node]) -> Node:
    dtype = promote_all([n.dtype for n in nodes])
    if dtype != "bool_":
        return _typed(name, dtype, nodes)
    if name in _BOOL_TWINS:
        return make(_BOOL_TWINS[name], *nodes)
    if name == "abs":
        return nodes[0]
    raise frontend_error(
        f"{name} is not defined for ls.bool_, as in NumPy", hint="use &, | and ~, or ls.cast first"
    )


def _float(name: str, nodes: list[Node]) -> Node:
    return _typed(name, as_float(promote_all([n.dtype for n in nodes])), nodes)


def _int(name: str, nodes: list[Node]) -> Node:
    dtype = promote_all([n.dtype for n in nodes])
    if dtype in INTEGERS or dtype == "int":
        return _typed(name, dtype, nodes)
    sign = {"floordiv": "//", "mod": "%"}.get(name, name)
    raise frontend_error(
        f"{sign} is for integers, found ls.{definite_name(dtype)}",
        hint="for floats write ls.floor(a / b)" if name == "floordiv" else "cast to ls.i64 first",
    )


def _compare(name: str, nodes: list[Node]) -> Node:
    dtype = definite_name(promote_all([n.dtype for n in nodes]))
    if dtype == "bool_" and name not in ("eq", "ne"):
        dtype = "i32"  # False < True, as numbers
    return make(name, *(convert(n, dtype) for n in nodes))


def _logical(name: str, nodes: list[Node]) -> Node:
    return make(name, *(truth(n) for n in nodes))


def _select(name: str, nodes: list[Node]) -> Node:
    dtype = promote_all([n.dtype for n in nodes[1:]])
    first, second = (convert(n, dtype) for n in nodes[1:])
    return current().node("op", name, (truth(nodes[0]), first, second), dtype)


def truth(node: Node) -> Node:
    """Return a bool_ value: ``node`` itself, or whether it differs from 0."""
    if node.dtype == "bool_":
        return node
    node = definite(node)
    return make("ne", node, constant(0, node.dtype))


_BY_RULE: dict[str, Callable[[str, list[Node]], Node]] = {
    "same": _same,
    "float": _float,
    "int": _int,
    "compare": _compare,
    "logical": _logical,
    "select": _select,
}
