"""Register blocking: unroll_and_jam."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.loop_tree import Leaf, Loop, Prefetch, Tree
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import Path, find_loop, leaves_below
from loopstack.schedule.order import permute
from loopstack.schedule.ranges import box_range
from loopstack.schedule.rewrite import replace_at
from loopstack.schedule.words import Words

REGISTER_LOOP_EXTENT = 64
"""A loop up to this long may live in registers; it is not worth jamming past it."""


@dataclass(frozen=True)
class UnrollAndJam(Command):
    """Unroll a loop and merge the copies of the loops inside it.

    The loop sinks below every long inner loop (a reduction, or more than 64 iterations), then
    is unrolled. Short inner loops, which become registers themselves, stay inside.
    Requires: a constant range, and as reorder for the loops it sinks below.
    Before: ``for i in 0..2: for k: S(i, k)``
    After:  ``for k: { S(0, k); S(1, k) }``
    Raises: ArgumentError when the range varies, or the loops it must sink below are not perfectly
    nested.
    """

    keyword: ClassVar[str] = "unroll_and_jam"
    loop: str

    @classmethod
    def parse(cls, words: Words) -> UnrollAndJam:
        loop = words.loop()
        words.end()
        return cls(loop)

    def __str__(self) -> str:
        return f"unroll_and_jam {self.loop}"

    def apply(self, tree: Tree) -> Tree:
        path = find_loop(tree, self.loop)
        loop = path[-1]
        if loop.kind not in ("seq", "unroll"):
            raise ArgumentError(
                f"unroll_and_jam needs a plain loop, but {loop.name} is {loop.kind}"
            )
        box_range(loop, "unroll_and_jam")
        inside = _chain_below(loop)
        depth = max((n + 1 for n, inner in enumerate(inside) if _is_long(inner)), default=0)
        _refuse_imperfect(loop, inside)
        if depth:
            order = [inner.name for inner in inside[:depth]] + [loop.name]
            tree = permute(tree, order, "unroll_and_jam")
            path = find_loop(tree, loop.name)
        return replace_at(tree, path, (replace(path[-1], kind="unroll"),))


def _chain_below(loop: Loop) -> Path:
    """Return the loops perfectly nested inside ``loop``, outermost first."""
    chain: list[Loop] = []
    while len(loop.body) == 1 and isinstance(loop.body[0], Loop):
        loop = loop.body[0]
        chain.append(loop)
    return tuple(chain)


def _is_long(loop: Loop) -> bool:
    if loop.kind in ("vector", "unroll"):
        return False
    if loop.extent is None or loop.extent > REGISTER_LOOP_EXTENT:
        return True
    return any(_reduces(leaf, loop.name) for leaf in leaves_below(loop.body))


def _reduces(leaf: Leaf, loop: str) -> bool:
    return leaf.reduction is not None and all(loop not in s.names for s in leaf.write.subscripts)


def _refuse_imperfect(loop: Loop, inside: Path) -> None:
    """Raise when a long loop stands below the perfect nest, beside something else."""
    innermost = inside[-1] if inside else loop
    for node in innermost.body:
        if isinstance(node, (Leaf, Prefetch)):
            continue
        if _is_long(node):
            raise ArgumentError(
                f"unroll_and_jam needs a perfect nest to sink {loop.name} below {node.name}, but "
                f"{innermost.name} holds more than one part"
            )
