"""Fold temporaries to what is live at once, and give every buffer a place in a workspace.

A temporary whose every access sits below common loops, and uses them alike, needs only the box
that one iteration of those loops touches:  ``e[i, j]`` below a common ``i`` becomes ``e[j]``.
Requires that one iteration writes every element it reads, checked on boxes. Below a parallel
common loop the buffer is private to a thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from loopstack.ir.affine import ZERO, Affine
from loopstack.ir.expr import ITEM_SIZE_BYTES, Expr, Load, rewrite, walk as walk_expr
from loopstack.ir.program import Access, Array
from loopstack.lower.intervals import Interval, Ranges, interval
from loopstack.lower.nest import Assign, For, LaneFold, NestArray, NestNode, Touch, edit, walk

Subscripts = tuple[Affine, ...]


@dataclass(frozen=True)
class Use:
    """One access of a temporary and the loops above it."""

    subscripts: Subscripts
    path: tuple[For, ...]
    is_write: bool


def collect_uses(body: tuple[NestNode, ...], names: frozenset[str]) -> dict[str, list[Use]]:
    uses: dict[str, list[Use]] = defaultdict(list)
    for node, path in walk(body):
        if isinstance(node, Assign):
            if node.target.array in names:
                uses[node.target.array].append(Use(node.target.subscripts, path, True))
            for load in _loads(node.expr):
                if load.array in names:
                    uses[load.array].append(Use(load.subscripts, path, False))
    return uses


def _loads(expr: Expr) -> Iterator[Load]:
    return (n for n in walk_expr(expr) if isinstance(n, Load))


@dataclass(frozen=True)
class Folding:
    """What replaces a temporary: subscripts lose ``common`` loops and are shifted by ``origin``."""

    array: Array
    common: frozenset[str]
    origin: tuple[int, ...]
    shape: tuple[int, ...]
    private: bool


def _local(form: Affine, common: frozenset[str]) -> Affine:
    """Return the part of ``form`` that does not come from the common loops."""
    return Affine(tuple((a, c) for a, c in form.terms if a not in common), form.const)


def fold(array: Array, uses: list[Use], ranges: Ranges) -> Folding:
    """Return the smallest storage that serves all uses."""
    shared = _common_path([use.path for use in uses])
    private = any(loop.kind == "parallel" for loop in shared)
    common = frozenset(loop.name for loop in shared)
    boxes = _local_boxes(array.shape, uses, common, ranges)
    if boxes is None:
        assert not private, f"{array.name} carries values between parallel iterations"
        shape = tuple(extent.const for extent in array.shape)
        return Folding(array, frozenset(), (0,) * len(shape), shape, False)
    origin = tuple(low for low, _ in boxes)
    shape = tuple(max(high - low + 1, 0) for low, high in boxes)
    return Folding(array, common, origin, shape, private)


def _common_path(paths: list[tuple[For, ...]]) -> tuple[For, ...]:
    common: list[For] = []
    for level in zip(*paths):
        if any(loop is not level[0] for loop in level):
            break
        common.append(level[0])
    return tuple(common)


def _local_boxes(
    shape: Subscripts, uses: list[Use], common: frozenset[str], ranges: Ranges
) -> list[Interval] | None:
    """Return the box one common iteration touches, or None when it may read another's elements."""
    boxes: list[Interval] = []
    for extent, dimension in zip(shape, zip(*(use.subscripts for use in uses))):
        outer = {form - _local(form, common) for form in dimension}
        mixed = any(not isinstance(a, str) and not a.numerator.names.isdisjoint(common)
                    for form in dimension for a, _ in form.terms)  # fmt: skip
        if len(outer) > 1 or mixed:
            return None
        spans = [interval(_local(form, common), ranges) for form in dimension]
        if outer == {ZERO}:  # nothing is dropped, and no access leaves the array
            spans = [(max(low, 0), min(high, extent.const - 1)) for low, high in spans]
        written = [s for s, use in zip(spans, uses) if use.is_write]
        low, high = min(s[0] for s in written), max(s[1] for s in written)
        if any(s[0] < low or s[1] > high for s in spans):
            return None
        boxes.append((low, high))
    return boxes


# ---- placement ----------------------------------------------------------------------------------
ALIGN = 64


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return element strides of a dense row-major array."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


def place_buffers(foldings: list[Folding], aligns: dict[str, int]) -> tuple[list[NestArray], int, int]:
    """Return workspace arrays and the bytes of the shared and the private workspace."""
    sizes = {False: 0, True: 0}
    arrays = []
    for folding in foldings:
        align = max(aligns.get(folding.array.name, ALIGN), ALIGN)
        offset = -(-sizes[folding.private] // align) * align
        space = "private" if folding.private else "shared"
        dtype = folding.array.dtype
        arrays.append(
            NestArray(folding.array.name, dtype, space, offset, folding.shape, row_major(folding.shape))  # type: ignore[arg-type]
        )
        count = 1
        for extent in folding.shape:
            count *= extent
        sizes[folding.private] = offset + count * ITEM_SIZE_BYTES[dtype]
    return arrays, _round_up(sizes[False]), _round_up(sizes[True])


def _round_up(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
