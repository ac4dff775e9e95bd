"""Scalar expressions of a parsed body: what a right-hand side computes.

Operators act on the same symbolic values as in a traced kernel, so dtypes, operators and their
errors are those of ``values.py``. Numbers alone are folded as Python folds them. A conditional
expression becomes a select, which reads both sides.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from loopstack.errors import FrontendError
from loopstack.frontend.affine_calls import call_function
from loopstack.frontend.affine_forms import Forms
from loopstack.frontend.affine_scope import MISSING, LocalScalar, Scope, usage
from loopstack.frontend.graph import WEAK, TensorData, current
from loopstack.frontend.promotion import constant
from loopstack.frontend.values import IndexForm, SymbolicTensor, Value, apply
from loopstack.ir.affine import Affine

Number = Any
"""A Python or NumPy number, or a Value."""

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True)
class ArrayAccess:
    """One element that a statement touches, and where the text says so."""

    node: ast.expr
    array: TensorData
    subscripts: tuple[Affine, ...]


@dataclass
class Values:
    """Reads scalar expressions; ``accesses`` collects the elements they load."""

    forms: Forms
    accesses: list[ArrayAccess] = field(default_factory=list)
    depth: int = 0

    @property
    def scope(self) -> Scope:
        return self.forms.scope

    def inside(self, scope: Scope) -> Values:
        """Return a reader for the body of a function that is called here."""
        return replace(self, forms=replace(self.forms, scope=scope), depth=self.depth + 1)

    def value(self, node: ast.expr) -> Number:
        """Return the value of an expression. Raises FrontendError."""
        with self.scope.source.pointing_at(node):
            return self._value(node)

    def _value(self, node: ast.expr) -> Number:
        reader = _READERS.get(type(node))
        if reader is None:
            raise self.refuse(
                node,
                f"{self.text(node)} is not understood in an affine body",
                "values are numbers, array elements, operators, conditional expressions and calls "
                "of scalar functions",
            )
        return reader(self, node)

    # ---- leaves -------------------------------------------------------------------------------
    def _constant(self, node: ast.Constant) -> Number:
        return self._number(node, node.value)

    def _name(self, node: ast.Name) -> Number:
        return self._meaning(node, self.scope.lookup(node))

    def _meaning(self, node: ast.expr, found: Any) -> Number:
        if isinstance(found, IndexForm):
            form = self.forms.check_in_scope(node, found.form)
            return form.const if form.is_constant else found
        if isinstance(found, LocalScalar):
            return read_local(found.data)
        if isinstance(found, SymbolicTensor):
            raise self.refuse(
                node,
                f"{found.data.name} is an array, expected a value",
                f"subscript it: {usage(found.data)}",
            )
        return found if isinstance(found, Value) else self._number(node, found)

    def _number(self, node: ast.expr, found: Any) -> Number:
        is_numpy = type(found).__module__ == "numpy" and getattr(found, "shape", None) == ()
        if isinstance(found, (bool, int, float)) or is_numpy:
            return found
        text = self.text(node)
        said = repr(found)
        what = f"{said:.60}" if said == text else f"{text} is {said:.60}"
        raise self.refuse(
            node, f"{what}, expected a number", "arrays and run-time scalars are parameters"
        )

    def _attribute(self, node: ast.Attribute) -> Number:
        found = self.scope.static(node)
        if found is MISSING:
            raise self.refuse(
                node,
                f"{self.text(node)} is not understood in an affine body",
                "values are array elements, numbers and local names",
            )
        return self._meaning(node, found)

    def _subscript(self, node: ast.Subscript) -> Number:
        extent = self.forms.extent_of(node)
        if extent is not None:
            return IndexForm(extent)
        found = self.scope.static(node)
        if found is not MISSING:
            return self._meaning(node, found)
        access = self.element(node)
        self.accesses.append(access)
        load = (access.array, access.subscripts)
        return Value(current().node("load", load, (), access.array.dtype))

    def element(self, node: ast.Subscript) -> ArrayAccess:
        """Return the array element ``A[i, j]`` or ``A[i][j]``. Raises FrontendError."""
        owner, subscripts = _unchained(node)
        array = self.scope.lookup(owner) if isinstance(owner, ast.Name) else None
        if not isinstance(array, SymbolicTensor):
            raise self.refuse(
                owner,
                f"{self.text(owner)} is not an array of this function",
                'arrays are parameters, x: ls.f64["N"], or local: x = ls.empty("N", ls.f64)',
            )
        data = array.data
        if len(subscripts) != data.rank:
            found = f"{len(subscripts)} subscript{'s' if len(subscripts) != 1 else ''}"
            raise self.refuse(
                node,
                f"{data.name} has {data.rank} dimension{'s' if data.rank != 1 else ''} "
                f"({' '.join(data.labels)}), found {found}",
                f"write {usage(data)}",
            )
        return ArrayAccess(node, data, tuple(self._position(data, s) for s in subscripts))

    def _position(self, data: TensorData, node: ast.expr) -> Affine:
        if isinstance(node, ast.Slice):
            raise self.refuse(
                node,
                f"{data.name} is subscripted with a slice",
                "write a loop over the dimension: for j in range(...)",
            )
        return self.forms.form(node, f"a subscript of {data.name}")

    # ---- operators ----------------------------------------------------------------------------
    def _binary(self, node: ast.BinOp) -> Number:
        left, right = self.value(node.left), self.value(node.right)
        combine = _BINARY.get(type(node.op))
        if combine is None:
            raise self.refuse(
                node,
                f"{self.text(node)}: this operator is not for numbers",
                "operators of numbers are + - * / // % **",
            )
        return self.folded(node, combine, left, right)

    def _unary(self, node: ast.UnaryOp) -> Number:
        inner = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return apply("logical_not", inner) if isinstance(inner, Value) else not inner
        return self.folded(node, _UNARY[type(node.op)], inner)

    def folded(self, node: ast.expr, combine: Callable[..., Any], *operands: Number) -> Number:
        """Apply a Python function; what it raises for numbers becomes an error at ``node``."""
        try:
            return combine(*operands)
        except (ArithmeticError, ValueError, TypeError) as error:
            raise self.refuse(node, f"{self.text(node)}: {error}", None) from None

    def _logical(self, node: ast.BoolOp) -> Number:
        name = "logical_and" if isinstance(node.op, ast.And) else "logical_or"
        result = self.value(node.values[0])
        for operand in node.values[1:]:
            result = apply(name, result, self.value(operand))
        return result

    def _compare(self, node: ast.Compare) -> Number:
        operands = [self.value(e) for e in (node.left, *node.comparators)]
        result: Number = None
        for op, left, right in zip(node.ops, operands, operands[1:]):
            combine = _COMPARE.get(type(op))
            if combine is None:
                hint = "compare numbers with <, <=, >, >=, == or !="
                raise self.refuse(node, f"{self.text(node)} is no comparison of numbers", hint)
            step = self.folded(node, combine, left, right)
            result = step if result is None else apply("logical_and", result, step)
        return result

    def _conditional(self, node: ast.IfExp) -> Number:
        if node in self.forms.choices:
            return self.value(node.body if self.forms.choices[node] else node.orelse)
        test = self.value(node.test)
        if not isinstance(test, Value):
            return self.value(node.body if test else node.orelse)
        return apply("select", test, self.value(node.body), self.value(node.orelse))

    def _call(self, node: ast.Call) -> Number:
        if self.scope.static(node.func) is len:
            return IndexForm(self.forms.form(node, "a value"))
        return call_function(self, node)

    # ---- errors -------------------------------------------------------------------------------
    def text(self, node: ast.AST) -> str:
        return self.scope.source.segment(node)

    def refuse(self, node: ast.AST, message: str, hint: str | None) -> FrontendError:
        return self.scope.source.error(node, message, hint)


_READERS: Mapping[type[ast.expr], Callable[[Values, Any], Number]] = {
    ast.Constant: Values._constant,
    ast.Name: Values._name,
    ast.Attribute: Values._attribute,
    ast.Subscript: Values._subscript,
    ast.BinOp: Values._binary,
    ast.UnaryOp: Values._unary,
    ast.BoolOp: Values._logical,
    ast.Compare: Values._compare,
    ast.IfExp: Values._conditional,
    ast.Call: Values._call,
}


def _unchained(node: ast.Subscript) -> tuple[ast.expr, list[ast.expr]]:
    """Return the array and all subscripts of ``A[i, j]`` and of ``A[i][j]``."""
    inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
    if isinstance(node.value, ast.Subscript):
        owner, outer = _unchained(node.value)
        return owner, outer + inner
    return node.value, inner


def read_local(data: TensorData) -> Value:
    """Return the value of a local scalar.

    While its dtype is not known, a number of the weak dtype stands for it.
    """
    if data.dtype in WEAK:
        return Value(constant(0, data.dtype))
    return Value(current().node("load", (data, ()), (), data.dtype))
