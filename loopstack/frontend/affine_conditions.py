"""Affine tests as sets of points: disjoint pieces, each a conjunction of forms >= 0.

    if i < j or i == n:      ->   {j - i - 1 >= 0}   and   {i - j >= 0, i - n >= 0, n - i >= 0}

The pieces of a test and those of its negation cover everything once, so a statement below an
``if`` may become one statement a piece.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Union

import numpy as np

from loopstack.errors import FrontendError
from loopstack.frontend.affine_forms import Forms, IndexExpression, add, negate
from loopstack.ir.affine import Affine, affine

Piece = tuple[Affine, ...]
Pieces = tuple[Piece, ...]
EVERYWHERE: Pieces = ((),)


@dataclass(frozen=True)
class All:
    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Some:
    parts: tuple[Condition, ...]


Condition = Union[Affine, All, Some]
"""A form is the condition that it is >= 0."""


def opposite(condition: Condition) -> Condition:
    """Return the negation."""
    if isinstance(condition, Affine):
        return -condition - 1
    other = Some if isinstance(condition, All) else All
    return other(tuple(map(opposite, condition.parts)))


def pieces(condition: Condition) -> Pieces:
    """Return the points where ``condition`` holds, as disjoint conjunctions."""
    if isinstance(condition, Affine):
        return conjunction((), (condition,))
    if isinstance(condition, All):
        found = EVERYWHERE
        for part in condition.parts:
            found = both(found, pieces(part))
        return found
    found = ()
    before = EVERYWHERE  # where no earlier part holds
    for part in condition.parts:
        found += both(before, pieces(part))
        before = both(before, pieces(opposite(part)))
    return found


def both(left: Pieces, right: Pieces) -> Pieces:
    """Return the intersection."""
    return tuple(p for a, b in product(left, right) for p in conjunction(a, b))


def conjunction(left: Piece, right: Piece) -> Pieces:
    """Return the conjunction of two pieces, or nothing when two forms contradict each other."""
    kept = list(left)
    for form in right:
        if form.is_constant and form.const >= 0:
            continue
        sums = [(form + other) for other in kept] + [form]
        if any(total.is_constant and total.const < 0 for total in sums):
            return ()
        tighter = [other - form for other in kept]
        if any(apart.is_constant and apart.const <= 0 for apart in tighter):
            continue  # form follows from one that is there
        kept = [o for o, apart in zip(kept, tighter) if not apart.is_constant] + [form]
    return (tuple(kept),)


def not_negative(value: IndexExpression) -> Condition:
    """Return the condition ``value >= 0``: of every part of a min, of some part of a max."""
    if isinstance(value, Affine):
        return value
    parts = tuple(map(not_negative, value.parts))
    return All(parts) if value.kind == "min" else Some(parts)


def read_condition(forms: Forms, node: ast.expr) -> Condition:
    """Return an affine test. Raises FrontendError for a test on data."""
    if isinstance(node, ast.BoolOp):
        parts = tuple(read_condition(forms, value) for value in node.values)
        return All(parts) if isinstance(node.op, ast.And) else Some(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return opposite(read_condition(forms, node.operand))
    if isinstance(node, ast.Compare):
        operands = [forms.expression(e, "a test") for e in (node.left, *node.comparators)]
        steps = zip(pairwise(operands), node.ops)
        return All(tuple(_compare(forms, node, op, a, b) for (a, b), op in steps))
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return All(()) if node.value else Some(())
    truth = forms.scope.static(node)
    if isinstance(truth, (bool, np.bool_)):
        return All(()) if truth else Some(())
    # A bare form, as in `if i % 2:`, asks whether it differs from 0.
    return _different(forms.expression(node, "a test"), affine(0))


def try_condition(forms: Forms, node: ast.expr) -> Condition | None:
    """Return an affine test, or None when ``node`` is something else."""
    try:
        return read_condition(forms, node)
    except FrontendError:
        return None


def _compare(
    forms: Forms, node: ast.Compare, op: ast.cmpop, left: IndexExpression, right: IndexExpression
) -> Condition:
    above = add(left, negate(right))
    below = add(right, negate(left))
    if isinstance(op, ast.Lt):
        return not_negative(add(below, affine(-1)))
    if isinstance(op, ast.LtE):
        return not_negative(below)
    if isinstance(op, ast.Gt):
        return not_negative(add(above, affine(-1)))
    if isinstance(op, ast.GtE):
        return not_negative(above)
    if isinstance(op, ast.Eq):
        return opposite(_different(left, right))
    if isinstance(op, ast.NotEq):
        return _different(left, right)
    raise forms.scope.source.error(
        node, f"{forms.text(node)} is no affine test", "compare with <, <=, >, >=, == or !="
    )


def _different(left: IndexExpression, right: IndexExpression) -> Condition:
    above, below = add(left, negate(right)), add(right, negate(left))
    return Some((not_negative(add(above, affine(-1))), not_negative(add(below, affine(-1)))))
