"""Loops into tiles and back: split, tile, join."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, cast

from loopstack.errors import ArgumentError
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Kind, Leaf, Loop, Tail, Tree
from loopstack.poly.intervals import is_finite, without_single_division
from loopstack.schedule.command import Command, options_text
from loopstack.schedule.lookup import find_loop, leaves_below, new_loop_name, owner_of
from loopstack.schedule.order import permute
from loopstack.schedule.ranges import box_range, ranges_above
from loopstack.schedule.results import refuse_mixed_loop
from loopstack.schedule.rewrite import (
    references,
    rename_references,
    replace_at,
    split_body,
    substitute,
    with_leaves,
)
from loopstack.schedule.words import Words

TAILS: tuple[Tail, ...] = ("mask", "peel", "guard", "shift_inwards")
_SPLIT_KINDS: dict[Kind, tuple[Kind, Kind]] = {
    "seq": ("seq", "seq"),
    "parallel": ("parallel", "seq"),
    "vector": ("seq", "vector"),
    "unroll": ("seq", "unroll"),
}
"""Kinds of the outer and the inner loop when a loop that has a kind already is split."""


@dataclass(frozen=True)
class Split(Command):
    """Cut a loop into blocks of ``factor`` iterations: an outer loop over blocks, an inner in one.

    Requires: a positive factor. No dependence forbids a split: the order stays the same.
    Before: ``for n: S(n)``
    After:  ``for no: for ni in 0 .. min(factor, what is left): S(factor*no + ni)``
    Raises: ArgumentError for an unknown loop, a factor below 1, a name that is taken.
    """

    keyword: ClassVar[str] = "split"
    loop: str
    factor: int
    outer: str
    inner: str
    tail: Tail | None = None

    @classmethod
    def parse(cls, words: Words) -> Split:
        loop, factor = words.loop(), words.integer("a factor")
        words.expect("->")
        outer = words.name()
        words.expect(",")
        inner = words.name()
        return cls(loop, factor, outer, inner, **_tail_option(words))

    def __str__(self) -> str:
        tail = options_text(tail=self.tail)
        return f"split {self.loop} {self.factor} -> {self.outer}, {self.inner}{tail}"

    def apply(self, tree: Tree) -> Tree:
        path = find_loop(tree, self.loop)
        loop, owner = path[-1], owner_of(path[-1])
        if self.factor < 1:
            raise ArgumentError(f"split needs a factor of at least 1, found {self.factor}")
        if self.outer == self.inner:
            raise ArgumentError(f"split needs two different names, found {self.outer} twice")
        outer = new_loop_name(tree, owner, self.outer, (loop.name,))
        inner = new_loop_name(tree, owner, self.inner, (loop.name,))
        body = split_body(loop, self.factor, outer, inner)
        blocks = None if loop.extent is None else -(-loop.extent // self.factor)
        kinds = _SPLIT_KINDS[loop.kind]
        block = Loop(inner, body, self.factor, kinds[1], self.tail or loop.tail)
        nest = Loop(outer, (block,), blocks, kinds[0])
        return rename_references(replace_at(tree, path, (nest,)), loop.name, inner)


@dataclass(frozen=True)
class Tile(Command):
    """Cut several perfectly nested loops into rectangular tiles.

    Requires: tiles are atomic: every dependence goes forward, or nowhere, along each of the loops.
    Before: ``for m: for n: S``
    After:  ``for mo: for no: for mi: for ni: S``
    Raises: ArgumentError as for split and reorder.
    """

    keyword: ClassVar[str] = "tile"
    loops: tuple[str, ...]
    factors: tuple[int, ...]
    outer: tuple[str, ...]
    inner: tuple[str, ...]
    tail: Tail | None = None

    @classmethod
    def parse(cls, words: Words) -> Tile:
        loops = [words.loop()]
        while words.peek and words.peek[0] not in "-0123456789":
            loops.append(words.loop())
        count = len(loops)
        factors = tuple([words.integer("a factor") for _ in loops])
        words.expect("->")
        first = words.next
        names = words.names()
        if len(names) != 2 * count:
            words.refuse(
                f"expected {2 * count} names, one for each outer and then each inner loop, "
                f"found {len(names)}", first,
            )  # fmt: skip
        tail = _tail_option(words)
        return cls(tuple(loops), factors, names[:count], names[count:], **tail)

    def __str__(self) -> str:
        factors = " ".join(map(str, self.factors))
        names = ", ".join(self.outer + self.inner)
        return f"tile {' '.join(self.loops)} {factors} -> {names}{options_text(tail=self.tail)}"

    def apply(self, tree: Tree) -> Tree:
        made: list[tuple[str, str]] = []
        for loop, factor, outer, inner in zip(self.loops, self.factors, self.outer, self.inner):
            owner = owner_of(find_loop(tree, loop)[-1])
            tree = Split(loop, factor, outer, inner, self.tail).apply(tree)
            made.append((f"{owner}.{outer}", f"{owner}.{inner}"))
        return permute(tree, [o for o, _ in made] + [i for _, i in made], "tile")


@dataclass(frozen=True)
class Join(Command):
    """Collapse a loop and the loop directly inside it into one; undoes a split.

    Requires: the inner loop's range is constant and not empty, nothing else stands beside it, and
    both loops run over results of a statement, or both over the terms of its reduction. No
    dependence forbids a join: the order stays the same.
    Before: ``for i: for j in 0..n: S(i, j)``
    After:  ``for f: S(f // n, f % n)``
    Raises: ArgumentError when the loops are not directly nested, the inner range varies, or one
    loop is of results and the other of their terms.
    """

    keyword: ClassVar[str] = "join"
    outer: str
    inner: str
    name: str

    @classmethod
    def parse(cls, words: Words) -> Join:
        outer, inner = words.loop(), words.loop()
        words.expect("->")
        name = words.name()
        words.end()
        return cls(outer, inner, name)

    def __str__(self) -> str:
        return f"join {self.outer} {self.inner} -> {self.name}"

    def apply(self, tree: Tree) -> Tree:
        path = find_loop(tree, self.inner)
        if len(path) < 2 or find_loop(tree, self.outer)[-1] is not path[-2]:
            raise ArgumentError(f"join needs {self.inner} directly inside {self.outer}")
        outer, inner = path[-2], path[-1]
        if len(outer.body) > 1:
            raise ArgumentError(f"join needs {inner.name} alone inside {outer.name}")
        if references(tree, outer.name):
            placed = references(tree, outer.name)[0]
            raise ArgumentError(f"join would lose the loop {outer.name} that {placed} is placed at")
        name = new_loop_name(tree, owner_of(outer), self.name, (outer.name, inner.name))
        low, high = box_range(inner, "join")
        if low > high:
            raise ArgumentError(
                f"join needs a loop inside that runs, but {inner.name} has no iterations"
            )
        count = high - low + 1
        joined = form_of(name)
        whole = joined // count
        body = inner.body
        if inner.extent is None:
            body = with_leaves(body, lambda leaf: _without_range(leaf, inner.name))
        body = substitute(body, {outer.name: whole, inner.name: joined - whole * count + low})
        body = with_leaves(body, _plain_constraints)
        for leaf in leaves_below(body):
            refuse_mixed_loop(tree, leaf, name, "join")
        nest = Loop(
            name, body, _joined_extent(tree, outer, count), _joined_kind(outer, inner), inner.tail
        )
        return rename_references(replace_at(tree, path[:-1], (nest,)), inner.name, name)


def _tail_option(words: Words) -> dict[str, Tail]:
    found = words.options({"tail": lambda w: w.choice(*TAILS)})
    return cast(dict[str, Tail], found)


def _without_range(leaf: Leaf, loop: str) -> Leaf:
    """Drop the constraints on one loop alone: a remainder is always inside its range."""
    kept = tuple(c for c in leaf.constraints if c.names != {loop})
    return replace(leaf, constraints=kept)


def _plain_constraints(leaf: Leaf) -> Leaf:
    """Turn bounds on a quotient into bounds on the joined loop."""
    return replace(leaf, constraints=tuple(map(without_single_division, leaf.constraints)))


def _joined_extent(tree: Tree, outer: Loop, count: int) -> int | None:
    """Return how many iterations both loops have, from the outer loop's largest value."""
    if outer.extent is not None:
        return outer.extent * count
    found = [ranges_above(tree, leaf.statement)[outer.name] for leaf in leaves_below(outer.body)]
    if not all(is_finite(r) and r[0] >= 0 for r in found):
        return None
    return max(max(high for _, high in found) + 1, 0) * count


def _joined_kind(outer: Loop, inner: Loop) -> Kind:
    if outer.kind == inner.kind:
        return outer.kind
    raise ArgumentError(
        f"join needs loops of one kind, but {outer.name} is {outer.kind} and "
        f"{inner.name} is {inner.kind}"
    )
