"""Constant ranges of loops, as commands ask for them."""

from __future__ import annotations

from loopstack.errors import ArgumentError
from loopstack.ir.loop_tree import Leaf, Loop, Tree
from loopstack.poly.intervals import Interval, is_finite
from loopstack.poly.ranges import loop_ranges
from loopstack.schedule.lookup import Path, find_leaf, leaves_below


def ranges_above(tree: Tree, statement: str) -> dict[str, Interval]:
    """Return the range of every loop above a statement, as that statement bounds it."""
    above, leaf = find_leaf(tree, statement)
    return loop_ranges(above, leaf.constraints)


def constant_range(tree: Tree, path: Path, command: str) -> Interval:
    """Return the range of the last loop of ``path`` over all statements below it.

    Raises ArgumentError when no constants bound it.
    """
    loop = path[-1]
    if loop.extent is not None:
        return 0, loop.extent - 1
    found = [ranges_above(tree, leaf.statement)[loop.name] for leaf in leaves_below(loop.body)]
    if not found or not all(map(is_finite, found)):
        raise ArgumentError(f"{command} needs constant bounds for {loop.name}")
    return min(low for low, _ in found), max(high for _, high in found)


def box_range(loop: Loop, command: str) -> Interval:
    """Return the range of a loop that no other loop's value changes.

    Raises ArgumentError when it varies.
    """
    if loop.extent is not None:
        return 0, loop.extent - 1
    found = {_own_range(loop, leaf) for leaf in leaves_below(loop.body)}
    only = found.pop() if len(found) == 1 else None
    if only is None:
        raise ArgumentError(
            f"{command} needs a constant range for {loop.name}, but it depends on other loops"
        )
    return only


def _own_range(loop: Loop, leaf: Leaf) -> Interval | None:
    mentioned = [c for c in leaf.constraints if loop.name in c.names]
    if any(len(c.names) > 1 for c in mentioned):
        return None
    found = loop_ranges((loop,), mentioned)[loop.name]
    return found if is_finite(found) else None
