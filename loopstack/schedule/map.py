"""Injective affine maps of a band or a statement: map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Tree
from loopstack.schedule.bands import change_band, find_band, nest_of
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import (
    Path,
    find_leaf,
    index_of,
    new_loop_name,
    owner_of,
)
from loopstack.schedule.rewrite import body_at, with_body
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Map(Command):
    """Put other loops in the place of a band, each an affine form over the old ones.

    There may be more forms than loops: those that follow from others run once for each value of the
    outer ones, so that a statement can be fused into a deeper nest. Forms may step over values
    (``2*i``); the statements then run where they hit one. A statement without loops of its own
    takes constant forms.
    Requires: a perfect nest of exactly the listed loops; forms that differ wherever the old loops
    do; dependences go forward in the new order.
    Before: ``map S.t S.i -> w = t + i, p = i`` of ``for t: for i: S(t, i)``
    After:  ``for w: for p: S(w - p, p)``
    Before: ``map S.i S.j -> a = i, b = j, c = j`` of ``for i: for j: S(i, j)``
    After:  ``for a: for b: for c in b .. b + 1: S(a, b)``
    Raises: ArgumentError for loops that do not nest, other names, or forms that take two iterations
    to one.
    Source: Kelly, Pugh, "A Unifying Framework for Iteration Reordering Transformations", 1995.
    """

    keyword: ClassVar[str] = "map"
    loops: tuple[str, ...]
    names: tuple[str, ...]
    forms: tuple[Affine, ...]

    @classmethod
    def parse(cls, words: Words) -> Map:
        loops = [words.dotted("a loop such as C.n")]
        while words.peek and words.peek != "->":
            loops.append(words.loop())
        words.expect("->")
        made = [_equation(words)]
        while words.accept(","):
            made.append(_equation(words))
        words.end()
        return cls(tuple(loops), tuple(n for n, _ in made), tuple(f for _, f in made))

    def __str__(self) -> str:
        made = ", ".join(f"{name} = {form}" for name, form in zip(self.names, self.forms))
        return f"map {' '.join(self.loops)} -> {made}"

    def apply(self, tree: Tree) -> Tree:
        if len(self.loops) == 1 and self.loops[0] in tree.leaves():
            return self._around_statement(tree)
        path, band = find_band(tree, self.loops, "map")
        new = self._new_loops(tree, owner_of(band[0]), band)
        return change_band(tree, path, band, new, "map")

    def _around_statement(self, tree: Tree) -> Tree:
        above, leaf = find_leaf(tree, self.loops[0])
        nest = nest_of((), self._new_loops(tree, leaf.statement, ()), (leaf,), "map")
        body = [n for node in body_at(tree, above) for n in (nest if node is leaf else (node,))]
        return with_body(tree, above, tuple(body))

    def _new_loops(self, tree: Tree, owner: str, band: Path) -> dict[str, Affine]:
        """Return each new loop as a form over those of the band."""
        old = {index_of(loop): form_of(loop.name) for loop in band}
        for form in self.forms:
            unknown = sorted(form.names - old.keys())
            if unknown:
                known = f"the loops {', '.join(old)}" if old else "no loops here"
                raise ArgumentError(f"map knows {known}, found {unknown[0]}")
        going = tuple(loop.name for loop in band)
        names = [new_loop_name(tree, owner, name, going) for name in self.names]
        if len(set(names)) < len(names):
            raise ArgumentError("map names a new loop twice")
        return dict(zip(names, (form.substitute(old) for form in self.forms)))


def _equation(words: Words) -> tuple[str, Affine]:
    name = words.name()
    words.expect("=")
    return name, words.form()
