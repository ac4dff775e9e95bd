"""Hypothesis: random legal schedule scripts for a program, one move at a time.

A move is a command, or a few that belong together (skew, then tile). Its loops are drawn from those
the tree has at that point; a move that does not fit (ArgumentError) or makes the tree illegal is
dropped, so scripts stay legal and interesting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from loopstack.errors import ArgumentError, IllegalSchedule
from loopstack.ir.affine import Affine
from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Tree
from loopstack.ir.program import Program
from loopstack.poly import legality
from loopstack.schedule.lookup import leaves_below
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
        move = any_move(draw, tree, number)
        if move is None:
            continue
        try:
            longer, changed = extended(schedule, tree, move)
        except (ArgumentError, IllegalSchedule):
            continue
        if not legal or legality.check(changed) is None:
            schedule, tree = longer, changed
    return schedule


def extended(schedule: Schedule, tree: Tree, move: str) -> tuple[Schedule, Tree]:
    """Return the script with the lines of a move, and the tree it makes. Raises ArgumentError."""
    for line in move.splitlines():
        schedule = schedule.append(line)
        tree = schedule.commands[-1].apply(tree)
    return schedule, tree


def any_move(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    loops = sorted(tree.loops())
    if not loops:
        return None
    make = draw(st.sampled_from(_MOVES))
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


def _fuse_shifted(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    fuse = _pair("fuse")(draw, tree, loops, number)
    return fuse and f"{fuse} shift={draw(st.integers(0, 3))}"


def _wrap(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    return f"wrap {draw(st.sampled_from(loops))} -> w{number}"


def _distribute(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str:
    loop = draw(st.sampled_from(loops))
    leaves = [leaf.statement for leaf in leaves_below(tree.loops()[loop].body)]
    order = draw(st.permutations(leaves))
    return f"distribute {loop} -> {', '.join(order)}"


def _expand(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    temporaries = sorted(a.name for a in tree.program.arrays if a.role == "temporary")
    if not temporaries:
        return None
    loop = tree.path(draw(st.sampled_from(loops)))
    outermost = draw(st.integers(0, len(loop) - 1))
    name = draw(st.sampled_from(("", f" -> X{number}")))
    places = " ".join(each.name for each in loop[outermost:])
    return f"expand {draw(st.sampled_from(temporaries))} at {places}{name}"


# ---- bands --------------------------------------------------------------------------------------
def _band(draw: st.DrawFn, tree: Tree, most: int = 3) -> list[str] | None:
    """Return two loops or more, each directly inside the one before."""
    path = tree.path(draw(st.sampled_from(sorted(tree.leaves()))))
    if len(path) < 2:
        return None
    first = draw(st.integers(0, len(path) - 2))
    count = draw(st.integers(2, min(most, len(path) - first)))
    return [loop.name for loop in path[first : first + count]]


def _skew(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    band = _band(draw, tree)
    return band and f"skew {band[-1]} {band[0]} {draw(st.sampled_from((1, 1, 2, -1, -2, 3)))}"


def _wavefront(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    band = _band(draw, tree, most=2)
    return band and f"wavefront {' '.join(band)} -> w{number}"


def _skewed_wavefront(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    band = _band(draw, tree, most=2)
    if band is None:
        return None
    factor = draw(st.integers(1, 2))
    return f"skew {band[1]} {band[0]} {factor}\nwavefront {' '.join(band)} -> w{number}"


def _tile(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    band = _band(draw, tree)
    return band and _tile_of(draw, band, number)


def _tile_of(draw: st.DrawFn, band: list[str], number: int) -> str:
    factors = " ".join(str(draw(st.sampled_from((1, 2, 3, 4, 5, 8)))) for _ in band)
    names = [f"{letter}{number}_{n}" for letter in "ti" for n in range(len(band))]
    tail = draw(st.sampled_from(TAILS))
    return f"tile {' '.join(band)} {factors} -> {', '.join(names)}{tail}"


def _skewed_tiles(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    band = _band(draw, tree)
    if band is None:
        return None
    skews = [f"skew {inner} {band[0]} {draw(st.integers(1, 2))}" for inner in band[1:]]
    return "\n".join([*skews, _tile_of(draw, band, number)])


def _map(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    """Draw a unimodular matrix as a product of skews, swaps and signs."""
    band = _band(draw, tree)
    if band is None:
        return None
    size = len(band)
    rows = [[int(row == column) for column in range(size)] for row in range(size)]
    for _ in range(draw(st.integers(1, 3))):
        to, source = draw(st.permutations(range(size)))[:2]
        factor = draw(st.sampled_from((-1, 1, 1, 2)))
        rows[to] = [a + factor * b for a, b in zip(rows[to], rows[source])]
    rows = list(draw(st.permutations(rows)))
    turned = draw(st.integers(0, 2 * size))  # mostly none
    if turned < size:
        rows[turned] = [-value for value in rows[turned]]
    names = [name.rpartition(".")[2] for name in band]
    made = [
        f"m{number}_{n} = {_form(row, names, draw(st.integers(-1, 2)))}"
        for n, row in enumerate(rows)
    ]
    return f"map {' '.join(band)} -> {', '.join(made)}"


def _form(factors: Sequence[int], names: Sequence[str], constant: int) -> str:
    return str(Affine.of(zip(names, factors), constant))


def _partition(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    statement = draw(st.sampled_from(sorted(tree.leaves())))
    path = [loop.name.rpartition(".")[2] for loop in tree.path(statement)]
    if not path:
        return None
    chosen = draw(st.permutations(path))[: draw(st.integers(1, 2))]
    right = Affine.of([(i, draw(st.sampled_from((-1, 1, 2)))) for i in chosen[1:]])
    right += draw(st.integers(-1, 6))
    factor = draw(st.sampled_from(("", "", "2*", "-1*")))
    relation = draw(st.sampled_from(("<", "<=", ">", ">=")))
    return f"partition {statement} where {factor}{chosen[0]} {relation} {right} -> R{number}"


def _decompose(draw: st.DrawFn, tree: Tree, loops: list[str], number: int) -> str | None:
    reductions = sorted(name for name, leaf in tree.leaves().items() if leaf.reduction)
    return f"decompose {draw(st.sampled_from(reductions))} -> D{number}" if reductions else None


_MOVES = (
    _split, _split, _split, _reorder, _reorder, _mark("vectorize"), _vectorize_innermost,
    _vectorize_innermost, _mark("unroll"), _mark("unroll_and_jam"), _mark("parallelize"),
    _mark("reverse"), _mark("distribute"), _pair("fuse"), _pair("fuse"), _pair("interchange"),
    _pair("join", names_a_loop=True),
    _prefetch, _stream, _pack, _pack, _stage, _stage, _compute_at, _rfactor, _shift, _inline,
    _fuse_shifted, _fuse_shifted, _wrap, _distribute, _expand, _skew, _skew, _wavefront,
    _skewed_wavefront, _tile, _tile, _skewed_tiles, _skewed_tiles, _map, _partition, _partition,
    _decompose, _decompose,
)  # fmt: skip
