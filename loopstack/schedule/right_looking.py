"""Factorisations: from one result after the other to one update of everything after the other.

    for i: { for j: { for k < j: R(i, j, k);  X(i, j) } }        X ends what the updates R began

    for k: { X(i, k) for all i;  R(i, j, k) for all i, j }        right-looking: vectors along j

    for kb: { the same for k in the block and i or j in the block;    the panel
              R(i, j, k) for k in the block, i and j beyond }         a product: blocked and packed

Statements before R in its body prepare results; they run ahead of everything. Nothing here proves
legality: the caller tries the lines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Leaf, Loop, Node, Tree
from loopstack.schedule.contraction_roles import Contraction
from loopstack.schedule.lookup import find_loop, leaves_below


@dataclass(frozen=True)
class Factorisation:
    """The statements below one loop by part; ``role`` names the index that plays k in each.

    ``bound_of`` gives for every update the index that its k stays below.
    """

    loop: str
    before: tuple[str, ...]
    finishing: tuple[str, ...]
    updates: tuple[str, ...]
    role: dict[str, str]
    bound_of: dict[str, str]

    def reversed(self) -> Factorisation:
        """Return the same with the finishing statements the other way round."""
        return replace(self, finishing=self.finishing[::-1])

    @property
    def steps(self) -> tuple[str, ...]:
        """Everything that one step k runs, in order."""
        return (*self.finishing, *self.updates)


def find_factorisations(tree: Tree) -> list[Factorisation]:
    """Return the nests of a tree that this rule may turn round."""
    found = [_in_nest(tree, node) for node in tree.body if isinstance(node, Loop)]
    return [f for f in found if f is not None]


def _in_nest(tree: Tree, nest: Loop) -> Factorisation | None:
    bound_of = {}
    for leaf in leaves_below([nest]):
        bound = _bound_loop(tree, leaf) if _is_update(tree, leaf) else None
        if bound is not None:
            bound_of[leaf.statement] = bound
    if not bound_of:
        return None
    paths = [tree.path(name) for name in bound_of]
    tops = [path for path in paths for loop in path if loop.name in bound_of.values()]
    names = [loop.name for loop in tops[0]]
    top = next(name for name in names if name in bound_of.values())
    return _parts_below(tree, find_loop(tree, top)[-1], bound_of)


def _bound_loop(tree: Tree, leaf: Leaf) -> str | None:
    """Return the outer loop that the innermost one stays below."""
    path = tree.path(leaf.statement)
    inner = form_of(path[-1].name)
    bounds = [loop.name for loop in path[:-1]
              if form_of(loop.name) - inner - 1 in leaf.constraints]  # fmt: skip
    return bounds[0] if len(bounds) == 1 else None


def _parts_below(tree: Tree, top: Loop, bound_of: dict[str, str]) -> Factorisation | None:
    leaves = [leaf.statement for leaf in leaves_below([top])]
    updates = tuple(name for name in leaves if name in bound_of)
    if len(leaves) < 2 or not updates:
        return None
    bounds = {name: loop.rpartition(".")[2] for name, loop in bound_of.items()}
    role = {name: _index(tree.path(name)[-1]) for name in leaves}
    before: list[str] = []
    for name in updates:
        ahead, behind = _beside(tree, name)
        before += [n for n in ahead if n not in before]
        role.update(dict.fromkeys(behind, bounds[name]))
    finishing = tuple(n for n in leaves if n not in bound_of and n not in before)
    return Factorisation(top.name, tuple(before), finishing, updates, role, bounds)


def _beside(tree: Tree, update: str) -> tuple[list[str], list[str]]:
    """Return the statements right before and after the loop of an update, in its body."""
    path = tree.path(update)
    place = path[-2].body.index(path[-1])
    ahead, behind = path[-2].body[:place], path[-2].body[place + 1 :]
    return [n.statement for n in ahead if isinstance(n, Leaf)], [
        n.statement for n in behind if isinstance(n, Leaf)
    ]


def _index(loop: Loop) -> str:
    return loop.name.rpartition(".")[2]


def _is_update(tree: Tree, leaf: Leaf) -> bool:
    """A reduction into memory whose innermost loop is its reduction index."""
    path = tree.path(leaf.statement)
    written = frozenset().union(*(s.names for s in leaf.write.subscripts), frozenset())
    existing = leaf.reduction is not None and leaf.reduction.init == "existing"
    return existing and len(path) >= 2 and path[-1].name not in written


def right_looking_lines(tree: Tree, f: Factorisation) -> list[str]:
    """Return the lines that give every step k one pass over all results."""
    path = find_loop(tree, f.loop)
    outside = len(path) - 1
    lines = _distribute_inside(path[-1])
    lines.append(f"distribute {f.loop} -> {', '.join([*f.before, *f.steps])}")
    for name in f.steps:
        indices = [_index(loop) for loop in tree.path(name)[outside:]]
        if indices[0] != f.role[name]:
            rest = [i for i in indices if i != f.role[name]]
            lines.append(f"reorder {name} {' '.join([f.role[name], *rest])}")
    return lines + _fused(f, {name: f.role[name] for name in f.steps})


def _fused(f: Factorisation, loops: dict[str, str]) -> list[str]:
    first, *others = f.steps
    return [f"fuse {first}.{loops[first]} {name}.{loops[name]} shift=0" for name in others]


def _distribute_inside(loop: Loop) -> list[str]:
    """Distribute every loop below ``loop`` that holds several parts, innermost first."""
    lines: list[str] = []
    for node in loop.body:
        if isinstance(node, Loop):
            lines += _distribute_inside(node)
            if _part_count(node) > 1:
                lines.append(f"distribute {node.name}")
    return lines


def _part_count(loop: Loop) -> int:
    """Count the parts of a body once everything inside it is distributed."""
    return sum(_leaf_count(node) for node in loop.body)


def _leaf_count(node: Node) -> int:
    return len(leaves_below([node]))


def blocking_lines(tree: Tree, f: Factorisation, block: int, products: dict[str, str]) -> list[str]:
    """Return the lines that cut k into blocks, and the products beyond them off the panel.

    ``tree`` is the right-looking one; ``products`` names, for every update, its part beyond.
    """
    head = f.steps[0]
    lines = [f"split {head}.{f.role[head]} {block} -> kb, k1"]
    for update, product in products.items():
        bound = f.bound_of[update]
        lines.append(f"partition {update} where {bound} < {block}*kb + {block} -> {product}")
        around = [_index(loop) for loop in tree.path(update)[1:]]
        inside = around[: around.index(bound)]
        lines += [f"distribute {update}.{i}" for i in reversed(inside)]
    lines.append(f"distribute {head}.k1 -> {', '.join([*f.steps, *products.values()])}")
    return lines + _fused(f, dict.fromkeys(f.steps, "k1"))


def product_lines(
    c: Contraction, name: str, block: tuple[int, int], sizes: tuple[int, int]
) -> list[str]:
    """Return the lines that run a part of ``c`` on packed tiles with accumulators in registers.

    ``name`` is the part's; ``block`` is the register block (rows, columns), ``sizes`` the cache
    block in the same order.
    """
    array = c.shape.write.array
    (rows, columns), (rows_block, columns_block) = block, sizes
    streamed, repeated = c.streamed[0].array, c.repeated[0].array
    turned = "k1" if c.is_transposed(c.streamed[0]) else "nv"
    return [
        f"split {name}.{c.columns} {columns_block} -> nc, n1",
        f"split {name}.{c.rows} {rows_block} -> mc, m1",
        f"split {name}.n1 {columns} -> nr, nv tail=mask",
        f"split {name}.m1 {rows} -> mr, mv tail=peel",
        f"reorder {name} nc mc nr mr k1 mv nv",
        f"pack {streamed} at {name}.nc as {name}_Bp[nr, k1, nv] pad=0 align=64",
        f"vectorize {name}_Bp.{turned}",
        f"pack {repeated} at {name}.mc as {name}_Ap[mr, mv, k1] pad=0 align=64",
        f"vectorize {name}_Ap.k1",
        f"stage {array} at {name}.mr in registers",
        f"split {name}.k1 4 -> k1, ku tail=peel",
        f"unroll {name}.ku",
        f"unroll_and_jam {name}.mv",
        f"vectorize {name}.nv",
        f"prefetch {array} at {name}.mr write",
    ]
