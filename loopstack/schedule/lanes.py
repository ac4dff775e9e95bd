"""Vectorise the innermost loops of any tree: the one that walks memory goes innermost, as lanes.

Strides are read off the leaves, whose accesses are written over loops, so skewed and tiled loops
count for what they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from loopstack.ir.affine import Affine
from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Node
from loopstack.schedule.access_shape import dense_strides
from loopstack.schedule.greedy import Draft
from loopstack.schedule.lookup import leaves_below

Strides = Mapping[str, tuple[int, ...]]
Chain = tuple[Loop, ...]


def vectorize_innermost(draft: Draft, fixed: Collection[str], strides: Strides) -> None:
    """Vectorise a loop of every innermost perfect nest; loops in ``fixed`` stay where they are."""
    for chain in chains(draft.tree.body):
        movable: list[Loop] = []
        for loop in reversed(chain):
            if loop.kind != "seq" or loop.name in fixed:
                break
            movable.insert(0, loop)
        _vectorize(draft, movable, strides)


def chains(nodes: tuple[Node, ...], above: Chain = ()) -> list[Chain]:
    """Return every maximal perfect nest that ends in an innermost loop."""
    found: list[Chain] = []
    perfect = above if len(nodes) == 1 else ()
    for loop in (node for node in nodes if isinstance(node, Loop)):
        chain = (*perfect, loop)
        inner = any(isinstance(node, Loop) for node in loop.body)
        found += chains(loop.body, chain) if inner else [chain]
    return found


def _vectorize(draft: Draft, chain: list[Loop], strides: Strides) -> None:
    """Try the loops that walk memory, best first; the first that is legal stays."""
    if not chain:
        return
    leaves = leaves_below(chain[-1].body)
    scores = walks(draft, [loop.name for loop in chain], strides)
    for at in sorted(range(len(chain)), key=lambda n: (-scores[n], -n)):
        if scores[at] <= 0:
            return
        lines = [f"vectorize {chain[at].name}"]
        if at < len(chain) - 1:
            lines.insert(0, moved_inside(leaves[0].statement, [x.name for x in chain], at))
        if draft.attempt(lines):
            return


def walks(draft: Draft, nest: Sequence[str], strides: Strides) -> list[float]:
    """Return for every loop of a nest how much the accesses below walk memory along it."""
    leaves = leaves_below(draft.tree.path(nest[-1])[-1].body)
    return [sum(_score(draft, leaf, loop, strides) for leaf in leaves) for loop in nest]


def moved_inside(statement: str, nest: Sequence[str], at: int) -> str:
    """Return the line that makes loop ``at`` of a nest the innermost one."""
    order = [*nest[:at], *nest[at + 1 :], nest[at]]
    return f"reorder {statement} {' '.join(loop.rpartition('.')[2] for loop in order)}"


def _score(draft: Draft, leaf: Leaf, loop: str, strides: Strides) -> float:
    """Count accesses contiguous along ``loop``, writes twice; strided ones count against."""

    def step(array: str, subscripts: tuple[Affine, ...]) -> float:
        steps = strides.get(array) or _strides_of(draft, array)
        return _worth(sum(f.coefficient(loop) * s for f, s in zip(subscripts, steps)))

    total = 2 * step(leaf.write.array, leaf.write.subscripts)
    return total + sum(step(load.array, load.subscripts) for load in loads(leaf.expr))


def _strides_of(draft: Draft, array: str) -> tuple[int, ...]:
    return dense_strides(draft.tree.program, array)


def _worth(stride: int) -> float:
    if abs(stride) == 1:
        return 1.0 if stride > 0 else 0.5  # backwards: one access and a permutation
    return 0.0 if stride == 0 else -1.0
