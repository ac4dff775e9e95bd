"""Partial tiles of triangles, computed as full ones in registers.

    for ki: for mv in lo .. 6: for nv in 0 .. hi: acc[mv, nv] += Ap[mv, ki] * Bp[ki, nv]
    for mv in lo .. 6: for nv in 0 .. hi: C[..] += acc[mv, nv]

    for ki: for mv in 0 .. 6: for nv in 0 .. 8: acc[mv, nv] += ..          no test, no mask
    for mv in lo .. 6: for nv in 0 .. hi: C[..] += acc[mv, nv]

A constraint that ties the loops of a tile to each other, and holds or not whatever the reduction
loops do, says which accumulators are stored; the others may hold anything. So their updates may run
where they read nothing outside of an array and cannot trap. Bounds of one loop stay: the edge of a
matrix is better served by a narrower tile.
"""

from __future__ import annotations

from collections.abc import Collection

from loopstack.ir.expr import Load, Op, loads, walk
from loopstack.ir.loop_tree import Leaf, Tree
from loopstack.lower.intervals import Ranges, interval
from loopstack.poly.results import Forms

HARMLESS = frozenset({"add", "sub", "mul", "neg"})
"""Operators that return for any values at all."""


def spare_constraints(
    tree: Tree, leaf: Leaf, kept: Collection[str], results: Forms, ranges: Ranges
) -> Forms:
    """Return the constraints that updates of accumulators over the loops ``kept`` may ignore.

    ``results`` are the constraints that their stores obey.
    """
    tying = tuple(form for form in leaf.constraints
                  if form in results and len(form.names & set(kept)) > 1)  # fmt: skip
    return tying if tying and _is_harmless(tree, leaf, ranges) else ()


def _is_harmless(tree: Tree, leaf: Leaf, ranges: Ranges) -> bool:
    """Tell whether the term can be computed for all values of its loops."""
    operators = {part.name for part in walk(leaf.expr) if isinstance(part, Op)}
    return operators <= HARMLESS and all(
        _stays_inside(tree, load, ranges) for load in loads(leaf.expr)
    )


def _stays_inside(tree: Tree, load: Load, ranges: Ranges) -> bool:
    shape = tree.array(load.array).shape
    spans = [interval(form, ranges) for form in load.subscripts]
    return all(low >= 0 and high < extent.const for (low, high), extent in zip(spans, shape))
