"""``for i in range(...)``: an index of the program, its bounds, and what the variable stands for.

    range(lo, hi)          index i        lo <= i < hi           i
    range(lo, hi, 3)       index i >= 0   lo + 3*i < hi          lo + 3*i
    range(lo, hi, -1)      index i >= 0   lo - i > hi            lo - i
    range(min(a, b), hi, -1)     index i  -i <= a, -i <= b, -i > hi     -i

Lower bounds may be a max and upper bounds a min of forms (a conjunction); the other way round the
domain falls into disjoint pieces.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from loopstack.frontend.affine_conditions import (
    EVERYWHERE,
    Piece,
    Pieces,
    both,
    conjunction,
    not_negative,
    pieces,
)
from loopstack.frontend.affine_forms import Forms, IndexExpression, add, negate
from loopstack.frontend.affine_proofs import follows, impossible
from loopstack.ir.affine import Affine, affine

USAGE = "write for i in range(start, stop, step)"


@dataclass(frozen=True)
class Nest:
    """The loops and tests around a statement: index tokens and the domain over them.

    ``order`` holds a position in each body around, the innermost still open.
    """

    indices: tuple[str, ...] = ()
    domain: Pieces = EVERYWHERE
    order: tuple[int, ...] = ()

    def where(self, domain: Pieces) -> Nest:
        """Return the nest inside a test, without what the loops around it imply."""
        pieces = (_tested(outer, test) for outer in self.domain for test in domain)
        return replace(self, domain=tuple(piece for piece in pieces if piece is not None))


def _tested(outer: Piece, test: Piece) -> Piece | None:
    """Return the points of ``outer`` where ``test`` holds; None when there are none."""
    new = tuple(form for form in test if not follows(form, outer))
    found = conjunction(outer, new)
    return None if not found or (new and impossible(found[0])) else found[0]


@dataclass(frozen=True)
class Loop:
    """One loop, read: its domain over ``token``, and the user's variable as a form."""

    token: str
    domain: Pieces
    variable: Affine


def read_loop(forms: Forms, node: ast.For, token: str) -> Loop:
    """Return the loop of a ``for``. Raises FrontendError for all but ranges with affine bounds."""
    start, stop, step = _range(forms, node)
    index = affine(token)
    if step == 1:
        first, last = add(index, negate(start)), add(add(stop, affine(-1)), negate(index))
        return Loop(token, _inside(first, last), index)
    if step == -1 and not isinstance(start, Affine):  # no form to count from: count from 0
        first, last = add(start, index), add(negate(index), negate(add(stop, affine(1))))
        return Loop(token, _inside(first, last), -index)
    variable = _base(forms, node, start, step) + index * step
    ahead = add(stop, negate(variable)) if step > 0 else add(variable, negate(stop))
    return Loop(token, _inside(index, add(ahead, affine(-1))), variable)


def _inside(first: IndexExpression, last: IndexExpression) -> Pieces:
    return both(pieces(not_negative(first)), pieces(not_negative(last)))


def _range(forms: Forms, node: ast.For) -> tuple[IndexExpression, IndexExpression, int]:
    call = node.iter
    source = forms.scope.source
    is_range = isinstance(call, ast.Call) and forms.scope.static(call.func) is range
    if not is_range or not isinstance(call, ast.Call):
        raise source.error(call, f"a loop runs over range, found {source.segment(call)}", USAGE)
    if call.keywords or not 1 <= len(call.args) <= 3:
        raise source.error(call, "range takes one to three positions", USAGE)
    bounds = [forms.expression(arg, "a loop bound") for arg in call.args[:2]]
    start, stop = bounds if len(bounds) == 2 else (affine(0), bounds[0])
    return start, stop, _step(forms, call)


def _step(forms: Forms, call: ast.Call) -> int:
    if len(call.args) < 3:
        return 1
    step = forms.expression(call.args[2], "a step")
    if not isinstance(step, Affine) or not step.is_constant:
        text = forms.text(call.args[2])
        raise forms.scope.source.error(
            call.args[2],
            f"the step {text} is not an integer constant",
            "a step is an integer, or a number of the enclosing scope",
        )
    if step.const == 0:
        raise forms.scope.source.error(call.args[2], "the step of a range cannot be 0", USAGE)
    return step.const


def _base(forms: Forms, node: ast.For, start: IndexExpression, step: int) -> Affine:
    """Return the first value of a loop with a step."""
    if isinstance(start, Affine):
        return start
    call = node.iter
    assert isinstance(call, ast.Call)
    raise forms.scope.source.error(
        call.args[0],
        f"a loop with step {step} starts at one form, found a {start.kind}",
        "start at a plain form and leave the first values out with an if",
    )
