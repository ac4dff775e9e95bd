"""A time tree as commands: every statement gets its rows, then bands are shared.

    distribute ..       each statement has a nest of its own
    map S.t S.i -> ..   its loops become its rows
    arrange root -> ..  nests stand in the order of the tree
    fuse A.t B.t ..     statements of a band share its loops, outermost first

What stands in between may be illegal; whoever asks for the lines checks the tree they end in.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopstack.errors import ArgumentError, ScheduleNotFound
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Loop, Node, Tree, identity_tree
from loopstack.ir.program import Program
from loopstack.poly.time_tree import Band, InOrder, Part, rows_of, statements_of
from loopstack.schedule.lookup import ROOT, index_of, leaves_below
from loopstack.schedule.script import read_line


@dataclass(frozen=True)
class PlacedBand:
    """A band of the tree and the loops that stand for it, outermost first."""

    band: Band
    loops: tuple[str, ...]
    inside: tuple[PlacedBand, ...]


def lines_of_tree(program: Program, part: Part) -> tuple[list[str], tuple[PlacedBand, ...]]:
    """Return commands that give a program with integer sizes the loops of a time tree.

    Raises ScheduleNotFound when a command cannot express a row.
    """
    writer = _Writer(identity_tree(program))
    for node in writer.tree.body:
        writer.take_apart(node)
    names = {name: writer.give_rows(part, name) for name in statements_of(part)}
    writer.put_in_order(statements_of(part))
    placed = writer.share(part, names, 0)
    return writer.lines, placed


Names = dict[str, list[tuple[str, int]]]
"""For every statement its loops, and how far each is still to be shifted."""


@dataclass
class _Writer:
    """The lines so far and the tree they make."""

    tree: Tree

    def __post_init__(self) -> None:
        self.lines: list[str] = []

    def do(self, line: str) -> None:
        try:
            self.tree = read_line(line).apply(self.tree)
        except ArgumentError as error:
            raise ScheduleNotFound(f"the schedule cannot be expressed: {line}\n  {error}") from None
        self.lines.append(line)

    # ---- each statement by itself -------------------------------------------------------------
    def take_apart(self, node: Node) -> None:
        """Distribute a loop, innermost loops first, until each statement below is alone."""
        if not isinstance(node, Loop) or len(leaves_below([node])) < 2:
            return
        for inner in node.body:
            self.take_apart(inner)
        self.do(f"distribute {node.name}")

    def give_rows(self, part: Part, name: str) -> list[tuple[str, int]]:
        """Put the rows of a statement in the place of its loops; return (loop, constant) of each.

        A constant is left to the fusion where loops stay as they are.
        """
        above, leaf = self.tree.path(name), self.tree.leaves()[name]
        old = [index_of(loop) for loop in above]
        loops = {index: form_of(mine) for (index, _), mine in zip(leaf.binding, old)}
        rows = [row.substitute(loops) for row in rows_of(part, name)]
        plain = [_plain_index(row) for row in rows]
        if sorted(map(str, plain)) == sorted(old):
            if plain != old:
                self.do(f"reorder {name} {' '.join(map(str, plain))}")
            owners = {index_of(loop): loop.name for loop in above}
            return [(owners[str(index)], row.const) for index, row in zip(plain, rows)]
        return self._map(name, [loop.name for loop in above] or [name], rows)

    def _map(self, name: str, old: list[str], rows: list[Affine]) -> list[tuple[str, int]]:
        if not rows:
            return []
        new = _names(rows)
        equations = ", ".join(f"{index} = {row}" for index, row in zip(new, rows))
        self.do(f"map {' '.join(old)} -> {equations}")
        return [(loop.name, 0) for loop in self.tree.path(name)]

    # ---- together -----------------------------------------------------------------------------
    def put_in_order(self, order: list[str]) -> None:
        if order != list(self.tree.leaves()):
            self.do(f"arrange {ROOT} -> {', '.join(order)}")

    def share(self, part: Part, names: Names, depth: int) -> tuple[PlacedBand, ...]:
        """Fuse the loops of every band below ``part``, which start at ``depth``."""
        if isinstance(part, InOrder):
            return tuple([p for inner in part.parts for p in self.share(inner, names, depth)])
        if not isinstance(part, Band):
            return ()
        first, *others = statements_of(part)
        for level in range(depth, depth + part.depth):
            loop, const = names[first][level]
            for other in others:
                mine, shift = names[other][level]
                self.do(f"fuse {loop} {mine} shift={shift - const}")
        loops = tuple([loop for loop, _ in names[first][depth : depth + part.depth]])
        inside = self.share(part.inside, names, depth + part.depth)
        return (PlacedBand(part, loops, inside),)


def _plain_index(row: Affine) -> str | None:
    """Return the only loop of a row, unless it is skewed, reversed or scaled."""
    if len(row.terms) != 1 or row.terms[0][1] != 1:
        return None
    return str(row.terms[0][0])


def _names(rows: list[Affine]) -> list[str]:
    """Name new loops: after the old one that a row repeats, else by position."""
    names: list[str] = []
    for at, row in enumerate(rows):
        plain = _plain_index(row)
        names.append(plain if plain is not None and plain not in names else f"c{at}")
    return names
