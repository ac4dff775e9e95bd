"""Cut nests into tiles: rectangular ones, or along given hyperplanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Loop, Tail, Tree
from loopstack.schedule.bands import find_band
from loopstack.schedule.command import Command, options_text
from loopstack.schedule.lookup import Path, find_loop, index_of, new_loop_name, owner_of
from loopstack.schedule.order import permute, require_perfect
from loopstack.schedule.rewrite import (
    Nodes,
    add_constraint,
    rename_references,
    replace_at,
    substitute,
)
from loopstack.schedule.split import Split, tail_option
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Tile(Command):
    """Cut several perfectly nested loops into tiles.

    Tiles are boxes, or with ``along`` what lies between parallel hyperplanes: one form and one
    factor for each. Inside a tile, the loops run in their own order. A tile of a tile is made by
    tiling its inner loops again.
    Requires: tiles are atomic: every dependence goes forward, or nowhere, along each of the loops,
    or of the hyperplanes, and keeps its order inside a tile.
    Before: ``tile C.m C.n 8 8 -> mo, no, mi, ni`` of ``for m: for n: C(m, n)``
    After:  ``for mo: for no: for mi: for ni: C(8*mo + mi, 8*no + ni)``
    Before: ``tile S.t S.i 8 8 along t + i, t - i -> a, b, t, i`` of ``for t: for i: S(t, i)``
    After:  ``for a: for b: for t: for i where a = (t + i)/8, b = (t - i)/8: S(t, i)``
    Raises: ArgumentError as for split and reorder, for constant forms and unknown loops in forms.
    Source: Wolfe, "More Iteration Space Tiling", 1989; Bandishti, Pananilath, Bondhugula, "Tiling
    Stencil Computations to Maximize Parallelism", 2012.
    """

    keyword: ClassVar[str] = "tile"
    loops: tuple[str, ...]
    factors: tuple[int, ...]
    outer: tuple[str, ...]
    inner: tuple[str, ...]
    tail: Tail | None = None
    along: tuple[Affine, ...] = ()

    @classmethod
    def parse(cls, words: Words) -> Tile:
        loops = [words.loop()]
        while words.peek and words.peek[0] not in "-0123456789":
            loops.append(words.loop())
        factors = [words.integer("a factor")]
        while words.peek not in ("->", "along"):
            factors.append(words.integer("a factor"))
        forms = _forms(words, len(factors)) if words.accept("along") else ()
        if not forms and len(factors) < len(loops):
            words.fail("expected a factor")
        words.expect("->")
        first, count = words.next, len(factors)
        names = words.names()
        if len(names) != count + len(loops):
            words.refuse(
                f"expected {count + len(loops)} names, one for each outer and then each inner "
                f"loop, found {len(names)}", first,
            )  # fmt: skip
        return cls(
            tuple(loops), tuple(factors), names[:count], names[count:], **tail_option(words),
            along=forms,
        )  # fmt: skip

    def __str__(self) -> str:
        factors = " ".join(map(str, self.factors))
        names = ", ".join(self.outer + self.inner)
        along = f" along {', '.join(map(str, self.along))}" if self.along else ""
        options = options_text(tail=self.tail)
        return f"tile {' '.join(self.loops)} {factors}{along} -> {names}{options}"

    def apply(self, tree: Tree) -> Tree:
        return self._along(tree) if self.along else self._boxes(tree)

    def _boxes(self, tree: Tree) -> Tree:
        made: list[tuple[str, str]] = []
        for loop, factor, outer, inner in zip(self.loops, self.factors, self.outer, self.inner):
            owner = owner_of(find_loop(tree, loop)[-1])
            tree = Split(loop, factor, outer, inner, self.tail).apply(tree)
            made.append((f"{owner}.{outer}", f"{owner}.{inner}"))
        return permute(tree, [o for o, _ in made] + [i for _, i in made], "tile")

    # ---- along hyperplanes ------------------------------------------------------------------
    def _along(self, tree: Tree) -> Tree:
        path, band = find_band(tree, self.loops, "tile")
        top = path.index(band[0])
        require_perfect(path[top:], "tile")
        self._check(band)
        tiles, points = self._names(tree, band)
        body = self._point_loops(band, points)
        forms = {index_of(x): form_of(points[x.name]) for x in band}
        for tile, form, factor in zip(tiles, self.along, self.factors):
            inside = form.substitute(forms) - form_of(tile) * factor
            body = add_constraint(add_constraint(body, inside), factor - 1 - inside)
        for tile in reversed(tiles):
            body = (Loop(tile, body),)
        tree = replace_at(tree, path[: top + 1], body)
        for old, new in points.items():
            tree = rename_references(tree, old, new)
        return tree

    def _check(self, band: Path) -> None:
        known = [index_of(loop) for loop in band]
        for form in self.along:
            unknown = sorted(form.names - set(known))
            if unknown or not form.names:
                found = unknown[0] if unknown else form
                raise ArgumentError(f"tile needs forms over {', '.join(known)}, found {found}")
        if min(self.factors) < 1:
            raise ArgumentError(f"tile needs factors of at least 1, found {min(self.factors)}")
        for loop in band:
            if loop.kind == "parallel":
                raise ArgumentError(f"tile needs plain loops, but {loop.name} is parallel")

    def _names(self, tree: Tree, band: Path) -> tuple[list[str], dict[str, str]]:
        """Return the names of the tile loops, and the new name of every point loop."""
        going = [loop.name for loop in band]
        owner = owner_of(band[0])
        tiles = [new_loop_name(tree, owner, name, going) for name in self.outer]
        points = {
            loop.name: new_loop_name(tree, owner_of(loop), name, going)
            for loop, name in zip(band, self.inner)
        }
        made = [*tiles, *points.values()]
        if len(set(made)) < len(made):
            raise ArgumentError("tile names a new loop twice")
        return tiles, points

    def _point_loops(self, band: Path, points: Mapping[str, str]) -> Nodes:
        renamed = {old: form_of(new) for old, new in points.items() if old != new}
        body = substitute(band[-1].body, renamed) if renamed else band[-1].body
        for loop in reversed(band):
            tail = self.tail or loop.tail
            body = (Loop(points[loop.name], body, loop.extent, loop.kind, tail),)
        return body


def _forms(words: Words, count: int) -> tuple[Affine, ...]:
    """Read one form for each factor."""
    first = words.next
    forms = [words.form()]
    while words.accept(","):
        forms.append(words.form())
    if len(forms) != count:
        words.refuse(f"expected {count} forms, one for each factor, found {len(forms)}", first)
    return tuple(forms)
