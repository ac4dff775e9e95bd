"""Unimodular commands on a band: skew, wavefront, map.

A band is a perfect nest of loops; all statements below it move together. Bounds of the new loops
follow from the statements' domains in lowering.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Kind, Loop, Tree
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import (
    Path,
    find_loop,
    index_of,
    leaves_below,
    new_loop_name,
    owner_of,
)
from loopstack.schedule.order import require_perfect
from loopstack.schedule.results import refuse_mixed_loops
from loopstack.schedule.rewrite import add_constraint, references, replace_at, substitute
from loopstack.schedule.unimodular import invert
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


@dataclass(frozen=True)
class Map(Command):
    """Put other loops in the place of a band, each an affine form over the old ones.

    Requires: a perfect nest of exactly the listed loops; the forms' matrix has determinant 1 or
    -1; dependences go forward in the new order.
    Before: ``map S.t S.i -> w = t + i, p = i`` of ``for t: for i: S(t, i)``
    After:  ``for w: for p: S(w - p, p)``
    Raises: ArgumentError for loops that do not nest, other names, or another determinant.
    Source: Banerjee, "Unimodular Transformations of Double Loops", 1990.
    """

    keyword: ClassVar[str] = "map"
    loops: tuple[str, ...]
    names: tuple[str, ...]
    forms: tuple[Affine, ...]

    @classmethod
    def parse(cls, words: Words) -> Map:
        loops = [words.loop()]
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
        paths = [find_loop(tree, loop) for loop in self.loops]
        band = tuple(path[-1] for path in paths)
        if len(self.forms) != len(band):
            raise ArgumentError(
                f"map needs one form for each of {len(band)} loops, found {len(self.forms)}"
            )
        if paths[-1][-len(band) :] != band:
            raise ArgumentError("map needs the loops of a nest in order, outermost first")
        old = {index_of(loop): form_of(loop.name) for loop in band}
        for form in self.forms:
            unknown = sorted(form.names - old.keys())
            if unknown:
                raise ArgumentError(f"map knows the loops {', '.join(old)}, found {unknown[0]}")
        going = tuple(loop.name for loop in band)
        owner = owner_of(band[0])
        names = [new_loop_name(tree, owner, name, going) for name in self.names]
        if len(set(names)) < len(names):
            raise ArgumentError("map names a new loop twice")
        new = dict(zip(names, (form.substitute(old) for form in self.forms)))
        return change_band(tree, paths[-1], band, new, "map")


def _equation(words: Words) -> tuple[str, Affine]:
    name = words.name()
    words.expect("=")
    return name, words.form()


def _nested(tree: Tree, outer: str, inner: str, command: str) -> tuple[Path, Loop, Loop]:
    """Return (path of the inner loop, outer loop, inner loop)."""
    path, above = find_loop(tree, inner), find_loop(tree, outer)[-1]
    if above not in path[:-1]:
        raise ArgumentError(f"{command} needs {path[-1].name} inside {above.name}")
    return path, above, path[-1]


def change_band(
    tree: Tree, path: Path, band: Sequence[Loop], new: Mapping[str, Affine], command: str,
    kinds: Mapping[str, Kind] | None = None,
) -> Tree:  # fmt: skip
    """Return the tree with the innermost loops of ``path``, ``band``, replaced by ``new``.

    ``new`` gives each new loop as a form over the old ones, ``kinds`` the kinds of those that are
    no plain loops; a loop that stays as it is keeps its extent, kind and tail.
    """
    require_perfect(path[path.index(band[0]) :], command)
    _require_plain(tree, band, new, command)
    body = band[-1].body
    for loop in band:
        if loop.extent is not None and new.get(loop.name) != form_of(loop.name):
            body = add_constraint(body, form_of(loop.name))
            body = add_constraint(body, loop.extent - 1 - form_of(loop.name))
    old = invert(new, [loop.name for loop in band])
    body = substitute(body, {n: form for n, form in old.items() if form != form_of(n)})
    known = {loop.name: loop for loop in band if new.get(loop.name) == form_of(loop.name)}
    for name in reversed(list(new)):
        same = known.get(name) or Loop(name, ())
        kind = (kinds or {}).get(name, same.kind)
        body = (Loop(name, body, same.extent, kind, same.tail),)
    changed = replace_at(tree, path[: path.index(band[0]) + 1], body)
    refuse_mixed_loops(changed, body[0], tuple(new), command)  # type: ignore[arg-type]
    return changed


def _require_plain(
    tree: Tree, band: Sequence[Loop], new: Mapping[str, Affine], command: str
) -> None:
    """Refuse a change of loops that have a kind, or that buffers and stages are placed at."""
    for loop in band:
        if new.get(loop.name) == form_of(loop.name):
            continue
        if loop.kind != "seq":
            raise ArgumentError(f"{command} needs plain loops, but {loop.name} is {loop.kind}")
        placed = references(tree, loop.name)
        if placed:
            raise ArgumentError(
                f"{command} would lose the loop {loop.name} that {placed[0]} is placed at"
            )
    below = {leaf.write.array for leaf in leaves_below(band[-1].body)}
    local = sorted(b.array.name for b in tree.buffers if b.array.name in below)
    if local:
        raise ArgumentError(f"{command} would part {local[0]} from its readers; {command} first")
