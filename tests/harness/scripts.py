"""Hypothesis: random legal schedule scripts for a program, one command at a time.

Every candidate line is drawn from the loops the tree has at that point; a line that does not fit
(ArgumentError) or makes the tree illegal is dropped, so scripts stay legal and interesting.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from loopstack.errors import ArgumentError, IllegalSchedule
from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Tree
from loopstack.ir.program import Program
from loopstack.poly import legality
from loopstack.schedule.script import Schedule, build

FACTORS = (1, 2, 3, 4, 5, 6, 8, 16, 32, 100)
TAILS = ("", "", " tail=mask", " tail=peel", " tail=guard", " tail=shift_inwards")


@st.composite
def random_scripts(
    draw: st.DrawFn, program: Program, most_commands: int = 9, legal: bool = True
) -> Schedule:
    """Draw a script for a program with integer sizes; a legal one, unless ``legal`` is False."""
    schedule = Schedule.parse("schedule 1\n")
    tree = build(schedule, program)
    for number in range(draw(st.integers(0, most_commands))):
        line = _line(draw, tree, number)
        if line is None:
            continue
        try:
            longer = schedule.append(line)
            changed = build(longer, program)
        except (ArgumentError, IllegalSchedule):
            continue
        if not legal or legality.check(changed) is None:
            schedule, tree = longer, changed
    return schedule


def _line(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    loops = sorted(tree.loops())
    if not loops:
        return None
    make = draw(st.sampled_from(_LINES))
    return make(draw, tree, loops, number)


def _split(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    factor, tail = draw(st.sampled_from(FACTORS)), draw(st.sampled_from(TAILS))
    return f"split {draw(st.sampled_from(loops))} {factor} -> o{number}, v{number}{tail}"


def _reorder(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    statement = draw(st.sampled_from(sorted(tree.leaves())))
    path = [loop.name.rpartition(".")[2] for loop in tree.path(statement)]
    if len(path) < 2 or len(set(path)) < len(path):
        return None
    count = draw(st.integers(2, len(path)))
    return f"reorder {statement} {' '.join(draw(st.permutations(path))[:count])}"


def _mark(keyword: str) -> Callable[..., str]:
    def make(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
        return f"{keyword} {draw(st.sampled_from(loops))}"

    return make


def _vectorize_innermost(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    inner = [
        n for n, loop in tree.loops().items() if not any(isinstance(b, Loop) for b in loop.body)
    ]
    return f"vectorize {draw(st.sampled_from(sorted(inner)))}"


def _pair(keyword: str, names_a_loop: bool = False) -> Callable[..., str | None]:
    def make(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
        first, second = draw(st.permutations(loops))[:2] if len(loops) > 1 else (None, None)
        result = f" -> j{number}" if names_a_loop else ""
        return f"{keyword} {first} {second}{result}" if second else None

    return make


def _pack(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    leaf = draw(st.sampled_from([n for n in tree.walk() if isinstance(n, Leaf)]))
    path = tree.path(leaf.statement)
    read = sorted({load.array for load in loads(leaf.expr)})
    if not read or not path:
        return None
    level = draw(st.integers(0, len(path) - 1))
    place = path[level].name if draw(st.booleans()) else f"{leaf.statement}.root"
    inside = path[level + 1 :] if not place.endswith(".root") else path
    dims = [loop.name.rpartition(".")[2] for loop in inside]
    if not dims:
        return None
    chosen = draw(st.permutations(dims))[: draw(st.integers(1, len(dims)))]
    pad = draw(st.sampled_from(("", " pad=0")))
    array = draw(st.sampled_from(read))
    return f"pack {array} at {place} as P{number}[{', '.join(chosen)}]{pad}"


def _stage(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    array = draw(st.sampled_from(sorted({leaf.write.array for leaf in tree.leaves().values()})))
    space = draw(st.sampled_from((" in registers", " in local")))
    return f"stage {array} at {draw(st.sampled_from(loops))}{space}"


def _prefetch(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    array = draw(st.sampled_from(sorted(a.name for a in tree.program.arrays)))
    ahead = draw(st.sampled_from(("", " ahead=1", " ahead=3")))
    return f"prefetch {array} at {draw(st.sampled_from(loops))}{ahead}"


def _stream(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    return f"stream {draw(st.sampled_from(sorted(a.name for a in tree.program.arrays)))}"


def _compute_at(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    statement = draw(st.sampled_from(sorted(tree.leaves())))
    return f"compute_at {statement} {draw(st.sampled_from(loops))}"


def _rfactor(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    return f"rfactor {draw(st.sampled_from(loops))} -> R{number}"


def _shift(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    return f"shift {draw(st.sampled_from(loops))} {draw(st.integers(-2, 3))}"


def _inline(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    return f"inline {draw(st.sampled_from(sorted(tree.leaves())))}"


_LINES = (
    _split, _split, _split, _reorder, _reorder, _mark("vectorize"), _vectorize_innermost,
    _vectorize_innermost, _mark("unroll"), _mark("unroll_and_jam"), _mark("parallelize"),
    _mark("reverse"), _mark("distribute"), _pair("fuse"), _pair("fuse"), _pair("interchange"),
    _pair("join", names_a_loop=True),
    _prefetch, _stream, _pack, _pack, _stage, _stage, _compute_at, _rfactor, _shift, _inline,
)  # fmt: skip
