"""Fold temporaries to what is live at once, and give every buffer a place in a workspace.

A temporary whose every access sits below common loops, and uses them alike, needs only the box
that one iteration of those loops touches:  ``e[i, j]`` below a common ``i`` becomes ``e[j]``.
Requires that one iteration reads nothing that another one wrote into an element it drops. Below a
parallel common loop the buffer is private to a thread.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from loopstack.ir.affine import ZERO, Affine
from loopstack.ir.expr import ITEM_SIZE_BYTES, Load
from loopstack.ir.expr import walk as walk_expr
from loopstack.ir.program import Array
from loopstack.lower.intervals import Interval, Ranges, interval
from loopstack.lower.nest import Assign, For, If, NestArray, NestNode

Subscripts = tuple[Affine, ...]


@dataclass(frozen=True)
class Use:
    """One access of a temporary, the loops above it and the tests it stands behind."""

    subscripts: Subscripts
    path: tuple[For, ...]
    tests: tuple[int, ...]
    is_write: bool


def collect_uses(body: tuple[NestNode, ...], names: frozenset[str]) -> dict[str, list[Use]]:
    """Return the uses of each array in text order; in one assignment, reads come first."""
    uses: dict[str, list[Use]] = defaultdict(list)
    _collect(body, (), (), names, uses)
    return uses


def _collect(
    nodes: tuple[NestNode, ...], path: tuple[For, ...], tests: tuple[int, ...],
    names: frozenset[str], uses: dict[str, list[Use]],
) -> None:  # fmt: skip
    for node in nodes:
        if isinstance(node, For):
            _collect(node.body, (*path, node), tests, names, uses)
        elif isinstance(node, If):
            _collect(node.then, path, (*tests, id(node.then)), names, uses)
            _collect(node.orelse, path, (*tests, id(node.orelse)), names, uses)
        elif isinstance(node, Assign):
            for load in walk_expr(node.expr):
                if isinstance(load, Load) and load.array in names:
                    uses[load.array].append(Use(load.subscripts, path, tests, False))
            if node.target.array in names:
                uses[node.target.array].append(Use(node.target.subscripts, path, tests, True))


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


def fold(array: Array, uses: list[Use], ranges: Ranges, scope: str | None = None) -> Folding:
    """Return the smallest storage that serves all uses.

    ``scope`` is the loop once per iteration of which a buffer is filled. Storage that one iteration
    of a parallel loop fills and reads is private to a thread. Where no common loop can be dropped,
    all elements stay: in a legal tree, no two iterations of a parallel loop share one of them.
    """
    shared = _common_path([use.path for use in uses])
    names = [loop.name for loop in shared]
    least = names.index(scope) + 1 if scope in names else 0
    for depth in range(len(shared), least - 1, -1):
        boxes = _local_boxes(array.shape, uses, shared[:depth], least, ranges)
        if boxes is not None:
            common = _droppable(shared[:depth])
            origin = tuple(low for low, _ in boxes)
            shape = tuple(max(high - low + 1, 0) for low, high in boxes)
            return Folding(array, common, origin, shape, _has_parallel(shared[:depth]))
    shape = tuple(extent.const for extent in array.shape)
    return Folding(array, frozenset(), (0,) * len(shape), shape, _has_parallel(shared[:least]))


def _has_parallel(loops: tuple[For, ...]) -> bool:
    return any(loop.kind == "parallel" for loop in loops)


def _droppable(shared: tuple[For, ...]) -> frozenset[str]:
    """Return the loops that storage need not tell apart; lanes run at once, each needs its own."""
    return frozenset([loop.name for loop in shared if loop.kind != "vector"])


def _common_path(paths: list[tuple[For, ...]]) -> tuple[For, ...]:
    common: list[For] = []
    for level in zip(*paths):
        if any(loop is not level[0] for loop in level):
            break
        common.append(level[0])
    return tuple(common)


def _local_boxes(
    shape: Subscripts, uses: list[Use], shared: tuple[For, ...], scope: int, ranges: Ranges
) -> list[Interval] | None:
    """Return the box one common iteration touches, or None when it may read another's elements.

    No values pass between iterations of the first ``scope`` loops.
    """
    common = _droppable(shared)
    boxes: list[Interval] = []
    dropped: list[Affine] = []
    for extent, dimension in zip(shape, zip(*(use.subscripts for use in uses))):
        outer = {form - _local(form, common) for form in dimension}
        mixed = any(not isinstance(a, str) and not a.numerator.names.isdisjoint(common)
                    for form in dimension for a, _ in form.terms)  # fmt: skip
        if len(outer) > 1 or mixed:
            return None
        spans = [interval(_local(form, common), ranges) for form in dimension]
        if outer == {ZERO}:  # nothing is dropped, and no access leaves the array
            spans = [(max(low, 0), min(high, extent.const - 1)) for low, high in spans]
        written = [s for s, use in zip(spans, uses) if use.is_write] or [(0, extent.const - 1)]
        low, high = min(s[0] for s in written), max(s[1] for s in written)
        if any(s[0] < low or s[1] > high for s in spans):
            return None
        boxes.append((low, high))
        dropped.append(outer.pop())
    alone = _outlives_no_other(dropped, boxes, shared, scope, ranges)
    return boxes if alone or _fills_before_reading(uses, common, ranges) else None


# ---- may an iteration drop what others wrote? ---------------------------------------------------
def _outlives_no_other(
    dropped: list[Affine], boxes: list[Interval], shared: tuple[For, ...], scope: int,
    ranges: Ranges,
) -> bool:  # fmt: skip
    """Prove that the iterations which touch an element follow one another, on one thread.

    They agree in the dropped loops (read as digits, leading ones first), and no loop around a
    dropped or a parallel one comes back to it with the value: the next time a parallel loop runs,
    another thread may run the iteration. A parallel loop carries no values in any case.
    """
    forced: set[str] = set()
    for form, (low, high) in zip(dropped, boxes):
        room = high - low
        for loop, factor in sorted(form.terms, key=lambda term: abs(term[1])):
            if not isinstance(loop, str) or room >= abs(factor):
                break
            forced.add(loop)
            first, last = ranges[loop]
            room += abs(factor) * (last - first)
    names = frozenset().union(*(form.names for form in dropped))
    if not names <= forced:
        return False
    tied = [n for n, loop in enumerate(shared) if loop.name in names or loop.kind == "parallel"]
    return all(
        loop.name in names or loop.kind == "parallel" or loop.trip_count == 1
        for loop in shared[scope : max(tied, default=0)]
    )


def _fills_before_reading(uses: list[Use], common: frozenset[str], ranges: Ranges) -> bool:
    """Prove that each common iteration writes what it reads, and does so first."""
    filled: list[tuple[Use, list[Interval]]] = []
    for use in uses:
        spans = [interval(_local(form, common), ranges) for form in use.subscripts]
        if use.is_write:
            if _is_dense(use, common):
                filled.append((use, spans))
        elif not any(
            set(write.tests) <= set(use.tests)
            and all(w[0] <= r[0] and r[1] <= w[1] for w, r in zip(box, spans))
            for write, box in filled
        ):
            return False
    return True


def _is_dense(use: Use, common: frozenset[str]) -> bool:
    """Tell whether a write fills its whole box in every common iteration."""
    below = [loop for loop in use.path if loop.name not in common]
    if any(not loop.trip_count for loop in below):
        return False
    walked = [_local(form, common).terms for form in use.subscripts]
    loops = [terms[0][0] for terms in walked if terms]
    return len(set(loops)) == len(loops) and all(
        not terms or (len(terms) == 1 and abs(terms[0][1]) == 1 and isinstance(terms[0][0], str))
        for terms in walked
    )


# ---- placement ----------------------------------------------------------------------------------
ALIGN = 64


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return element strides of a dense row-major array."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


def place_buffers(
    foldings: list[Folding], aligns: dict[str, int]
) -> tuple[list[NestArray], int, int]:
    """Return workspace arrays and the bytes of the shared and the private workspace."""
    sizes = {False: 0, True: 0}
    arrays = []
    for folding in foldings:
        align = max(aligns.get(folding.array.name, ALIGN), ALIGN)
        offset = -(-sizes[folding.private] // align) * align
        space = "private" if folding.private else "shared"
        dtype = folding.array.dtype
        arrays.append(
            NestArray(
                folding.array.name,
                dtype,
                space,  # type: ignore[arg-type]
                offset,
                folding.shape,
                row_major(folding.shape),
            )
        )
        count = 1
        for extent in folding.shape:
            count *= extent
        sizes[folding.private] = offset + count * ITEM_SIZE_BYTES[dtype]
    return arrays, _round_up(sizes[False]), _round_up(sizes[True])


def _round_up(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
