"""Give every vector loop a small constant extent, so that it becomes registers.

A vector loop longer than ``MAX_REGISTERS`` native registers is split; the outer part stays
sequential. Before -> after, f32 on AVX2:  ``for j vector``  ->  ``for j: for j.v in 0..32 vector``.
"""

from __future__ import annotations

from dataclasses import replace

from loopstack.ir.expr import ITEM_SIZE_BYTES
from loopstack.ir.loop_tree import Loop, Node, Tree, edit
from loopstack.lower.bounds import leaves_below
from loopstack.lower.intervals import Ranges
from loopstack.machine.vector_target import VectorTarget
from loopstack.schedule.rewrite import split_body

MAX_REGISTERS = 8
STRIP_REGISTERS = 4


def split_long_vectors(tree: Tree, target: VectorTarget, ranges: Ranges) -> Tree:
    """Strip-mine vector loops whose range exceeds MAX_REGISTERS native registers."""
    long = {
        loop.name: STRIP_REGISTERS * _lanes(tree, loop, target)
        for loop in tree.loops().values()
        if loop.kind == "vector" and _is_long(loop, ranges, _lanes(tree, loop, target))
    }
    if not long:
        return tree

    def visit(node: Node) -> tuple[Node, ...]:
        if isinstance(node, Loop) and node.name in long:
            return (_strip(node, long[node.name]),)
        return (node,)

    return replace(tree, body=edit(tree.body, visit))


def _lanes(tree: Tree, loop: Loop, target: VectorTarget) -> int:
    """Return the lanes of the narrowest result below ``loop``."""
    sizes = [ITEM_SIZE_BYTES[tree.array(leaf.write.array).dtype] for leaf in leaves_below(loop)]
    return target.bytes // max(4, min(sizes, default=4))


def _is_long(loop: Loop, ranges: Ranges, lanes: int) -> bool:
    low, high = ranges[loop.name]
    return high - low >= (MAX_REGISTERS * lanes if loop.extent is not None else lanes)


def _strip(loop: Loop, width: int) -> Loop:
    inner = f"{loop.name}.v"
    outer = f"{loop.name}.o"
    body = split_body(loop, width, outer, inner)
    extent = None if loop.extent is None else -(-loop.extent // width)
    return Loop(outer, (Loop(inner, body, width, "vector", loop.tail or "mask"),), extent)
