"""Walk a parsed body in text order: loops, tests and assignments become drafts of statements.

A draft is one assignment below its loops. Positions in each body are counted as in the 2d+1 form;
an ``if`` adds constraints and no position of its own. Where a domain is a union, the assignment
becomes one draft a piece, side by side in the same body.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from loopstack.errors import FrontendError
from loopstack.frontend.affine_cases import split_cases
from loopstack.frontend.affine_conditions import (
    Piece,
    both,
    opposite,
    pieces,
    read_condition,
    try_condition,
)
from loopstack.frontend.affine_forms import Forms
from loopstack.frontend.affine_locals import Locals
from loopstack.frontend.affine_loops import Nest, read_loop
from loopstack.frontend.affine_scope import LocalScalar, Scope
from loopstack.frontend.affine_source import Source
from loopstack.frontend.affine_values import ArrayAccess, Values
from loopstack.frontend.graph import WEAK, Node
from loopstack.frontend.promotion import convert, definite_name
from loopstack.frontend.values import IndexForm, SymbolicTensor, Value, lift
from loopstack.ir.operators import FLOATS


@dataclass(frozen=True)
class Draft:
    """``write = value`` over one conjunction of constraints; indices are tokens."""

    node: ast.stmt
    indices: tuple[str, ...]
    constraints: Piece
    order: tuple[int, ...]
    write: ArrayAccess
    value: Node
    reads: tuple[ArrayAccess, ...]


class Walker:
    """Collects the drafts of one function."""

    def __init__(self, source: Source, scope: Scope, locals_: Locals) -> None:
        self.source = source
        self.scope = scope
        self.locals = locals_
        self.drafts: list[Draft] = []
        self._loops = count()

    def run(self) -> list[Draft]:
        """Return the drafts in text order. Raises FrontendError."""
        body = self.source.tree.body
        if isinstance(body[-1], ast.Return) and _returns_nothing(body[-1]):
            body = body[:-1]
        self.body(body, Nest())
        return self.drafts

    def body(self, statements: Sequence[ast.stmt], nest: Nest) -> None:
        self.block(statements, nest, count())

    def block(self, statements: Sequence[ast.stmt], nest: Nest, position: Iterator[int]) -> None:
        """Visit statements that take their positions from one counter."""
        for node in statements:
            visit = _VISITS.get(type(node))
            if visit is None:
                raise self._refused(node)
            visit(self, node, nest, position)

    def _refused(self, node: ast.stmt) -> FrontendError:
        what, hint = _REFUSED.get(type(node), (type(node).__name__.lower(), _ALLOWED))
        return self.source.error(_first_line(node), f"{what} in an affine body", hint)

    # ---- structure ----------------------------------------------------------------------------
    def _for(self, node: ast.For, nest: Nest, position: Iterator[int]) -> None:
        if node.orelse:
            raise self.source.error(node.orelse[0], "else of a loop in an affine body", _ALLOWED)
        name = self._loop_variable(node)
        token = f"{name}={next(self._loops)}"
        loop = read_loop(self._forms(nest), node, token)
        inner = Nest(
            (*nest.indices, token), both(nest.domain, loop.domain), (*nest.order, next(position))
        )
        before = self.scope.bindings.get(name)
        self.scope.bindings[name] = IndexForm(loop.variable)
        self.locals.loop_variables.append(name)
        self.body(node.body, inner)
        self.locals.loop_variables.pop()
        if name in self.locals.loop_variables:
            self.scope.bindings[name] = before  # an outer loop of that name goes on

    def _loop_variable(self, node: ast.For) -> str:
        if not isinstance(node.target, ast.Name):
            raise self.source.error(node.target, "a loop has one variable", "for i in range(...)")
        name = node.target.id
        known = self.scope.bindings.get(name)
        taken = name in self.locals.parameters or name in self.locals.sizes
        if isinstance(known, (SymbolicTensor, LocalScalar)) or taken:
            raise self.source.error(
                node.target, f"{name} is a {_kind(known)}, and cannot count a loop", "rename it"
            )
        return name

    def _if(self, node: ast.If, nest: Nest, position: Iterator[int]) -> None:
        condition = read_condition(self._test_forms(node, nest), node.test)
        self.block(node.body, nest.where(pieces(condition)), position)
        if node.orelse:
            self.block(node.orelse, nest.where(pieces(opposite(condition))), position)

    def _test_forms(self, node: ast.If, nest: Nest) -> Forms:
        """Return a reader of forms; a test on data gets an error that fits it."""
        forms = self._forms(nest)
        if try_condition(forms, node.test) is None and self._is_data(node.test):
            raise self.source.error(
                node.test,
                f"the test {self.source.segment(node.test)} depends on data",
                "for data write a conditional expression: x = a if test else x",
            )
        return forms

    def _is_data(self, test: ast.expr) -> bool:
        for node in ast.walk(test):
            if isinstance(node, ast.Name):
                found = self.scope.bindings.get(node.id)
                data = isinstance(found, (SymbolicTensor, LocalScalar))
                if data or (isinstance(found, Value) and not isinstance(found, IndexForm)):
                    return True
        return False

    def _nothing(self, node: ast.stmt, nest: Nest, position: Iterator[int]) -> None:
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            text = self.source.segment(node)
            raise self.source.error(
                node, f"{text} has no effect", "an affine body assigns to arrays and local names"
            )

    def _forms(self, nest: Nest) -> Forms:
        return Forms(self.scope, nest.indices)

    # ---- assignments --------------------------------------------------------------------------
    def _assign(self, node: ast.Assign, nest: Nest, position: Iterator[int]) -> None:
        if len(node.targets) > 1:
            raise self.source.error(
                node, "several targets of one assignment", "write one assignment a line"
            )
        target = node.targets[0]
        if not isinstance(target, (ast.Name, ast.Subscript)):
            raise self._target_refused(target)
        if isinstance(target, ast.Name) and self.locals.bind(
            self.scope, target, node.value, self._forms(nest)
        ):
            return
        self._store(node, target, node.value, nest, position)

    def _annotated(self, node: ast.AnnAssign, nest: Nest, position: Iterator[int]) -> None:
        if not isinstance(node.target, ast.Name) or node.value is None:
            raise self.source.error(
                node, "an annotation belongs to a local number", "x: ls.f32 = 0.0"
            )
        self.locals.annotate(self.scope, node.target, node.annotation)
        self._store(node, node.target, node.value, nest, position)

    def _update(self, node: ast.AugAssign, nest: Nest, position: Iterator[int]) -> None:
        """Write ``x += e`` out as ``x = x + e``."""
        if isinstance(node.target, ast.Subscript):
            read: ast.expr = ast.Subscript(node.target.value, node.target.slice, ast.Load())
        elif isinstance(node.target, ast.Name):
            read = ast.Name(node.target.id, ast.Load())
        else:
            raise self._target_refused(node.target)
        read = ast.copy_location(read, node.target)
        value = ast.copy_location(ast.BinOp(read, node.op, node.value), node)
        self._store(node, node.target, value, nest, position)

    def _store(
        self, node: ast.stmt, target: ast.expr, value: ast.expr, nest: Nest, position: Iterator[int]
    ) -> None:
        """Append the drafts of an assignment: one a case of its tests and a piece of its domain."""
        for inner, choices in split_cases(self.scope, nest, (value, target)):
            values = Values(Forms(self.scope, nest.indices, choices))
            found = lift_at(values, value)
            write = self._target(values, target, found)
            fitted = self._fitted(node, found, write)
            for piece in inner.domain:
                order = (*nest.order, next(position))
                reads = tuple(values.accesses)
                self.drafts.append(Draft(node, nest.indices, piece, order, write, fitted, reads))

    def _target(self, values: Values, target: ast.expr, value: Node) -> ArrayAccess:
        if isinstance(target, ast.Subscript):
            return values.element(target)
        assert isinstance(target, ast.Name)
        data = self.locals.assign(self.scope, target, value.dtype)
        return ArrayAccess(target, data, ())

    def _target_refused(self, target: ast.expr) -> FrontendError:
        return self.source.error(
            target,
            f"{self.source.segment(target)} cannot be assigned to here",
            "assign to one array element or one local name at a time",
        )

    def _fitted(self, node: ast.stmt, value: Node, write: ArrayAccess) -> Node:
        """Return ``value`` in the dtype of what it is written to."""
        wanted, found = write.array.dtype, definite_name(value.dtype)
        if wanted in WEAK:
            return value  # a local number whose dtype is not known yet
        is_lossy = found in FLOATS and wanted not in FLOATS
        if is_lossy or (wanted == "bool_" and found != "bool_"):
            raise self.source.error(
                node,
                f"{write.array.name} is ls.{wanted}, and cannot hold an ls.{found} value",
                f"convert it: ls.cast(..., ls.{wanted})",
            )
        with self.source.pointing_at(node):
            return convert(value, wanted)


def lift_at(values: Values, node: ast.expr) -> Node:
    """Return the graph node of an expression."""
    found = values.value(node)
    with values.scope.source.pointing_at(node):
        return lift(found)


def _returns_nothing(node: ast.Return) -> bool:
    return node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)


def _first_line(node: ast.stmt) -> ast.stmt:
    """Return a copy of a compound statement that ends where its body begins."""
    body = getattr(node, "body", None)
    if not body:
        return node
    short = ast.Pass()
    ast.copy_location(short, node)
    short.end_lineno, short.end_col_offset = node.lineno, None
    return short


def _kind(found: Any) -> str:
    if isinstance(found, SymbolicTensor):
        return "array"
    return "local number" if isinstance(found, LocalScalar) else "parameter"


_Visit = Callable[[Walker, Any, Nest, Iterator[int]], None]
_VISITS: Mapping[type[ast.stmt], _Visit] = {
    ast.For: Walker._for,
    ast.If: Walker._if,
    ast.Assign: Walker._assign,
    ast.AugAssign: Walker._update,
    ast.AnnAssign: Walker._annotated,
    ast.Expr: Walker._nothing,
    ast.Pass: Walker._nothing,
}
_ALLOWED = "an affine body has for over range, if, assignments and updates (+=)"
_REFUSED: Mapping[type[ast.stmt], tuple[str, str]] = {
    ast.While: ("a while loop", "loops run over range with affine bounds"),
    ast.Return: ("a return", "arrays are updated in place; an affine function returns None"),
    ast.Break: ("break", "give the loop its range, or use an if with an affine test"),
    ast.Continue: ("continue", "put the rest of the body below an if with the opposite test"),
    ast.FunctionDef: ("a function", "define it outside, and decorate it with @ls.scalar"),
}
