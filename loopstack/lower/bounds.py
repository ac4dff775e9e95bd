"""Loop bounds from leaf constraints and tile extents.

A constraint ``g >= 0`` is enforced exactly at the deepest loop it mentions. Loops further out get
the bound that remains when deeper loops take their most favourable value: a relaxation, so outer
loops may run an iteration whose inner loops are empty, never too few. For boxes it is exact.

Input: a Tree. Output: ``For`` loops around the same leaves, and the range of every loop.
Leaves that share a loop and disagree about its bounds are run under bounds that all of them imply,
each behind an ``If`` of its own constraints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine, Atom
from loopstack.ir.loop_tree import Leaf, Loop, Node, Prefetch
from loopstack.lower.intervals import INFINITE, UNKNOWN, Interval, Ranges, interval, is_finite
from loopstack.poly.ranges import loop_ranges as loop_ranges_of
from loopstack.poly.results import couples, reduction_loops, results_of, starts_anew

Forms = tuple[Affine, ...]


@dataclass(frozen=True)
class Bounds:
    lowers: Forms
    uppers: Forms


def leaves_below(node: Node) -> list[Leaf]:
    found: list[Leaf] = []
    _collect_leaves(node, found)
    return found


def _collect_leaves(node: Node, found: list[Leaf]) -> None:
    if isinstance(node, Loop):
        for child in node.body:
            _collect_leaves(child, found)
    elif isinstance(node, Leaf):
        found.append(node)


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
    ranges = {x.name: UNKNOWN if x.extent is None else (0, x.extent - 1) for x in path}
    tiles = frozenset(loop.name for loop in path if loop.extent is not None)
    for _ in range(2):  # the second round uses ranges of deeper loops found in the first
        for form in leaf.constraints:
            for atom, factor in form.terms:
                if atom in ranges and atom not in tiles:
                    _tighten(form, atom, factor, ranges)
    if not all(map(is_finite, ranges.values())):
        found = loop_ranges_of(path, leaf.constraints)
        ranges = {name: ranges[name] if name in tiles else box for name, box in found.items()}
    if may_lack_terms(leaf, path):
        _add_results(leaf, path, ranges)
    return ranges


def may_lack_terms(leaf: Leaf, path: Sequence[Loop]) -> bool:
    """Tell whether results of a reduction that starts anew may have no terms."""
    if not starts_anew(leaf):
        return False
    reducing = reduction_loops(leaf, path)
    return couples(leaf, reducing, [loop.name for loop in path if loop.name not in reducing])


def _add_results(leaf: Leaf, path: tuple[Loop, ...], ranges: dict[str, Interval]) -> None:
    """Widen ``ranges`` to results of a reduction that have no terms."""
    reducing = reduction_loops(leaf, path)
    results = [loop for loop in path if loop.name not in reducing]
    for name, found in loop_ranges_of(results, results_of(leaf, reducing)).items():
        if is_finite(found):
            low, high = ranges[name]
            ranges[name] = (min(low, found[0]), max(high, found[1]))


def _tighten(form: Affine, loop: str, factor: int, ranges: dict[str, Interval]) -> None:
    """Use ``form >= 0`` on the range of ``loop``."""
    rest = form.const
    for atom, coefficient in form.terms:
        if atom == loop:
            continue
        low, high = ranges.get(atom) or interval(Affine(((atom, 1),)), ranges)  # type: ignore[arg-type]
        rest += coefficient * (high if coefficient > 0 else low)
    if rest >= INFINITE // 2:
        return
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
        rest = relax(form.without(loop.name), outer, ranges)
        if factor > 0:
            lowers.append((factor - 1 - rest) // factor)
        elif not _always_full(upper := (rest - factor) // -factor, loop.extent):
            uppers.append(upper)
    return Bounds(_prune(lowers, ranges, True), _prune(uppers, ranges, False))


def _always_full(upper: Affine, extent: int | None) -> bool:
    """A tile loop whose rest comes in whole tiles: what is left, at least 1, is a full tile."""
    if extent is None or upper.is_constant:
        return False
    return upper.const % extent == 0 and all(c % extent == 0 for _, c in upper.terms)


def relax(form: Affine, outer: frozenset[str], ranges: Ranges) -> Affine:
    """Replace loops that are not in ``outer`` by the value that makes the form largest."""
    free = [term for term in form.terms if not _is_inside(term[0], outer)]
    if not free:
        return form
    kept = tuple([term for term in form.terms if _is_inside(term[0], outer)])
    return Affine(kept, form.const + interval(Affine(tuple(free)), ranges)[1])


def _is_inside(atom: Atom, names: frozenset[str]) -> bool:
    return atom in names if isinstance(atom, str) else atom.numerator.names <= names


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
    greater, less = (rival, form) if keep_largest else (form, rival)
    if interval(greater - less, ranges)[0] >= 0:
        return True
    divisor = _divisor(greater) or _divisor(less)
    if not divisor:
        return False
    above, below = _dividend(greater, divisor), _dividend(less, divisor)
    return above is not None and below is not None and interval(above - below, ranges)[0] >= 0


def _divisor(form: Affine) -> int:
    """Return the divisor of the only quotient in ``form``, 0 when there are none or several."""
    divisors = [atom.divisor for atom, _ in form.terms if not isinstance(atom, str)]
    return divisors[0] if len(divisors) == 1 else 0


def _dividend(form: Affine, divisor: int) -> Affine | None:
    """Return f where ``form`` is floor(f / divisor); None when it is not written so."""
    total = Affine((), form.const * divisor)
    for atom, factor in form.terms:
        if isinstance(atom, str):
            total += Affine(((atom, factor * divisor),))
        elif atom.divisor == divisor and factor == 1:
            total += atom.numerator
        elif atom.divisor == divisor and factor == -1:
            total += divisor - 1 - atom.numerator
        else:
            return None
    return total


def shared_bounds(
    loop: Loop, leaves: Sequence[Leaf], outer: frozenset[str], ranges: Ranges, mixed: bool = False
) -> Bounds:
    """Return bounds that cover every leaf below ``loop``.

    Leaves that disagree get what all of them imply, and the constant range of the loop. ``mixed``
    adds the range for a leaf that is alone below ``loop``, but not below every loop around it, or
    that has results beyond its terms: the loops around may run where this leaf does not, and no
    loop may leave its range (guards count on it).
    """
    wanted = [bounds_for_leaf(loop, leaf, outer, ranges) for leaf in leaves]
    wanted = wanted if len(wanted) < 2 else list(dict.fromkeys(wanted))
    low, high = ranges[loop.name]
    if len(wanted) == 1 and (not mixed or _stays_between(wanted[0], low, high)):
        return wanted[0]
    if not is_finite((low, high)):
        raise ArgumentError(f"no constants bound loop {loop.name}")
    lowers = [Affine((), low), *_common([w.lowers for w in wanted], ranges, True)]
    uppers = [Affine((), high + 1), *_common([w.uppers for w in wanted], ranges, False)]
    return Bounds(_prune(lowers, ranges, True), _prune(uppers, ranges, False))


def _stays_between(bounds: Bounds, low: int, high: int) -> bool:
    """Tell at a glance whether constant bounds keep a loop in its range."""
    return any(not f.terms and f.const >= low for f in bounds.lowers) and any(
        not f.terms and f.const <= high + 1 for f in bounds.uppers
    )


def _common(bounds: Sequence[Forms], ranges: Ranges, lower: bool) -> Iterator[Affine]:
    """Yield the bounds that each leaf has, or has a tighter one of."""
    for form in dict.fromkeys(form for forms in bounds for form in forms):
        if all(any(_implies(own, form, ranges, lower) for own in forms) for forms in bounds):
            yield form


def missing_guards(leaf: Leaf, path: Sequence[tuple[Loop, Bounds]], ranges: Ranges) -> Forms:
    """Return the leaf's constraints that the bounds of the loops above do not already enforce."""
    guards = []
    for form in leaf.constraints:
        if interval(form, ranges)[0] >= 0:
            continue
        names = form.names
        deepest = next((i for i in reversed(range(len(path))) if path[i][0].name in names), None)
        if deepest is None or not _enforced(form, deepest, path, ranges):
            guards.append(form)
    return tuple(guards)


def _enforced(
    form: Affine, deepest: int, path: Sequence[tuple[Loop, Bounds]], ranges: Ranges
) -> bool:
    loop, bounds = path[deepest]
    factor = form.coefficient(loop.name)
    rest = form.without(loop.name)
    if factor == 0 or loop.name in rest.names:
        return False
    if factor > 0:
        needed = (factor - 1 - rest) // factor
        return any(_implies(have, needed, ranges, True) for have in bounds.lowers)
    needed = (rest - factor) // -factor
    return any(_implies(have, needed, ranges, False) for have in bounds.uppers)
