"""Hypothesis: random injective maps of bands and statements, among other commands.

Coefficients are small; among the forms are copies of loops, constants and multiples, so that maps
have dependent rows, holes and diagonals. Lines that do not fit are dropped, as in
``harness.scripts``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from harness.scripts import any_move, extended
from loopstack.errors import ArgumentError, IllegalSchedule
from loopstack.ir.loop_tree import Loop, Tree
from loopstack.ir.program import Program
from loopstack.poly import legality
from loopstack.schedule.script import Schedule, build

Line = Callable[[st.DrawFn, Tree, int], str | None]
COEFFICIENTS = (0, 0, 0, 1, 1, -1, 2, -2, 3)


@st.composite
def mapped_scripts(
    draw: st.DrawFn, program: Program, most_commands: int = 6, legal: bool = True,
    lines: Sequence[Line] = (), others: bool = True,
) -> Schedule:  # fmt: skip
    """Draw a script with maps, fusions and, where wanted, ``others`` of any kind.

    ``lines`` may add kinds of lines.
    """
    schedule = Schedule.parse("schedule 1\n")
    tree = build(schedule, program)
    makers = (_map, _map, _fuse, _distribute, _tile, *((any_move,) * others), *lines)
    for number in range(draw(st.integers(0, most_commands))):
        line = draw(st.sampled_from(makers))(draw, tree, number)
        if line is None:
            continue
        try:
            longer, changed = extended(schedule, tree, line)
        except (ArgumentError, IllegalSchedule):
            continue
        if not legal or legality.check(changed) is None:
            schedule, tree = longer, changed
    return schedule


def _map(draw: st.DrawFn, tree: Tree, number: int) -> str:
    statement = draw(st.sampled_from(sorted(tree.leaves())))
    band = draw_band(draw, tree.path(statement))
    indices = [loop.name.rpartition(".")[2] for loop in band]
    loops = " ".join(loop.name for loop in band) or statement
    count = len(band) + draw(st.sampled_from((0, 0, 1, 1, 2)))
    names = [f"m{number}{'abcdefg'[n]}" for n in range(max(count, 1))]
    made = ", ".join(f"{name} = {draw_form(draw, indices)}" for name in names)
    return f"map {loops} -> {made}"


def draw_band(draw: st.DrawFn, path: Sequence[Loop]) -> Sequence[Loop]:
    """Draw loops directly inside each other, four at most."""
    if not path:
        return ()
    first = draw(st.integers(0, len(path) - 1))
    return path[first : draw(st.integers(first + 1, min(first + 4, len(path))))]


def draw_form(draw: st.DrawFn, indices: Sequence[str]) -> str:
    if indices and draw(st.booleans()):
        return draw(st.sampled_from(indices))
    factors = [draw(st.sampled_from(COEFFICIENTS)) for _ in indices]
    terms = [f"{c}*{i}" for c, i in zip(factors, indices) if c]
    return " + ".join([*terms, str(draw(st.sampled_from((0, 0, 1, -2))))])


def _tile(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    """Tile a band, along hyperplanes or in boxes."""
    if not tree.loops():
        return None
    statement = draw(st.sampled_from(sorted(s for s in tree.leaves() if tree.path(s))))
    band = draw_band(draw, tree.path(statement))
    indices = [loop.name.rpartition(".")[2] for loop in band]
    along = ""
    count = len(band)
    if draw(st.booleans()):
        count = draw(st.integers(1, len(band)))
        along = f" along {', '.join(draw_form(draw, indices) for _ in range(count))}"
    factors = " ".join(str(draw(st.sampled_from((1, 2, 3, 4)))) for _ in range(count))
    names = [f"t{number}{'abcdefgh'[n]}" for n in range(count + len(band))]
    return f"tile {' '.join(x.name for x in band)} {factors}{along} -> {', '.join(names)}"


def privatize(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    """Give a temporary copies at a loop above a statement that uses it."""
    temporaries = [a.name for a in tree.program.arrays if not a.is_argument]
    if not temporaries or not tree.loops():
        return None
    array = draw(st.sampled_from(temporaries))
    loop = draw(st.sampled_from(sorted(tree.loops())))
    name = f" -> p{number}" if draw(st.integers(0, 3)) == 0 else ""
    return f"privatize {array} at {loop}{name}"


def parallelize(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    return f"parallelize {draw(st.sampled_from(sorted(tree.loops())))}" if tree.loops() else None


def _fuse(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    """Fuse two sibling loops."""
    bodies = [tree.body, *(loop.body for loop in tree.loops().values())]
    siblings = [[n.name for n in body if isinstance(n, Loop)] for body in bodies]
    siblings = [names for names in siblings if len(names) > 1]
    if not siblings:
        return None
    names = draw(st.sampled_from(siblings))
    first = draw(st.integers(0, len(names) - 2))
    return f"fuse {names[first]} {names[first + 1]} shift={draw(st.sampled_from((0, 0, 1, -1)))}"


def _distribute(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    shared = [n for n, loop in tree.loops().items() if len(loop.body) > 1]
    return f"distribute {draw(st.sampled_from(shared))}" if shared else None
