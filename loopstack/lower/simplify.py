"""Drop loops that run once, branches whose test is known, and empty loops."""

from __future__ import annotations

from loopstack.ir.affine import Affine
from loopstack.lower.nest import For, If, NestNode, edit, map_forms


def simplify(body: tuple[NestNode, ...]) -> tuple[NestNode, ...]:
    """Return ``body`` without trivial loops and branches."""
    return edit(body, _visit)


def _visit(node: NestNode) -> tuple[NestNode, ...]:
    if isinstance(node, For):
        return _simplify_loop(node)
    if isinstance(node, If):
        return _simplify_branch(node)
    return (node,)


def _simplify_loop(loop: For) -> tuple[NestNode, ...]:
    trips = loop.trip_count
    if not loop.body or trips == 0:
        return ()
    if trips == 1:
        value = {loop.name: loop.lowers[0]}
        return edit(map_forms(loop.body, lambda f: f.substitute(value)), _visit)
    return (loop,)


def _simplify_branch(node: If) -> tuple[NestNode, ...]:
    zero = tuple(f for f in node.zero if not f.is_constant or f.const != 0)
    nonnegative = tuple(f for f in node.nonnegative if not f.is_constant or f.const < 0)
    if _fails(zero, nonnegative):
        return node.orelse
    if not zero and not nonnegative:
        return node.then
    if not node.then and not node.orelse:
        return ()
    return (If(zero, nonnegative, node.then, node.orelse),)


def _fails(zero: tuple[Affine, ...], nonnegative: tuple[Affine, ...]) -> bool:
    return any(f.is_constant for f in zero) or any(f.is_constant for f in nonnegative)
