"""Hypothesis: lines that change bands of loops: tiles, skews, wavefronts, shifts, partitions.

They extend the lines of ``harness.maps``. Factors are small, so that tiny domains have several
tiles, partial ones, and diagonals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from loopstack.ir.loop_tree import Loop, Tree

Line = Callable[[st.DrawFn, Tree, int], str | None]


def _band(draw: st.DrawFn, tree: Tree, most: int = 3) -> Sequence[Loop]:
    """Draw loops of a perfect nest, outermost first; a single one where there is no nest."""
    start = draw(st.sampled_from(sorted(tree.loops())))
    loop = tree.loops()[start]
    band = [loop]
    while len(band) < most and len(loop.body) == 1 and isinstance(loop.body[0], Loop):
        loop = loop.body[0]
        band.append(loop)
    return band[: draw(st.integers(1, len(band)))]


def _index(loop: Loop) -> str:
    return loop.name.rpartition(".")[2]


def _tile(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    if not tree.loops():
        return None
    band = _band(draw, tree)
    factors = " ".join(str(draw(st.integers(1, 3))) for _ in band)
    made = [f"{_index(loop)}{letter}{number}" for letter in "oi" for loop in band]
    return f"tile {' '.join(p.name for p in band)} {factors} -> {', '.join(made)}"


def _skew(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    band = _band(draw, tree) if tree.loops() else ()
    if len(band) < 2:
        return None
    return f"skew {band[-1].name} {band[0].name} {draw(st.sampled_from((1, 1, 2, -1)))}"


def _wavefront(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    band = _band(draw, tree, 2) if tree.loops() else ()
    return f"wavefront {band[0].name} {band[1].name} -> w{number}" if len(band) == 2 else None


def _shift(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    if not tree.loops():
        return None
    return f"shift {draw(st.sampled_from(sorted(tree.loops())))} {draw(st.integers(-2, 2))}"


def _swap(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    band = _band(draw, tree) if tree.loops() else ()
    return f"interchange {band[0].name} {band[-1].name}" if len(band) > 1 else None


def _partition(draw: st.DrawFn, tree: Tree, number: int) -> str | None:
    statement = draw(st.sampled_from(sorted(tree.leaves())))
    path = tree.path(statement)
    if not path:
        return None
    loop = _index(draw(st.sampled_from(path)))
    other = draw(st.sampled_from((None, *map(_index, path))))
    right = str(draw(st.integers(0, 3))) if other in (None, loop) else f"2*{other} + 1"
    return f"partition {statement} where {loop} < {right} -> part{number}"


LINES: tuple[Line, ...] = (
    _tile, _tile, _skew, _skew, _wavefront, _shift, _swap, _swap, _partition,
)  # fmt: skip
