"""Loop bounds from leaf constraints and tile extents.

A constraint ``g >= 0`` is enforced exactly at the deepest loop it mentions. Loops further out get
the bound that remains when deeper loops take their most favourable value: a relaxation, so outer
loops may run an iteration whose inner loops are empty, never too few. For boxes it is exact.

Input: a Tree. Output: ``For`` loops around the same leaves, and the range of every loop.
Leaves that share a loop and disagree about its bounds are run under the hull of both, each behind
an ``If`` of its own constraints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopstack.ir.affine import Affine
from loopstack.ir.loop_tree import Leaf, Loop, Node, Prefetch
from loopstack.lower.intervals import UNKNOWN, Interval, Ranges, interval, is_finite
from loopstack.poly.ranges import loop_ranges as loop_ranges_of

Forms = tuple[Affine, ...]


@dataclass(frozen=True)
class Bounds:
    lowers: Forms
    uppers: Forms


def leaves_below(node: Node) -> list[Leaf]:
    if isinstance(node, Leaf):
        return [node]
    if isinstance(node, Loop):
        return [leaf for child in node.body for leaf in leaves_below(child)]
    return []


def loop_ranges(body: Sequence[Node]) -> dict[str, Interval]:
    """Return the inclusive range of every loop: tile loops by extent, others by constraints."""
    ranges: dict[str, Interval] = {}
    for node in body:
        _collect_ranges(node, (), ranges)
    return ranges


def _collect_ranges(node: Node, path: tuple[Loop, ...], ranges: dict[str, Interval]) -> None:
    if isinstance(node, Loop):
        for child in node.body:
            _collect_ranges(child, (*path, node), ranges)
    elif isinstance(node, Leaf):
        for name, found in _leaf_ranges(node, path).items():
            known = ranges.get(name, found)
            ranges[name] = (min(known[0], found[0]), max(known[1], found[1]))
    elif isinstance(node, Prefetch):  # its own loops have no leaf, but an extent
        for loop in path:
            if loop.extent is not None:
                ranges.setdefault(loop.name, (0, loop.extent - 1))


def _leaf_ranges(leaf: Leaf, path: tuple[Loop, ...]) -> dict[str, Interval]:
    ranges = {l.name: UNKNOWN if l.extent is None else (0, l.extent - 1) for l in path}
    tiles = frozenset(l.name for l in path if l.extent is not None)
    for _ in range(2):  # the second round uses ranges of deeper loops found in the first
        for form in leaf.constraints:
            for atom, factor in form.terms:
                if atom in ranges and atom not in tiles:
                    _tighten(form, atom, factor, ranges)  # type: ignore[arg-type]
    if all(map(is_finite, ranges.values())):
        return ranges
    found = loop_ranges_of(path, leaf.constraints)
    return {name: ranges[name] if name in tiles else box for name, box in found.items()}


def _tighten(form: Affine, loop: str, factor: int, ranges: dict[str, Interval]) -> None:
    """Use ``form >= 0`` on the range of ``loop``."""
    rest = form.const
    for atom, coefficient in form.terms:
        if atom == loop:
            continue
        low, high = ranges.get(atom) or interval(Affine(((atom, 1),)), ranges)  # type: ignore[arg-type]
        rest += coefficient * (high if coefficient > 0 else low)
    low, high = ranges[loop]
    if factor > 0:
        low = max(low, -(rest // factor))
    else:
        high = min(high, rest // -factor)
    ranges[loop] = (low, high)


def bounds_for_leaf(loop: Loop, leaf: Leaf, outer: frozenset[str], ranges: Ranges) -> Bounds:
    """Return this loop's bounds as ``leaf`` wants them, in terms of the loops in ``outer``."""
    lowers: list[Affine] = []
    uppers: list[Affine] = []
    if loop.extent is not None:
        lowers.append(Affine())
        uppers.append(Affine((), loop.extent))
    for form in leaf.constraints:
        factor = form.coefficient(loop.name)
        if factor == 0:
            continue
        rest = relax(form - Affine(((loop.name, factor),)), outer, ranges)
        if factor > 0:
            lowers.append((factor - 1 - rest) // factor)
        elif not _always_full(upper := (rest - factor) // -factor, loop.extent):
            uppers.append(upper)
    return Bounds(_prune(lowers, ranges, keep_largest=True), _prune(uppers, ranges, keep_largest=False))


def _always_full(upper: Affine, extent: int | None) -> bool:
    """A tile loop whose rest comes in whole tiles: what is left, at least 1, is then a full tile."""
    if extent is None or upper.is_constant:
        return False
    return upper.const % extent == 0 and all(c % extent == 0 for _, c in upper.terms)


def relax(form: Affine, outer: frozenset[str], ranges: Ranges) -> Affine:
    """Replace loops that are not in ``outer`` by the value that makes the form largest."""
    if form.names <= outer:
        return form
    kept = [(a, c) for a, c in form.terms if _names(a) <= outer]
    free = Affine(tuple((a, c) for a, c in form.terms if not _names(a) <= outer))
    return Affine.of(kept, form.const) + interval(free, ranges)[1]


def _names(atom: object) -> frozenset[str]:
    return frozenset((atom,)) if isinstance(atom, str) else atom.numerator.names  # type: ignore[attr-defined]


def _prune(forms: list[Affine], ranges: Ranges, keep_largest: bool) -> Forms:
    """Drop bounds that another one always implies; constants first, then text order."""
    if len(forms) < 2:
        return tuple(forms)
    unique = list(dict.fromkeys(forms))
    kept: list[Affine] = []
    for i, form in enumerate(unique):
        rivals = kept + unique[i + 1 :]
        if not any(_implies(rival, form, ranges, keep_largest) for rival in rivals):
            kept.append(form)
    return tuple(sorted(kept, key=lambda f: not f.is_constant))


def _implies(rival: Affine, form: Affine, ranges: Ranges, keep_largest: bool) -> bool:
    gap = interval(rival - form if keep_largest else form - rival, ranges)
    return gap[0] >= 0


def shared_bounds(loop: Loop, leaves: list[Leaf], outer: frozenset[str], ranges: Ranges) -> Bounds:
    """Return bounds that cover every leaf below ``loop``."""
    wanted = list(dict.fromkeys(bounds_for_leaf(loop, leaf, outer, ranges) for leaf in leaves))
    if len(wanted) == 1:
        return wanted[0]
    low, high = ranges[loop.name]
    assert is_finite((low, high)), loop.name
    return Bounds((Affine((), low),), (Affine((), high + 1),))


def missing_guards(leaf: Leaf, path: Sequence[tuple[Loop, Bounds]], ranges: Ranges) -> Forms:
    """Return the leaf's constraints that the bounds of the loops above do not already enforce."""
    guards = []
    for form in leaf.constraints:
        deepest = next((i for i in reversed(range(len(path))) if path[i][0].name in form.names), None)
        if interval(form, ranges)[0] >= 0:
            continue
        if deepest is None or not _enforced(form, deepest, path, ranges):
            guards.append(form)
    return tuple(guards)


def _enforced(form: Affine, deepest: int, path: Sequence[tuple[Loop, Bounds]], ranges: Ranges) -> bool:
    loop, bounds = path[deepest]
    factor = form.coefficient(loop.name)
    rest = form - Affine(((loop.name, factor),))
    if factor == 0 or loop.name in rest.names:
        return False
    own = {l.name: ranges[l.name] for l, _ in path[:deepest]}
    if factor > 0:
        needed = (factor - 1 - rest) // factor
        return any(_implies(have, needed, own, True) for have in bounds.lowers)
    needed = (rest - factor) // -factor
    return any(_implies(have, needed, own, False) for have in bounds.uppers)
