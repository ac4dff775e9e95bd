"""Loops into blocks and back: split, join."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, cast

from loopstack.errors import ArgumentError
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Kind, Leaf, Loop, Tail, Tree
from loopstack.poly.intervals import is_finite, without_single_division
from loopstack.schedule.command import Command, options_text
from loopstack.schedule.lookup import find_loop, leaves_below, new_loop_name, owner_of
from loopstack.schedule.ranges import box_range, ranges_above
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
SPLIT_KINDS: dict[Kind, tuple[Kind, Kind]] = {
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
        return cls(loop, factor, outer, inner, **tail_option(words))

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
        kinds = SPLIT_KINDS[loop.kind]
        block = Loop(inner, body, self.factor, kinds[1], self.tail or loop.tail)
        nest = Loop(outer, (block,), blocks, kinds[0])
        return rename_references(replace_at(tree, path, (nest,)), loop.name, inner)


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
            _refuse_mixed_loop(tree, leaf, name)
        nest = Loop(
            name, body, _joined_extent(tree, outer, count), _joined_kind(outer, inner), inner.tail
        )
        return rename_references(replace_at(tree, path[:-1], (nest,)), inner.name, name)


def tail_option(words: Words) -> dict[str, Tail]:
    found = words.options({"tail": lambda w: w.choice(*TAILS)})
    return cast(dict[str, Tail], found)


def _without_range(leaf: Leaf, loop: str) -> Leaf:
    """Drop the constraints on one loop alone: a remainder is always inside its range."""
    kept = tuple(c for c in leaf.constraints if c.names != {loop})
    return replace(leaf, constraints=kept)


def _plain_constraints(leaf: Leaf) -> Leaf:
    """Turn bounds on a quotient into bounds on the joined loop."""
    return replace(leaf, constraints=tuple(map(without_single_division, leaf.constraints)))


def _refuse_mixed_loop(tree: Tree, leaf: Leaf, loop: str) -> None:
    """Raise ArgumentError when ``loop`` runs over results and over their terms at once."""
    if leaf.reduction is None or all(loop not in form.names for form in leaf.write.subscripts):
        return
    reduced = tree.program.statement(leaf.statement).reduction_indices
    mixed = [index for index, form in leaf.binding if index in reduced and loop in form.names]
    if mixed:
        raise ArgumentError(
            f"loop {loop} would run over results of {leaf.statement} and over its reduction index "
            f"{mixed[0]} at once: join loops of one kind only"
        )


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
