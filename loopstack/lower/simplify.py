"""Drop loops that run once, branches whose test is known, and empty loops.

A vector loop that runs once where an outer loop says, and selects a register, stays: registers have
no addresses, and only a lane number selects one at run time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from loopstack.ir.affine import Affine
from loopstack.ir.expr import Expr, IndexValue, Load, rewrite
from loopstack.ir.program import Access
from loopstack.lower.nest import Assign, For, If, LaneFold, NestNode, Touch
from loopstack.lower.uses import selects

Nodes = tuple[NestNode, ...]
Forms = tuple[Affine, ...]
Values = dict[str, Affine]
Names = frozenset[str]
NONE: Names = frozenset()


def simplify(body: Nodes, known: Values | None = None, registers: Names = NONE) -> Nodes:
    """Return ``body`` without trivial loops and branches.

    ``known`` holds the values of the loops above that ran once and are gone, ``registers`` the
    register arrays of several elements.
    """
    known = known or {}
    out: list[NestNode] = []
    for node in body:
        if isinstance(node, For):
            out.extend(_loop(node, known, registers))
        elif isinstance(node, If):
            out.extend(_branch(node, known, registers))
        else:
            out.append(_access(node, known) if known else node)
    return tuple(out)


def _loop(loop: For, known: Values, registers: Names) -> Nodes:
    lowers = _one_constant(_forms(loop.lowers, known), max)
    uppers = _one_constant(_forms(loop.uppers, known), min)
    bounded = For(loop.name, lowers, uppers, loop.kind, loop.tail, ())
    trips = bounded.trip_count
    if trips == 0:
        return ()
    if trips == 1 and not _is_needed(loop, lowers[0], registers):
        return simplify(loop.body, {**known, loop.name: lowers[0]}, registers)
    body = simplify(loop.body, known, registers)
    return (bounded.with_body(body),) if body else ()


def _is_needed(loop: For, value: Affine, registers: Names) -> bool:
    """Tell whether a register below is selected by a ``value`` that only lanes can have."""
    return loop.kind == "vector" and not value.is_constant and selects(loop, registers)


def _one_constant(forms: Forms, best: Callable[[Iterable[int]], int]) -> Forms:
    """Keep one of several constant bounds."""
    constants = [form.const for form in forms if not form.terms]
    if len(constants) < 2:
        return forms
    return (Affine((), best(constants)), *(form for form in forms if form.terms))


def _branch(node: If, known: Values, registers: Names) -> Nodes:
    zero = tuple([f for f in _forms(node.zero, known) if f.terms or f.const != 0])
    nonnegative = tuple([f for f in _forms(node.nonnegative, known) if f.terms or f.const < 0])
    if any(not f.terms for f in zero + nonnegative):
        return simplify(node.orelse, known, registers)
    then = simplify(node.then, known, registers)
    if not zero and not nonnegative:
        return then
    orelse = simplify(node.orelse, known, registers)
    return (If(zero, nonnegative, then, orelse),) if then or orelse else ()


def _access(node: NestNode, known: Values) -> NestNode:
    if isinstance(node, Touch):
        return Touch(_target(node.access, known), node.write)
    assert isinstance(node, Assign)
    return Assign(_target(node.target, known), _expr(node.expr, known), node.statement, node.stream)


def _target(access: Access, known: Values) -> Access:
    return Access(access.array, _forms(access.subscripts, known))


def _expr(expr: Expr | LaneFold, known: Values) -> Expr:
    return rewrite(expr, lambda node: _leaf(node, known))  # type: ignore[arg-type]


def _leaf(node: Expr | LaneFold, known: Values) -> Expr:
    if isinstance(node, Load):
        return Load(node.array, _forms(node.subscripts, known), node.dtype)
    if isinstance(node, LaneFold):
        subscripts = _forms(node.subscripts, known)
        return LaneFold(node.operator, node.array, subscripts, node.count, node.dtype)  # type: ignore[return-value]
    if isinstance(node, IndexValue):
        return IndexValue(node.form.substitute(known), node.dtype)
    return node


def _forms(forms: Forms, known: Values) -> Forms:
    return tuple([form.substitute(known) for form in forms]) if known else forms
