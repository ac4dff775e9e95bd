"""Constant ranges of loops, and what constraints say about some of the loops alone.

Intervals settle boxes and tiles. Where they leave a loop open, as along the diagonals of a
wavefront, the other loops are eliminated exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loopstack.ir.affine import Affine, Atom
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Loop
from loopstack.poly.intervals import (
    INFINITE,
    UNBOUNDED,
    Interval,
    interval,
    is_finite,
    narrow,
    tighten,
)
from loopstack.poly.projection import eliminate


def loop_ranges(loops: Iterable[Loop], constraints: Iterable[Affine]) -> dict[str, Interval]:
    """Return the range of every loop above one leaf with these constraints."""
    extents = _extents(loops)
    constraints = tuple(constraints)
    ranges = tighten(extents, constraints)
    if all(map(is_finite, ranges.values())):
        return ranges
    ranges = tighten(ranges, _shadows(extents, ranges, constraints))
    if any(low > high for low, high in ranges.values()):  # no iteration: open loops are empty too
        return {name: box if is_finite(box) else (0, -1) for name, box in ranges.items()}
    return ranges


def _shadows(
    extents: dict[str, Interval], ranges: dict[str, Interval], constraints: tuple[Affine, ...]
) -> list[Affine]:
    """Return what the constraints say about each open loop alone."""
    known = [f for name, box in extents.items() if box != UNBOUNDED for f in _inside(name, box)]
    found: list[Affine] = []
    for name, box in ranges.items():
        if not is_finite(box):
            others = [other for other in ranges if other != name]
            found += eliminate([*constraints, *known], others).constraints
    return found


def _inside(name: str, box: Interval) -> tuple[Affine, Affine]:
    return form_of(name) - box[0], box[1] - form_of(name)


def box_ranges(loops: Iterable[Loop], constraints: Iterable[Affine]) -> dict[str, Interval]:
    """Return cheap ranges: from extents and from constraints on one loop alone."""
    ranges = _extents(loops)
    for form in constraints:
        if len(form.terms) == 1:
            narrow(form, ranges)
    return ranges


def _extents(loops: Iterable[Loop]) -> dict[str, Interval]:
    return {loop.name: UNBOUNDED if loop.extent is None else (0, loop.extent - 1) for loop in loops}


def relax(
    loops: Sequence[Loop], constraints: Sequence[Affine], kept: frozenset[str]
) -> tuple[Affine, ...]:
    """Return what ``constraints`` on ``loops`` say about the loops in ``kept``."""
    box: dict[str, Interval] = {}
    ranges: dict[str, Interval] = {}
    found: dict[Affine, None] = {}
    for form in constraints:
        names = form.names
        if names <= kept:
            found[form] = None
        elif not names.isdisjoint(kept):
            stays, goes = _part(form, kept)
            box = box or box_ranges(loops, constraints)
            highest = interval(goes, box)[1]
            if highest >= INFINITE:
                ranges = ranges or loop_ranges(loops, constraints)
                highest = interval(goes, ranges)[1]
            if highest < INFINITE and stays.terms:
                found[stays + highest] = None
    return tuple(found)


def _part(form: Affine, kept: frozenset[str]) -> tuple[Affine, Affine]:
    """Cut a form into what is over ``kept`` names (the constant too) and the rest."""
    stays = Affine(tuple((a, c) for a, c in form.terms if atom_names(a) <= kept), form.const)
    return stays, form - stays


def atom_names(atom: Atom) -> frozenset[str]:
    return frozenset((atom,)) if isinstance(atom, str) else atom.numerator.names
