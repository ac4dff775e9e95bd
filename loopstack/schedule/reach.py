"""Which schedules make loops run to values beyond what bounds and addresses can hold."""

from __future__ import annotations

from loopstack.ir.loop_tree import Leaf, Tree
from loopstack.poly.intervals import interval
from loopstack.poly.ranges import loop_ranges

HARMLESS = 1 << 20
"""Forms with smaller coefficients stay far from the limit for every array that fits in memory."""
FARTHEST = 1 << 56
"""Greatest value of a loop, a bound or a subscript: sums of a few still fit in 64 bits."""


def reaches_too_far(tree: Tree) -> str | None:
    """Return a statement whose loops, bounds or subscripts take values beyond 2**56, if any."""
    return next((name for name, leaf in tree.leaves().items() if _reaches(tree, name, leaf)), None)


def _reaches(tree: Tree, name: str, leaf: Leaf) -> bool:
    forms = [*leaf.constraints, *(form for _, form in leaf.binding)]
    if all(abs(factor) < HARMLESS for form in forms for _, factor in form.terms):
        return False
    ranges = loop_ranges(tree.path(name), leaf.constraints)
    reached = [*ranges.values(), *(interval(form, ranges) for form in forms)]
    return any(abs(end) > FARTHEST for ends in reached for end in ends)
