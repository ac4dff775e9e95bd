"""Give every vector loop a small constant extent, so that it becomes registers.

A vector loop longer than ``MAX_REGISTERS`` native registers is split; the outer part stays
sequential. Before -> after, f32 on AVX2:  ``for j vector``  ->  ``for j: for j.v in 0..32 vector``.
"""

from __future__ import annotations

from dataclasses import replace

from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import ITEM_SIZE_BYTES, map_subscripts
from loopstack.ir.loop_tree import Leaf, Loop, Node, Prefetch, Tree, edit
from loopstack.ir.program import Access
from loopstack.lower.bounds import leaves_below
from loopstack.lower.intervals import Ranges
from loopstack.machine.vector_target import VectorTarget

MAX_REGISTERS = 8
STRIP_REGISTERS = 4


def split_long_vectors(tree: Tree, target: VectorTarget, ranges: Ranges) -> Tree:
    """Strip-mine vector loops whose range exceeds MAX_REGISTERS native registers."""

    def visit(node: Node) -> tuple[Node, ...]:
        if not isinstance(node, Loop) or node.kind != "vector":
            return (node,)
        low, high = ranges[node.name]
        lanes = target.bytes // _narrowest(tree, node)
        if high - low < MAX_REGISTERS * lanes and node.extent is not None:
            return (node,)
        if high - low < lanes:
            return (node,)
        return (_strip(node, STRIP_REGISTERS * lanes),)

    return replace(tree, body=edit(tree.body, visit))


def _narrowest(tree: Tree, loop: Loop) -> int:
    sizes = [ITEM_SIZE_BYTES[tree.array(leaf.write.array).dtype] for leaf in leaves_below(loop)]
    return max(4, min(sizes, default=4))


def _strip(loop: Loop, width: int) -> Loop:
    inner = f"{loop.name}.v"
    image = {loop.name: form_of(loop.name) * width + form_of(inner)}
    body = edit(loop.body, lambda node: (_substitute(node, image),))
    if loop.extent is not None and loop.extent % width:
        limit = loop.extent - 1 - image[loop.name]
        body = edit(body, lambda node: (_constrain(node, limit),))
    tail = loop.tail or "mask"
    extent = None if loop.extent is None else -(-loop.extent // width)
    return Loop(loop.name, (Loop(inner, body, width, "vector", tail),), extent, "seq")


def _substitute(node: Node, image: dict) -> Node:
    if isinstance(node, Leaf):
        return replace(
            node,
            binding=tuple((i, f.substitute(image)) for i, f in node.binding),
            constraints=tuple(f.substitute(image) for f in node.constraints),
            write=Access(node.write.array, tuple(f.substitute(image) for f in node.write.subscripts)),
            expr=map_subscripts(node.expr, lambda f: f.substitute(image)),
        )
    if isinstance(node, Prefetch):
        subscripts = tuple(f.substitute(image) for f in node.access.subscripts)
        return replace(node, access=Access(node.access.array, subscripts))
    return node


def _constrain(node: Node, form: object) -> Node:
    if isinstance(node, Leaf):
        return replace(node, constraints=(*node.constraints, form))
    return node
