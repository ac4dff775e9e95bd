"""The instances that code runs, in order: our lowered nest, and isl's AST of the same loop tree.

Each statement of a program for this has an array of its own, writes each element at most once, and
reads none: the element written names the instance, and no order is wrong.

    Tree --lower--> nest         --walk-->  [("T0", (0, 0)), ("T0", (0, 1)), ..]
    Tree --text---> isl schedule --AstBuild, walk-->  the same list
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import islpy
from islpy import ast_expr_op_type as op
from islpy import ast_expr_type, ast_node_type

from loopstack.ir.affine import Affine, name
from loopstack.ir.loop_tree import Leaf, Loop, Node, Tree
from loopstack.lower.nest import Assign, For, If, Nest, NestNode
from loopstack.lower.pipeline import lower_to_nest

Instance = tuple[str, tuple[int, ...]]
Values = Mapping[str, int]


def scan_of_ours(tree: Tree, isa: str = "avx2") -> list[Instance]:
    nest = lower_to_nest(tree, isa)
    return list(_run(nest, nest.body, {}))


def scan_of_isl(tree: Tree) -> list[Instance]:
    """Run the loops that isl makes of the tree's order."""
    maps = "; ".join(_schedule(tree.body, (), _depth(tree.body)))
    build = islpy.AstBuild.from_context(islpy.Set("{ : }"))
    return list(_walk(build.node_from_schedule_map(islpy.UnionMap(f"{{ {maps} }}")), {}))


# ---- our nest -----------------------------------------------------------------------------------
def _run(nest: Nest, nodes: Sequence[NestNode], values: Values) -> Iterator[Instance]:
    for node in nodes:
        if isinstance(node, For):
            low = max(form.evaluate(values) for form in node.lowers)
            high = min(form.evaluate(values) for form in node.uppers)
            for i in range(low, high):
                yield from _run(nest, node.body, {**values, node.name: i})
        elif isinstance(node, If):
            holds = all(f.evaluate(values) == 0 for f in node.zero)
            holds = holds and all(f.evaluate(values) >= 0 for f in node.nonnegative)
            yield from _run(nest, node.then if holds else node.orelse, values)
        elif isinstance(node, Assign):
            (offset,) = node.target.subscripts
            yield node.target.array, _element(nest, node.target.array, offset.evaluate(values))


def _element(nest: Nest, label: str, offset: int) -> tuple[int, ...]:
    (array,) = (a for a in nest.arrays if a.name == label)
    element = []
    for stride in array.strides:
        element.append(offset // stride)
        offset %= stride
    return tuple(element)


# ---- the tree as an isl schedule ----------------------------------------------------------------
def _depth(nodes: Sequence[Node]) -> int:
    return max((1 + _depth(n.body) for n in nodes if isinstance(n, Loop)), default=0)


def _schedule(
    nodes: Sequence[Node], above: tuple[tuple[int, Loop], ...], depth: int
) -> Iterator[str]:
    """Yield one map a leaf: instance -> [position, loop, position, loop, .., position]."""
    for position, node in enumerate(nodes):
        if isinstance(node, Loop):
            yield from _schedule(node.body, (*above, (position, node)), depth)
        elif isinstance(node, Leaf):
            yield _leaf_map(node, position, above, depth)


def _leaf_map(leaf: Leaf, position: int, above: tuple[tuple[int, Loop], ...], depth: int) -> str:
    loops = {loop.name: f"l{n}" for n, (_, loop) in enumerate(above)}
    time = [part for n, (place, _) in enumerate(above) for part in (str(place), f"l{n}")]
    time += [str(position), *("0" for _ in range(2 * (depth - len(above))))]
    elements = [f"e{n}" for n in range(len(leaf.write.subscripts))]
    conditions = [f"{e} = {_text(form, loops)}" for e, form in zip(elements, leaf.write.subscripts)]
    bounds = list(leaf.constraints)
    for _, loop in above:
        if loop.extent is not None:
            bounds += [name(loop.name), loop.extent - 1 - name(loop.name)]
    conditions += [f"{_text(form, loops)} >= 0" for form in bounds]
    where = " and ".join(conditions) or "true"
    return f"{leaf.write.array}[{', '.join(elements)}] -> [{', '.join(time)}] : {where}"


def _text(form: Affine, names: Mapping[str, str]) -> str:
    parts = [str(form.const)]
    for atom, factor in form.terms:
        if isinstance(atom, str):
            parts.append(f"{factor}*{names[atom]}")
        else:
            parts.append(f"{factor}*floor(({_text(atom.numerator, names)})/{atom.divisor})")
    return " + ".join(parts)


# ---- isl's loops --------------------------------------------------------------------------------
def _walk(node: Any, values: Values) -> Iterator[Instance]:
    kind = node.get_type()
    if kind == ast_node_type.for_:
        yield from _walk_for(node, values)
    elif kind == ast_node_type.if_:
        if _value(node.if_get_cond(), values):
            yield from _walk(node.if_get_then_node(), values)
        elif node.if_has_else_node():
            yield from _walk(node.if_get_else_node(), values)
    elif kind == ast_node_type.block:
        children = node.block_get_children()
        for n in range(children.n_ast_node()):
            yield from _walk(children.get_at(n), values)
    else:
        call = node.user_get_expr()
        label, *found = (call.get_op_arg(n) for n in range(call.get_op_n_arg()))
        yield label.get_id().get_name(), tuple(_value(each, values) for each in found)


def _walk_for(node: Any, values: Values) -> Iterator[Instance]:
    label = node.for_get_iterator().get_id().get_name()
    i = _value(node.for_get_init(), values)
    if node.for_is_degenerate():
        yield from _walk(node.for_get_body(), {**values, label: i})
        return
    step = _value(node.for_get_inc(), values)
    while _value(node.for_get_cond(), {**values, label: i}):
        yield from _walk(node.for_get_body(), {**values, label: i})
        i += step


BINARY = {
    op.add: lambda a, b: a + b, op.sub: lambda a, b: a - b, op.mul: lambda a, b: a * b,
    op.div: lambda a, b: a // b, op.fdiv_q: lambda a, b: a // b, op.pdiv_q: lambda a, b: a // b,
    op.pdiv_r: lambda a, b: a % b, op.zdiv_r: lambda a, b: a % b,
    op.eq: lambda a, b: a == b, op.lt: lambda a, b: a < b, op.le: lambda a, b: a <= b,
    op.gt: lambda a, b: a > b, op.ge: lambda a, b: a >= b,
}  # fmt: skip
"""``div`` is exact where isl uses it, and ``pdiv`` has no negative operand."""


def _value(expr: Any, values: Values) -> int:
    """Evaluate an expression of isl's AST."""
    kind = expr.get_type()
    if kind == ast_expr_type.int:
        return expr.get_val().to_python()
    if kind == ast_expr_type.id:
        return values[expr.get_id().get_name()]
    operator = expr.get_op_type()
    args = [expr.get_op_arg(n) for n in range(expr.get_op_n_arg())]
    if operator in (op.and_, op.and_then):
        return all(_value(arg, values) for arg in args)
    if operator in (op.or_, op.or_else):
        return any(_value(arg, values) for arg in args)
    if operator in (op.cond, op.select):
        return _value(args[1 if _value(args[0], values) else 2], values)
    numbers = [_value(arg, values) for arg in args]
    if operator in (op.max, op.min):
        return (max if operator == op.max else min)(numbers)
    return -numbers[0] if operator == op.minus else BINARY[operator](*numbers)
