"""Tile time: several steps of a sweep run on a part of the arrays while it is in the cache.

    for t: { for i: B(t, i, :);  for i: A(t, i, :) }                  every step walks the arrays

    for to: for io: for ti: for ii: { B(t, i, :);  A(t, i - 1, :) }   t = 8*to + ti, i = .. - 2*t

All nests share the time loop and the outer space loops, shifted and skewed so that every
dependence goes forward (schedule/sweeps.py); the innermost space loop stays whole and walks
memory. With threads, tiles on a diagonal run in parallel.
"""

from __future__ import annotations

from math import isqrt, prod

from loopstack.ir.expr import ITEM_SIZE_BYTES
from loopstack.schedule.access_shape import StatementShape
from loopstack.schedule.greedy import Draft
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.sweeps import Sweep, Sweeps, find_sweeps

MOST_STEPS = 16
"""Time steps of a tile: beyond, memory is no limit any more, and borders of tiles cost more."""
LEAST_POINTS = 4
"""Rows of a tile below which tiles do not pay."""
WISHED_ROWS, WISHED_PLANES = 16, 8
"""Extents of a tile along the outermost space loop, of one or of two tiled ones, that are worth
more than staying in L2: tiles with fewer consist of borders, and L3 is near."""
FEWEST_POINTS = 2
"""Rows in L2 below which tiles of so many rows leave L3 as well."""
ROWS_AT_ONCE = 4
"""Rows of one nest that are computed together, so that what neighbours share is loaded once."""
WHOLE_POINTS = 1024
"""Elements of a tile of a single space loop."""
ARRAYS_PER_CACHE = 4
"""Arrays smaller than this many L2 caches stay where they are near enough."""


def tile_time(
    draft: Draft, shapes: dict[str, StatementShape], hardware: Hardware, threads: int
) -> set[str]:
    """Tile the sweeps whose arrays exceed the cache; return the statements that are done."""
    done: set[str] = set()
    for sweeps in find_sweeps(draft.tree):
        if sweeps.names <= shapes.keys() and _tile(draft, sweeps, shapes, hardware, threads):
            done |= sweeps.names
    return done


def _tile(
    draft: Draft, sweeps: Sweeps, shapes: dict[str, StatementShape], hardware: Hardware,
    threads: int,
) -> bool:  # fmt: skip
    extents = _extents(sweeps, shapes)
    point_bytes = _point_bytes(draft, sweeps, extents)
    sizes = tile_sizes(sweeps, extents, point_bytes, hardware, threads)
    if sizes is None:
        return False
    lines, rows = tiling_lines(sweeps, sizes), row_lines(sweeps)
    if threads > 1:
        lines.append(wavefront_line(sweeps))
    jammed = jam_lines(sweeps)
    if jammed and draft.attempt([*lines, *jammed, *rows]):
        return True
    return draft.attempt([*lines, *rows]) or draft.attempt(lines)


# ---- sizes --------------------------------------------------------------------------------------
def _extents(sweeps: Sweeps, shapes: dict[str, StatementShape]) -> tuple[int, ...]:
    """Return the steps, and the largest extent of every space loop."""
    steps, space = 0, [0] * len(sweeps.nests[0].loops)
    for nest in sweeps.nests:
        bound = {form.terms[0][0]: index for index, form in nest.leaf.binding if form.terms}
        known = shapes[nest.name].extents
        steps = max(steps, known[bound[sweeps.time]])
        for dim, loop in enumerate(nest.loops):
            if loop is not None:
                space[dim] = max(space[dim], known[bound[loop]])
    return (steps, *space)


def _point_bytes(draft: Draft, sweeps: Sweeps, extents: tuple[int, ...]) -> int:
    """Return the bytes of all arrays of full rank that belong to one point of the tiled loops."""
    rank = len(sweeps.nests[0].loops)
    names = {array for nest in sweeps.nests for array, form, _ in nest.touches()
             if len(form) >= rank}  # fmt: skip
    items = sum(ITEM_SIZE_BYTES[draft.tree.array(name).dtype] for name in names)
    return items * prod(extents[1 + sweeps.tiled :])


def tile_sizes(
    sweeps: Sweeps, extents: tuple[int, ...], point_bytes: int, hardware: Hardware, threads: int
) -> tuple[int, ...] | None:
    """Return the tile of time and of each tiled space loop; None when tiles do not pay.

    The part of the arrays that one step of a tile walks stays in L2 for the next one, unless rows
    are very long. A diagonal, half as long as the outermost space loop has tiles, gives each thread
    at least two tiles.
    """
    total = point_bytes * prod(extents[1 : 1 + sweeps.tiled])
    if total < ARRAYS_PER_CACHE * hardware.l2_bytes:
        return None
    points = hardware.l2_bytes * 7 // (10 * point_bytes)
    points = points if len(extents) - 1 > sweeps.tiled else WHOLE_POINTS
    most = extents[1] if threads == 1 else extents[1] // (4 * threads)
    space = _space_sizes(sweeps.tiled, points, most)
    if min(space) < LEAST_POINTS:
        return None
    steps = min(min(s // max(f, 1) for s, f in zip(space, sweeps.skews)), MOST_STEPS)
    return (steps, *space) if 1 < steps <= extents[0] else None


def _space_sizes(count: int, points: int, most: int) -> tuple[int, ...]:
    """Share the points of a tile among the tiled loops, longest innermost, in multiples of 4.

    The outermost one gets no more than ``most``.
    """
    if points < FEWEST_POINTS:
        return (0,) * count
    if count == 1:
        return (_multiple(min(max(points, WISHED_ROWS), most)),)
    if count > 2:  # no more than two outer loops are worth it
        return (0,) * count
    outer = _multiple(min(max(isqrt(points) * 3 // 4, WISHED_PLANES), most))
    return (outer, _multiple(points // outer)) if outer else (0, 0)


def _multiple(points: int) -> int:
    return points // 4 * 4


# ---- lines --------------------------------------------------------------------------------------
def tiling_lines(sweeps: Sweeps, sizes: tuple[int, ...]) -> list[str]:
    """Return the lines that put all nests below shared tiles of time and space."""
    first, *others = sweeps.nests
    time, *space = band = [sweeps.time, *(_loop(sweeps, first, d) for d in range(sweeps.tiled))]
    lines = [line for nest in sweeps.nests for line in _wrapping_lines(sweeps, nest)]
    for dim, shifts in enumerate(sweeps.shifts):
        for nest, shift in zip(others, shifts[1:]):
            lines.append(f"fuse {space[dim]} {_loop(sweeps, nest, dim)} shift={shift}")
    lines += [f"skew {loop} {time} {skew}" for loop, skew in zip(space, sweeps.skews) if skew]
    outer, inner = _tile_names(sweeps)
    lines.append(
        f"tile {' '.join(band)} {' '.join(map(str, sizes))} -> {', '.join([*outer, *inner])}"
    )
    if others and _parts_inside(sweeps):
        lines.append(f"distribute {first.name}.{inner[-1]}")
    return lines


def _parts_inside(sweeps: Sweeps) -> bool:
    """Tell whether each nest gets the innermost tile loop for itself.

    Rows of one space loop run by turns, while what they share is in L1.
    """
    return sweeps.tiled > 1 or len(sweeps.nests[0].loops) == sweeps.tiled


def _wrapping_lines(sweeps: Sweeps, nest: Sweep) -> list[str]:
    """Return the lines that put loops around a nest with fewer than the others."""
    missing = nest.loops.count(None)
    return [
        f"wrap {_loop(sweeps, nest, dim + 1)} -> {_index(sweeps, dim)}"
        for dim in reversed(range(missing))
    ]


def row_lines(sweeps: Sweeps) -> list[str]:
    """Return the lines that vectorise the innermost loop of every nest."""
    if len(sweeps.nests[0].loops) > sweeps.tiled:
        return [f"vectorize {nest.loops[-1]}" for nest in sweeps.nests]
    inner = _tile_names(sweeps)[1][-1]
    return [f"vectorize {nest.name}.{inner}" for nest in sweeps.nests]


def jam_lines(sweeps: Sweeps) -> list[str]:
    """Return the lines that compute several rows of a nest at once, where rows run by turns."""
    first, *others = sweeps.nests
    if not others or _parts_inside(sweeps):
        return []
    index, inner = _index(sweeps, 0), _tile_names(sweeps)[1][-1]
    lines = [
        f"split {first.name}.{inner} {ROWS_AT_ONCE} -> {inner}, {index}u",
        f"distribute {first.name}.{index}u",
    ]
    whole = [nest.name for nest in sweeps.nests if None not in nest.loops]
    return lines + [f"unroll_and_jam {name}.{index}u" for name in whole]


def wavefront_line(sweeps: Sweeps) -> str:
    """Return the line that runs tiles of time and the outermost space loop along diagonals."""
    name = sweeps.nests[0].name
    time, space, *_ = _tile_names(sweeps)[0]
    return f"wavefront {name}.{time} {name}.{space} -> {time}w"


def _tile_names(sweeps: Sweeps) -> tuple[list[str], list[str]]:
    """Return the indices of the loops over tiles, and of those in a tile."""
    time = sweeps.time.rpartition(".")[2]
    indices = [time, *(_index(sweeps, dim) for dim in range(sweeps.tiled))]
    return [f"{index}o" for index in indices], [f"{index}i" for index in indices]


def _loop(sweeps: Sweeps, nest: Sweep, dim: int) -> str:
    """Return the name of a nest's loop, of one that is put around it where it has none."""
    return nest.loops[dim] or f"{nest.name}.{_index(sweeps, dim)}"


def _index(sweeps: Sweeps, dim: int) -> str:
    named = next(nest.loops[dim] for nest in sweeps.nests if nest.loops[dim] is not None)
    return str(named).rpartition(".")[2]
