"""Loops of results and loops of terms: a sum that starts from zero needs to tell them apart."""

from __future__ import annotations

from collections.abc import Collection

from loopstack.errors import ArgumentError
from loopstack.ir.injective import loops_told
from loopstack.ir.loop_tree import Leaf, Loop, Tree
from loopstack.poly.results import starts_anew
from loopstack.schedule.lookup import find_leaf, leaves_below

MIXED = (
    "loop {loop} would run over results of {statement} and over its reduction index "
    "{index} at once: {verb} loops of one kind only"
)


def refuse_mixed_loops(tree: Tree, top: Loop, new: Collection[str], verb: str) -> None:
    """Raise ArgumentError when ``new`` loops below ``top`` mix results of a sum with its terms.

    A result gets its first value at the iteration of the loops that its subscripts tell; in
    ``C[w - k]`` they tell neither ``w`` nor ``k``.
    """
    for leaf in leaves_below((top,)):
        mentioned = frozenset().union(*(form.names for form in leaf.write.subscripts), frozenset())
        if not starts_anew(leaf) or mentioned.isdisjoint(new):
            continue
        # Ranges from constraints would be those of the terms: a result may have none.
        extents = {loop.name: loop.extent for loop in find_leaf(tree, leaf.statement)[0]}
        for loop in sorted(mentioned - loops_told(leaf.write.subscripts, extents)):
            reduced = _reduced(tree, leaf, loop) or _reduced(tree, leaf)
            text = MIXED.format(loop=loop, statement=leaf.statement, index=reduced[0], verb=verb)
            raise ArgumentError(text)


def refuse_mixed_loop(tree: Tree, leaf: Leaf, loop: str, verb: str) -> None:
    """Raise ArgumentError when one loop gives both results of a reduction and their terms."""
    if leaf.reduction is None or all(loop not in form.names for form in leaf.write.subscripts):
        return
    reduced = _reduced(tree, leaf, loop)
    if reduced:
        text = MIXED.format(loop=loop, statement=leaf.statement, index=reduced[0], verb=verb)
        raise ArgumentError(text)


def _reduced(tree: Tree, leaf: Leaf, loop: str | None = None) -> list[str]:
    """Return the reduction indices of a leaf, or those of them that a loop moves."""
    indices = tree.program.statement(leaf.statement).reduction_indices
    return [i for i, form in leaf.binding if i in indices and (loop is None or loop in form.names)]
