"""Edits of a loop tree that commands are made of. All pure; untouched parts are shared.

replace_at      put other nodes in the place of a loop
substitute      write leaves over other loops
with_forms      the same, by functions of forms
with_leaves     change every leaf below some nodes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from loopstack.ir.affine import Affine, name
from loopstack.ir.expr import Expr, IndexValue, Load, Op, map_subscripts
from loopstack.ir.loop_tree import Buffer, Leaf, Loop, Node, Prefetch, Stage, Tree
from loopstack.ir.program import Access
from loopstack.schedule.lookup import Path

Nodes = tuple[Node, ...]
Values = Mapping[str, Affine]


def with_inside(loop: Loop, body: Nodes) -> Loop:
    """Return the loop with another body (``dataclasses.replace`` is too slow for this path)."""
    return Loop(loop.name, body, loop.extent, loop.kind, loop.tail)


def _with_root(tree: Tree, body: Nodes) -> Tree:
    return Tree(tree.program, body, tree.buffers, tree.stages, tree.streamed)


def _with_constraints(leaf: Leaf, forms: tuple[Affine, ...]) -> Leaf:
    s, b, w, e = leaf.statement, leaf.binding, leaf.write, leaf.expr
    return Leaf(s, b, forms, w, e, leaf.reduction, leaf.pad)


def replace_at(tree: Tree, path: Path, nodes: Nodes) -> Tree:
    """Return the tree with ``nodes`` in the place of the last loop of ``path``."""
    old: Node = path[-1]
    for parent in reversed(path[:-1]):
        nodes, old = (with_inside(parent, _splice(parent.body, old, nodes)),), parent
    return _with_root(tree, _splice(tree.body, old, nodes))


def body_at(tree: Tree, path: Path) -> Nodes:
    """Return the nodes below the last loop of ``path``, or at the root when it is empty."""
    return path[-1].body if path else tree.body


def with_body(tree: Tree, path: Path, body: Nodes) -> Tree:
    """Return the tree with another body below the last loop of ``path`` (the root when empty)."""
    if not path:
        return _with_root(tree, body)
    return replace_at(tree, path, (with_inside(path[-1], body),))


def replace_leaf(path: Path, body: Nodes, old: Leaf, new: Leaf) -> Nodes:
    """Return ``body`` with another leaf below ``path``, loops of which the first is in it."""
    nodes: Nodes = (new,)
    replaced: Node = old
    for loop in reversed(path):
        nodes, replaced = (with_inside(loop, _splice(loop.body, replaced, nodes)),), loop
    return _splice(body, replaced, nodes)


def remove_node(tree: Tree, path: Path, node: Node) -> Tree:
    """Return the tree without ``node`` below ``path``; loops that become empty go too."""
    while path and len(path[-1].body) == 1:
        path, node = path[:-1], path[-1]
    return with_body(tree, path, tuple(n for n in body_at(tree, path) if n is not node))


def _splice(body: Nodes, old: Node, nodes: Nodes) -> Nodes:
    if len(body) == 1:
        return nodes
    return tuple(n for node in body for n in (nodes if node is old else (node,)))


def substitute(nodes: Sequence[Node], values: Values) -> Nodes:
    """Replace loops by forms in every leaf and prefetch below ``nodes``."""
    return _rebuild(nodes, lambda leaf: substitute_leaf(leaf, values), values)


def _rebuild(
    nodes: Sequence[Node], on_leaf: Callable[[Leaf], Leaf], values: Values | None = None
) -> Nodes:
    """Return ``nodes`` with every leaf changed, and ``values`` put into every prefetch."""
    made: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            made.append(with_inside(node, _rebuild(node.body, on_leaf, values)))
        elif isinstance(node, Leaf):
            made.append(on_leaf(node))
        else:
            made.append(Prefetch(_access(node.access, values), node.write) if values else node)
    return tuple(made)


def substitute_leaf(leaf: Leaf, values: Values) -> Leaf:
    """Return ``leaf`` over other loops; constraints that always hold are dropped."""
    return Leaf(
        leaf.statement,
        tuple([(i, form.substitute(values)) for i, form in leaf.binding]),
        tuple([c for c in _forms(leaf.constraints, values) if c.terms or c.const < 0]),
        _access(leaf.write, values),
        substitute_expr(leaf.expr, values),
        leaf.reduction,
        leaf.pad,
    )


def with_forms(
    nodes: Sequence[Node], value: Callable[[Affine], Affine], bound: Callable[[Affine], Affine]
) -> Nodes:
    """Pass every form below ``nodes`` through ``value``, constraints through ``bound``.

    Constraints that always hold are dropped.
    """

    def access(old: Access) -> Access:
        return Access(old.array, tuple([value(form) for form in old.subscripts]))

    def visit(node: Node) -> Node:
        if isinstance(node, Loop):
            return with_inside(node, tuple([visit(inner) for inner in node.body]))
        if isinstance(node, Prefetch):
            return Prefetch(access(node.access), node.write)
        kept = [c for c in map(bound, node.constraints) if c.terms or c.const < 0]
        binding = tuple([(i, value(form)) for i, form in node.binding])
        expr = map_subscripts(node.expr, value)
        write = access(node.write)
        return replace(node, binding=binding, constraints=tuple(kept), write=write, expr=expr)

    return tuple([visit(node) for node in nodes])


def split_body(loop: Loop, factor: int, outer: str, inner: str) -> Nodes:
    """Return the body of ``loop`` over ``factor * outer + inner`` in its place.

    ``loop >= 0`` becomes ``outer >= 0``, which says the same of blocks and needs no look at
    ``inner``; an extent that ``factor`` does not divide becomes a constraint.
    """
    image = name(outer) * factor + name(inner)
    values = {loop.name: image}

    def visit(leaf: Leaf) -> Leaf:
        made = substitute_leaf(leaf, values)
        if image not in made.constraints:
            return made
        rest = [c for c in made.constraints if c != image]
        return _with_constraints(made, (name(outer), *rest))

    body = _rebuild(loop.body, visit, values)
    if loop.extent is not None and loop.extent % factor:
        return add_constraint(body, loop.extent - 1 - image)
    return body


def _forms(forms: Sequence[Affine], values: Values) -> tuple[Affine, ...]:
    return tuple([form.substitute(values) for form in forms])


def _access(access: Access, values: Values) -> Access:
    return Access(access.array, _forms(access.subscripts, values))


def substitute_expr(expr: Expr, values: Values) -> Expr:
    """Replace names in every subscript and index value of ``expr``."""
    if isinstance(expr, Op):
        return Op(expr.name, tuple([substitute_expr(a, values) for a in expr.args]), expr.dtype)
    if isinstance(expr, Load):
        return Load(expr.array, _forms(expr.subscripts, values), expr.dtype)
    if isinstance(expr, IndexValue):
        return replace(expr, form=expr.form.substitute(values))
    return expr


def with_leaves(nodes: Sequence[Node], change: Callable[[Leaf], Leaf]) -> Nodes:
    """Apply ``change`` to every leaf below ``nodes``."""
    return _rebuild(nodes, change)


def add_constraint(nodes: Sequence[Node], form: Affine) -> Nodes:
    """Add ``form >= 0`` to every leaf below ``nodes``."""
    return with_leaves(nodes, lambda leaf: _with_constraints(leaf, (*leaf.constraints, form)))


def rename_references(tree: Tree, old: str, new: str) -> Tree:
    """Let stages and buffers that name loop ``old`` name ``new``."""
    if not tree.stages and not tree.buffers:
        return tree

    def stage(s: Stage) -> Stage:
        return replace(s, loop=new) if s.loop == old else s

    def buffer(b: Buffer) -> Buffer:
        return replace(b, loop=new) if b.loop == old else b

    stages, buffers = tuple(map(stage, tree.stages)), tuple(map(buffer, tree.buffers))
    return replace(tree, stages=stages, buffers=buffers)


def references(tree: Tree, loop: str) -> list[str]:
    """Return what stages and packs are placed at ``loop``, in words."""
    staged = [f"stage {s.array}" for s in tree.stages if s.loop == loop]
    return staged + [f"buffer {b.array.name}" for b in tree.buffers if b.loop == loop]
