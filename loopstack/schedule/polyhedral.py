"""Schedules of scheduling algorithms: Pluto's and isl's, with tiles, threads and lanes.

    time tree   ->  the program's loops become the algorithm's           (schedule/from_tree.py)
    tiles           every permutable band of two loops or more is cut
    threads         the outermost loop without dependences, or tiles along diagonals
    lanes           the innermost loop that walks memory

The time tree's loops must pass the exact test of legality, or there is no schedule; each later step
is kept where it passes.
Source: Bondhugula et al., "A Practical Automatic Polyhedral Parallelizer and Locality Optimizer",
PLDI 2008, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from loopstack.errors import ArgumentError, IllegalSchedule, ScheduleNotFound
from loopstack.ir.affine import Affine
from loopstack.ir.program import Program
from loopstack.poly import legality
from loopstack.poly.edges import Edge, edges, order_below
from loopstack.poly.isl_tree import isl_tree
from loopstack.poly.pluto import pluto_tree
from loopstack.poly.symbols import with_symbols
from loopstack.poly.time_tree import statements_of
from loopstack.schedule.from_tree import PlacedBand, lines_of_tree
from loopstack.schedule.greedy import Draft
from loopstack.schedule.lanes import moved_inside, vectorize_innermost, walks
from loopstack.schedule.lookup import find_loop, index_of, owner_of
from loopstack.schedule.ranges import constant_range
from loopstack.schedule.script import Schedule, check, read_line

Algorithm = Literal["pluto", "isl"]
Strides = Mapping[str, tuple[int, ...]]
TILE = 32


def polyhedral_schedule(
    program: Program, algorithm: Algorithm, tile: int | tuple[int, ...] = TILE, threads: int = 1,
    strides: Strides | None = None,
) -> Schedule:  # fmt: skip
    """Return the schedule of an algorithm for a program with integer sizes.

    ``tile`` is the extent of a tile along each loop of a band, the last one for all that follow; 1
    leaves a loop whole. Raises ScheduleNotFound when the algorithm finds no schedule, or one that
    commands cannot express or that is not proven legal.
    """
    if any(size < 1 for size in _sizes(tile)):
        raise ArgumentError(f"tile= needs extents of at least 1, found {tile}")
    general, values = with_symbols(program)
    found = edges(general)
    plain = algorithm == "pluto"
    tree = pluto_tree(general, found) if plain else isl_tree(general, values, found)
    lines, placed = lines_of_tree(program, tree)
    steps = _Steps(general, found, placed, _sizes(tile), threads, strides or {})
    draft: Draft = _Unchecked(program)
    draft.attempt(lines)
    steps.take(draft)
    if legality.check(draft.tree) is not None:
        draft = Draft(program)
        if not draft.attempt(lines):
            raise ScheduleNotFound(_refusal(program, algorithm, lines))
        steps.take(draft)
    return steps.vectorized(draft)


class _Unchecked(Draft):
    """A draft that trusts the theory behind its lines; its tree is tested once, at the end."""

    def attempt(self, lines: Sequence[str]) -> bool:
        tree = self.tree
        try:
            for line in lines:
                tree = read_line(line).apply(tree)
        except ArgumentError:
            return False
        self.tree = tree
        self.lines += lines
        return True


@dataclass
class _Steps:
    """What is done to the loops of a time tree; ``general`` has ``edges`` as its dependences."""

    general: Program
    edges: list[Edge]
    placed: tuple[PlacedBand, ...]
    tile: tuple[int, ...]
    threads: int
    strides: Strides

    def take(self, draft: Draft) -> None:
        self.bands = [_Tiled.of(draft, band, self.tile) for band in self.placed]
        for band in self.bands:
            if self.threads > 1:
                _parallelize(draft, band)
            self._part_rows(draft, band, [])

    def vectorized(self, draft: Draft) -> Schedule:
        checked = Draft(draft.program)
        checked.tree, checked.lines = draft.tree, draft.lines
        vectorize_innermost(checked, {x for band in self.bands for x in band.tiles()}, self.strides)
        return checked.schedule()

    def _part_rows(self, draft: Draft, band: _Tiled, above: Rows) -> None:
        """Give each statement of an innermost loop a loop of its own, if they need not take turns.

        Their ranges differ, and one after the other they run without guards, and as lanes.
        """
        names = statements_of(band.placed.band)
        rows = [{n: band.placed.band.rows[n][at] for n in names} for at in range(len(band.inner))]
        for inner in band.inside:
            self._part_rows(draft, inner, [*above, *rows])
        if band.inside or len(names) < 2:
            return
        innermost = self._walk_inside(draft, band)
        others = [row for at, row in enumerate(rows) if at != innermost]
        order = order_below(self.general, self.edges, names, [*above, *others])
        if order is not None:
            draft.attempt([f"distribute {band.inner[innermost]} -> {', '.join(order)}"])

    def _walk_inside(self, draft: Draft, band: _Tiled) -> int:
        """Make the loop that walks memory the innermost one in a tile; return its place."""
        last = len(band.inner) - 1
        if not band.placed.band.permutable:
            return last
        scores = walks(draft, band.inner, self.strides)
        best = max(range(last + 1), key=lambda n: (scores[n], n))
        name = statements_of(band.placed.band)[0]
        if best < last and draft.attempt([moved_inside(name, band.inner, best)]):
            return best
        return last


Rows = list[Mapping[str, Affine]]


def _sizes(tile: int | tuple[int, ...]) -> tuple[int, ...]:
    return (tile,) if isinstance(tile, int) else tile


def _refusal(program: Program, algorithm: Algorithm, lines: list[str]) -> str:
    """Return why the loops of an algorithm are not legal."""
    try:
        check(Schedule.parse("\n".join(["schedule 1", *lines]) + "\n"), program)
    except (ArgumentError, IllegalSchedule) as error:
        return f"the loops of {algorithm} are not proven legal: {error}"
    return f"the loops of {algorithm} cannot be built"


# ---- tiles --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Tiled:
    """A band with the loops over its tiles; a loop that is not cut has none."""

    placed: PlacedBand
    outer: tuple[str | None, ...]
    inner: tuple[str, ...]
    inside: tuple[_Tiled, ...]

    @staticmethod
    def of(draft: Draft, placed: PlacedBand, sizes: tuple[int, ...]) -> _Tiled:
        outer, inner = _tile(draft, placed, sizes)
        inside = tuple([_Tiled.of(draft, band, sizes) for band in placed.inside])
        return _Tiled(placed, outer, inner, inside)

    def tiles(self) -> Iterator[str]:
        """Yield every loop over tiles, here and inside."""
        yield from (loop for loop in self.outer if loop is not None)
        for band in self.inside:
            yield from band.tiles()


Loops = tuple[tuple[str | None, ...], tuple[str, ...]]


def _tile(draft: Draft, placed: PlacedBand, sizes: tuple[int, ...]) -> Loops:
    """Cut the loops of a permutable band that are longer than a tile; return both halves."""
    whole: Loops = (None,) * len(placed.loops), placed.loops
    if len(placed.loops) < 2 or not placed.band.permutable:
        return whole
    factors = [sizes[min(n, len(sizes) - 1)] for n in range(len(placed.loops))]
    cut = {loop: f for loop, f in zip(placed.loops, factors) if 1 < f < _extent(draft, loop)}
    names = {loop: _tile_names(draft, loop) for loop in cut}
    new = ", ".join([*(o for o, _ in names.values()), *(i for _, i in names.values())])
    line = f"tile {' '.join(cut)} {' '.join(map(str, cut.values()))} -> {new}"
    if not cut or not draft.attempt([line]):
        return whole
    owner = {loop: loop.rpartition(".")[0] for loop in placed.loops}
    outer = [f"{owner[x]}.{names[x][0]}" if x in cut else None for x in placed.loops]
    inner = [f"{owner[x]}.{names[x][1]}" if x in cut else x for x in placed.loops]
    return tuple(outer), tuple(inner)


def _extent(draft: Draft, loop: str) -> int:
    low, high = constant_range(draft.tree, find_loop(draft.tree, loop), "tile")
    return high - low + 1


def _tile_names(draft: Draft, loop: str) -> tuple[str, str]:
    """Return names for the loop over tiles and the one in a tile."""
    path = find_loop(draft.tree, loop)[-1]
    taken = {index_of(other) for other in draft.tree.loops().values()
             if owner_of(other) == owner_of(path)}  # fmt: skip
    stem = index_of(path)
    while {f"{stem}o", f"{stem}i"} & taken:
        stem += "_"
    return f"{stem}o", f"{stem}i"


# ---- threads ------------------------------------------------------------------------------------
def _parallelize(draft: Draft, band: _Tiled) -> None:
    """Run the outermost loop without dependences in parallel, else tiles along diagonals."""
    coincident = band.placed.band.coincident
    for loop, tiles, free in zip(band.placed.loops, band.outer, coincident):
        if free and draft.attempt([f"parallelize {tiles or loop}"]):
            return
    outer = [loop for loop in band.outer if loop is not None]
    if len(outer) > 1 and draft.attempt([_wavefront(draft, outer[0], outer[1])]):
        return
    for inner in band.inside:
        _parallelize(draft, inner)


def _wavefront(draft: Draft, outer: str, inner: str) -> str:
    taken = {index_of(loop) for loop in draft.tree.loops().values()}
    name = f"{outer.rpartition('.')[2]}w"
    while name in taken:
        name += "_"
    return f"wavefront {outer} {inner} -> {name}"
