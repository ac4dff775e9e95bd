"""Hypothesis: random affine programs: nests in nests, triangles, bands, strided subscripts.

Loops run between constants and outer indices. Subscripts mix indices, so that dependences are
uniform, skewed, or none that a distance describes. Few arrays, so that most statements depend.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from loopstack.ir.affine import Affine, affine, name
from loopstack.ir.expr import Expr, Load, Op
from loopstack.ir.program import Access, Array, Program, Reduction, Statement

INDICES = ("i", "j", "k")
OFFSET, WIDTH = 16, 64
"""Added to every subscript, which keeps it inside; how long arrays are."""


@dataclass(frozen=True)
class _Around:
    """Loops that a body stands in, with their conditions and its position below each."""

    indices: tuple[str, ...] = ()
    conditions: tuple[Affine, ...] = ()
    order: tuple[int, ...] = ()


@st.composite
def affine_programs(draw: st.DrawFn, most_statements: int = 3) -> Program:
    """Draw a program with integer sizes; it has at least one statement."""
    count = draw(st.integers(1, most_statements))
    found = list(_body(draw, _Around(), count))
    statements = tuple(_statement(draw, n, around) for n, around in enumerate(found))
    length = affine(WIDTH)
    arrays = (
        Array("A", "f64", (length, length), "inout"),
        Array("B", "f64", (length,), "inout"),
    )
    return Program("random_affine", (), arrays, statements, draw(st.booleans()))


def _body(draw: st.DrawFn, around: _Around, count: int) -> Iterator[_Around]:
    """Yield where ``count`` statements stand, in the order of the text."""
    position = 0
    while count:
        here = draw(st.integers(1, count))
        count -= here
        below = _Around(around.indices, around.conditions, (*around.order, position))
        is_leaf = len(around.indices) == len(INDICES) or (around.indices and draw(st.booleans()))
        if is_leaf:
            count += here - 1
            yield below
        else:
            yield from _body(draw, _loop(draw, below), here)
        position += 1


def _loop(draw: st.DrawFn, around: _Around) -> _Around:
    index = INDICES[len(around.indices)]
    least, most = _bound(draw, around.indices, 0), _bound(draw, around.indices, 4)
    limits = (name(index) - least, most - name(index))
    if around.indices:  # a bound by an outer index alone may reach too far
        limits = (*limits, name(index) + 4, affine(6) - name(index))
    return _Around((*around.indices, index), (*around.conditions, *limits), around.order)


def _bound(draw: st.DrawFn, indices: Sequence[str], constant: int) -> Affine:
    if indices and draw(st.booleans()):
        outer = name(draw(st.sampled_from(indices)))
        return outer * draw(st.sampled_from((1, 1, -1, 2))) + draw(st.integers(-1, 2))
    return affine(constant + draw(st.integers(-1, 1)))


def _statement(draw: st.DrawFn, number: int, around: _Around) -> Statement:
    write = _access(draw, around.indices)
    reads: list[Expr] = [_load(draw, around.indices) for _ in range(draw(st.integers(1, 2)))]
    expr = reads[0] if len(reads) == 1 else Op("add", tuple(reads), "f64")
    is_sum = draw(st.integers(0, 2)) == 0
    reduction = Reduction(draw(st.sampled_from(("sum", "max"))), "existing") if is_sum else None
    return Statement(
        f"S{number}", around.indices, around.conditions, write, expr, reduction, around.order
    )


def _access(draw: st.DrawFn, indices: Sequence[str]) -> Access:
    array = draw(st.sampled_from("AB"))
    return Access(array, tuple(_subscript(draw, indices) for _ in range(2 if array == "A" else 1)))


def _load(draw: st.DrawFn, indices: Sequence[str]) -> Expr:
    access = _access(draw, indices)
    return Load(access.array, access.subscripts, "f64")


def _subscript(draw: st.DrawFn, indices: Sequence[str]) -> Affine:
    """Draw an index and a constant, most of the time; else two indices, or none."""
    form = affine(OFFSET + draw(st.sampled_from((0, 0, 0, 1, -1))))
    for _ in range(draw(st.sampled_from((0, 1, 1, 1, 1, 2)))):
        form += name(draw(st.sampled_from(indices))) * draw(st.sampled_from((1, 1, 1, -1, 2)))
    return form
