"""Cut a loop at the one iteration that writes what all its iterations read.

    for j: p[i, j] = min(p[i, j], p[i, k] + p[k, j])           j == k writes p[i, k]

    for j < k: ...      j == k: ...      for j > k: ...        the outer parts may run as lanes

Nothing here proves legality: the caller tries the lines.
"""

from __future__ import annotations

from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import Load, loads
from loopstack.ir.loop_tree import Leaf, Loop


def cutting_lines(leaf: Leaf, loop: Loop) -> list[str]:
    """Return the lines that cut ``loop``, the innermost one, and vectorise both sides.

    No lines where no read of the written array stands still along the loop, or several differ.
    """
    pivots = {_pivot(leaf, load, loop.name) for load in loads(leaf.expr)} - {None}
    if len(pivots) != 1:
        return []
    (pivot,) = pivots
    name, index = leaf.statement, _local(loop.name)
    at, after = f"{name}_at", f"{name}_after"
    assert pivot is not None
    form = pivot.map_names(_local)
    return [
        f"partition {name} where {index} < {form} -> {at}",
        f"partition {at} where {index} <= {form} -> {after}",
        f"vectorize {name}.{index}",
        f"vectorize {after}.{index}",
    ]


def _pivot(leaf: Leaf, load: Load, loop: str) -> Affine | None:
    """Return the iteration of ``loop`` that writes the element ``load`` reads in all of them."""
    if load.array != leaf.write.array or any(loop in form.names for form in load.subscripts):
        return None
    for written, read in zip(leaf.write.subscripts, load.subscripts):
        ahead = written - form_of(loop)
        if loop in written.names and loop not in ahead.names:
            return read - ahead
    return None


def _local(loop: str) -> str:
    return loop.rpartition(".")[2]
