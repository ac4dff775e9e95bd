"""Unroll short innermost sequential loops, whose counter and branch would cost as much as the work.

    for k = lo .. hi            for k.o = 0 .. floordiv(hi - lo + 3, 4)
      x                   ->      for k.u = 0 .. min(4, hi - lo - 4*k.o) unroll
                                    x of k = lo + 4*k.o + k.u

The order of iterations does not change. Values that iterations hand on in registers lose their
copies this way, and loads that neighbours share become one.
"""

from __future__ import annotations

from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import walk as walk_expr
from loopstack.lower.nest import Assign, For, If, NestNode
from loopstack.lower.simplify import simplify

Nodes = tuple[NestNode, ...]
FACTOR = 4
LARGEST_BODY = 32
"""Expression nodes of a body that is still unrolled."""
SHORTEST = 16
"""Iterations of the shortest loop, of those whose length is known, that is unrolled."""


def unroll_short_bodies(nodes: Nodes) -> Nodes:
    """Return ``nodes`` with small innermost sequential loops unrolled."""
    return tuple([_node(node) for node in nodes])


def _node(node: NestNode) -> NestNode:
    if isinstance(node, If):
        then, orelse = unroll_short_bodies(node.then), unroll_short_bodies(node.orelse)
        return If(node.zero, node.nonnegative, then, orelse)
    if not isinstance(node, For) or node.kind == "vector":
        return node
    if _is_short(node):
        return _unrolled(node)
    return node.with_body(unroll_short_bodies(node.body))


def _is_short(loop: For) -> bool:
    if loop.kind != "seq" or len(loop.lowers) != 1 or len(loop.uppers) != 1:
        return False
    trips = loop.trip_count
    if trips is not None and trips < SHORTEST:
        return False
    return all(isinstance(node, Assign) for node in loop.body) and _size(loop) <= LARGEST_BODY


def _size(loop: For) -> int:
    return sum(1 + sum(1 for _ in walk_expr(n.expr)) for n in loop.body if isinstance(n, Assign))


def _unrolled(loop: For) -> For:
    outer, inner = f"{loop.name}.o", f"{loop.name}.u"
    first, extent = loop.lowers[0], loop.uppers[0] - loop.lowers[0]
    value = first + form_of(outer) * FACTOR + form_of(inner)
    body = simplify(loop.body, {loop.name: value})
    rest = extent - form_of(outer) * FACTOR
    divides = extent.is_constant and extent.const % FACTOR == 0
    uppers = (Affine((), FACTOR),) if divides else (Affine((), FACTOR), rest)
    copies = For(inner, (Affine((), 0),), uppers, "unroll", None, body)
    count = (extent + (FACTOR - 1)) // FACTOR
    return For(outer, (Affine((), 0),), (count,), "seq", None, (copies,))
