"""Diagonals of a band: skew, wavefront."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Loop, Tree
from loopstack.schedule.bands import change_band
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import Path, find_loop, new_loop_name, owner_of
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Skew(Command):
    """Run an inner loop later, by a multiple of an outer loop's value.

    Requires: the inner loop is inside the outer one. No dependence forbids a skew: the order stays
    the same; it makes tiling or an interchange legal.
    Before: ``skew S.i S.t 2`` of ``for t: for i in 0..n: S(t, i)``
    After:  ``for t: for i in 2*t .. n + 2*t: S(t, i - 2*t)``
    Raises: ArgumentError when the loops are not nested, or the inner one has a kind.
    Source: Wolfe, "Loop Skewing: The Wavefront Method Revisited", 1986.
    """

    keyword: ClassVar[str] = "skew"
    inner: str
    outer: str
    factor: int

    @classmethod
    def parse(cls, words: Words) -> Skew:
        inner, outer = words.loop(), words.loop()
        factor = words.integer("a factor")
        words.end()
        return cls(inner, outer, factor)

    def __str__(self) -> str:
        return f"skew {self.inner} {self.outer} {self.factor}"

    def apply(self, tree: Tree) -> Tree:
        path, outer, inner = _nested(tree, self.outer, self.inner, "skew")
        later = form_of(inner.name) + form_of(outer.name) * self.factor
        return change_band(tree, path, (inner,), {inner.name: later}, "skew")


@dataclass(frozen=True)
class Wavefront(Command):
    """Run two nested loops along their diagonals; the inner one in parallel.

    Requires: a perfect nest, the second loop directly inside the first; every dependence goes
    forward along the first loop, or not at all along both (skew first where it does not).
    Before: ``wavefront S.a S.b -> w`` of ``for a: for b: S(a, b)``
    After:  ``for w: parallel for b: S(w - b, b)``
    Raises: ArgumentError when the second loop is not directly inside the first.
    Source: Lamport, "The Parallel Execution of DO Loops", 1974.
    """

    keyword: ClassVar[str] = "wavefront"
    outer: str
    inner: str
    name: str

    @classmethod
    def parse(cls, words: Words) -> Wavefront:
        outer, inner = words.loop(), words.loop()
        words.expect("->")
        name = words.name()
        words.end()
        return cls(outer, inner, name)

    def __str__(self) -> str:
        return f"wavefront {self.outer} {self.inner} -> {self.name}"

    def apply(self, tree: Tree) -> Tree:
        path, outer, inner = _nested(tree, self.outer, self.inner, "wavefront")
        if path[-2] is not outer:
            raise ArgumentError(f"wavefront needs {inner.name} directly inside {outer.name}")
        diagonal = new_loop_name(tree, owner_of(outer), self.name, (outer.name,))
        new = {
            diagonal: form_of(outer.name) + form_of(inner.name),
            inner.name: form_of(inner.name),
        }
        return change_band(tree, path, (outer, inner), new, "wavefront", {inner.name: "parallel"})


def _nested(tree: Tree, outer: str, inner: str, command: str) -> tuple[Path, Loop, Loop]:
    """Return (path of the inner loop, outer loop, inner loop)."""
    path, above = find_loop(tree, inner), find_loop(tree, outer)[-1]
    if above not in path[:-1]:
        raise ArgumentError(f"{command} needs {path[-1].name} inside {above.name}")
    return path, above, path[-1]
