"""Give every vector loop a small constant extent, so that it becomes registers.

A vector loop longer than ``MAX_REGISTERS`` native registers is split; the outer part stays
sequential. Before -> after, f32 on AVX2:  ``for j vector``  ->  ``for j: for j.v in 0..32 vector``.
A loop whose iterations turn out to write one element (of a buffer, or a sum that lives in memory)
is no vector loop any more.
"""

from __future__ import annotations

from dataclasses import replace

from loopstack.ir.expr import ITEM_SIZE_BYTES
from loopstack.ir.loop_tree import Loop, Node, Tree, edit
from loopstack.lower.bounds import leaves_below
from loopstack.lower.intervals import Ranges
from loopstack.lower.nest import Assign, For, If, NestNode, walk
from loopstack.lower.uses import selects
from loopstack.machine.vector_target import VectorTarget
from loopstack.schedule.rewrite import rename_references, split_body

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

    tree = replace(tree, body=edit(tree.body, visit))
    for name in long:  # what is placed at a vector loop is placed at each of its lanes
        tree = rename_references(tree, name, f"{name}.v")
    return tree


def part_lanes(body: tuple[NestNode, ...], registers: frozenset[str]) -> tuple[NestNode, ...]:
    """Run vector loops one iteration after the other whose iterations write one element.

    They are unrolled where they select elements of ``registers``.
    """
    return tuple([_part_node(node, registers) for node in body])


def _part_node(node: NestNode, registers: frozenset[str]) -> NestNode:
    if isinstance(node, If):
        then, orelse = part_lanes(node.then, registers), part_lanes(node.orelse, registers)
        return If(node.zero, node.nonnegative, then, orelse)
    if not isinstance(node, For):
        return node
    body = part_lanes(node.body, registers)
    if node.kind != "vector" or _moves_all(node):
        return node.with_body(body)
    kind = "unroll" if selects(node, registers) else "seq"
    return For(node.name, node.lowers, node.uppers, kind, None, body)


def _moves_all(loop: For) -> bool:
    """Tell whether every store below moves with the loop."""
    return all(
        any(loop.name in form.names for form in node.target.subscripts)
        for node, _ in walk(loop.body)
        if isinstance(node, Assign)
    )


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
