"""Bounds of outer loops that follow from two constraints on an inner loop together.

A loop gets the bound that remains when inner loops take their most favourable value in a box
(lower/bounds.py). Along diagonals no box says where a tile lies:

    0 <= t + i - 8*a < 8,  0 <= t - i - 8*b < 8      t runs where 0 <= 2*t - 8*a - 8*b < 15

Such forms, found by Fourier-Motzkin elimination from the inside out, are added to a leaf's
constraints. They hold wherever the others do, so a leaf needs no guard for them. Unrolled and
vector loops, which want few bounds, get none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Leaf, Loop, Node, Tree
from loopstack.lower.bounds import may_lack_terms
from loopstack.poly.projection import tidy

Forms = tuple[Affine, ...]
MOST_FORMS = 40
"""Loops further out than where a system grows beyond this keep the bounds of boxes."""


def with_shadows(tree: Tree) -> tuple[Tree, dict[str, frozenset[Affine]]]:
    """Return the tree with more constraints, and the added ones of each leaf."""
    added: dict[str, frozenset[Affine]] = {}
    body = _visit(tree.body, (), added)
    return (replace(tree, body=body) if added else tree), added


def _visit(
    nodes: tuple[Node, ...], path: tuple[Loop, ...], added: dict[str, frozenset[Affine]]
) -> tuple[Node, ...]:
    made: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            body = _visit(node.body, (*path, node), added)
            node = node if body is node.body else replace(node, body=body)
        elif isinstance(node, Leaf) and _has_diagonals(node, path):
            shadows = _shadows(node, path)
            if shadows:
                added[node.statement] = frozenset(shadows)
                node = replace(node, constraints=(*node.constraints, *shadows))
        made.append(node)
    same = all(new is old for new, old in zip(made, nodes))
    return nodes if same else tuple(made)


def _has_diagonals(leaf: Leaf, path: Sequence[Loop]) -> bool:
    """Tell whether a loop has bounds of both kinds that move with loops around it."""
    signs: set[tuple[str, bool]] = set()
    for form in leaf.constraints:
        if len(form.terms) > 1:
            deepest = _deepest(form, path)
            signs.add((deepest, form.coefficient(deepest) > 0))
    both = any((name, not positive) in signs for name, positive in signs)
    return both and not may_lack_terms(leaf, path)


def _deepest(form: Affine, path: Sequence[Loop]) -> str:
    names = form.names
    return next(loop.name for loop in reversed(path) if loop.name in names)


def _shadows(leaf: Leaf, path: Sequence[Loop]) -> Forms:
    system: Forms = leaf.constraints
    for loop in path:
        if loop.extent is not None:
            system += (form_of(loop.name), loop.extent - 1 - form_of(loop.name))
    known = set(system)
    found: dict[Affine, None] = {}
    for loop in reversed(path[1:]):
        system, diagonal = _without(loop.name, system)
        if len(system) > MOST_FORMS:
            break
        found |= dict.fromkeys(form for form in diagonal if form.terms and form in system)
    few = {loop.name for loop in path if loop.kind in ("unroll", "vector")}
    return tuple(f for f in found if f not in known and _deepest(f, path) not in few)


def _without(loop: str, system: Forms) -> tuple[Forms, Forms]:
    """Return what ``system`` says about the other loops, and what diagonals alone say."""
    lowers = [form for form in system if _bounds(form, loop) > 0]
    uppers = [form for form in system if _bounds(form, loop) < 0]
    rest = [form for form in system if loop not in form.names]
    diagonal: list[Affine] = []
    for low in lowers:
        for high in uppers:
            both = low * -high.coefficient(loop) + high * low.coefficient(loop)
            is_diagonal = len(low.terms) > 1 and len(high.terms) > 1
            (diagonal if is_diagonal else rest).append(both)
    tight = tidy(diagonal)
    return tidy([*rest, *tight]), tight


def _bounds(form: Affine, loop: str) -> int:
    """Return the coefficient of ``loop``, 0 when a division hides it as well."""
    factor = form.coefficient(loop)
    return 0 if factor and loop in form.without(loop).names else factor
