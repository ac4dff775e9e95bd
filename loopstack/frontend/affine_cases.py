"""Parts of a domain on which an assignment is simpler.

A[max(i - 1, 0)]               subscripts are single forms: one case for each argument
A[i - 1] if i > 0 else 0.0     a select reads both sides: where one side may leave its array,
                               one case for each side
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from loopstack.frontend.affine_bounds import surely_inside
from loopstack.frontend.affine_conditions import (
    All,
    Condition,
    not_negative,
    opposite,
    pieces,
    try_condition,
)
from loopstack.frontend.affine_forms import Choices, Extreme, Forms, add, negate
from loopstack.frontend.affine_loops import Nest
from loopstack.frontend.affine_scope import Scope
from loopstack.frontend.affine_values import Values
from loopstack.ir.affine import affine

Case = tuple[Nest, Choices]


def split_cases(scope: Scope, nest: Nest, nodes: Sequence[ast.expr]) -> list[Case]:
    """Return disjoint parts of the nest's domain, each with the choices that hold there."""
    cases: list[Case] = [(nest, {})]
    for call in _subscript_extremes(nodes):
        cases = [split for case in cases for split in _by_argument(scope, case, call)]
    for test in [n for node in nodes for n in ast.walk(node) if isinstance(n, ast.IfExp)]:
        cases = [split for case in cases for split in _by_test(scope, case, test)]
    return cases


def _subscript_extremes(nodes: Sequence[ast.expr]) -> list[ast.Call]:
    """Return calls inside subscripts, inner ones first."""
    found: dict[ast.Call, None] = {}
    for node in nodes:
        for element in [n for n in ast.walk(node) if isinstance(n, ast.Subscript)]:
            for inner in reversed(list(ast.walk(element.slice))):
                if isinstance(inner, ast.Call):
                    found[inner] = None
    return list(found)


def _by_argument(scope: Scope, case: Case, call: ast.Call) -> Iterator[Case]:
    nest, choices = case
    forms = Forms(scope, nest.indices, choices)
    if scope.static(call.func) not in (min, max):
        yield case
        return
    value = forms.expression(call, "a subscript")
    if not isinstance(value, Extreme):
        yield case
        return
    parts = [forms.expression(argument, "a subscript") for argument in call.args]
    sign = 1 if value.kind == "max" else -1
    for number, part in enumerate(parts):
        # The first of equal arguments is taken, so that the cases are disjoint.
        ahead = [add(part, negate(other)) for other in parts]
        ahead = [gap if sign > 0 else negate(gap) for gap in ahead]
        wins: list[Condition] = [
            not_negative(gap if n > number else add(gap, affine(-1)))
            for n, gap in enumerate(ahead)
            if n != number
        ]
        yield nest.where(pieces(All(tuple(wins)))), {**choices, call: number}


def _by_test(scope: Scope, case: Case, test: ast.IfExp) -> Iterator[Case]:
    nest, choices = case
    forms = Forms(scope, nest.indices, choices)
    condition = try_condition(forms, test.test)
    if condition is None or _reads_safely(forms, test, nest):
        yield case
        return
    yield nest.where(pieces(condition)), {**choices, test: True}
    yield nest.where(pieces(opposite(condition))), {**choices, test: False}


def _reads_safely(forms: Forms, test: ast.IfExp, nest: Nest) -> bool:
    """Tell whether both sides may be read on the whole domain."""
    values = Values(forms)
    values.value(test.body)
    values.value(test.orelse)
    return all(surely_inside(a, piece) for a in values.accesses for piece in nest.domain)
