"""Does a loop run over the results of a reduction and over their terms at once?

A skew or a map may put both into one loop. Then iterations of it visit an element several times,
although the write moves with the loop, and the elements written cannot be told from the loops:

    for i: for k: C[i] += A[i, k]        w = i + k, p = k:    for w: for p: C[w - p] += ..
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from loopstack.ir.affine import Affine, Atom
from loopstack.ir.loop_tree import Leaf, Loop
from loopstack.ir.program import Statement
from loopstack.poly import isl
from loopstack.poly.intervals import Interval, interval
from loopstack.poly.ranges import box_ranges
from loopstack.poly.results import couples, reduction_loops

Forms = Sequence[Affine]


def mixes(statement: Statement, leaf: Leaf, path: Sequence[Loop]) -> bool:
    """Tell whether two instances that write one element differ in a loop the write moves with."""
    outside = reduction_loops(leaf, path)
    moving = [loop.name for loop in path if loop.name not in outside]
    if not moving or not statement.reduction_indices:
        return False
    if _stay_apart(statement, leaf, moving, outside) or _is_injective(leaf, path, moving):
        return False
    return _has_two_visits(leaf, path, moving)


def _stay_apart(
    statement: Statement, leaf: Leaf, moving: Sequence[str], outside: Sequence[str]
) -> bool:
    """Prove it: terms move along loops of their own, and nothing links the two kinds of loops."""
    binding = dict(leaf.binding)
    terms = (binding[index].names for index in statement.reduction_indices)
    return all(names.isdisjoint(moving) for names in terms) and not couples(leaf, outside, moving)


def _is_injective(leaf: Leaf, path: Sequence[Loop], moving: Sequence[str]) -> bool:
    """Prove it: an element tells the values of all loops, one subscript after the other."""
    ranges = box_ranges(path, leaf.constraints)
    known: set[str] = set()
    before = -1
    while len(known) > before:
        before = len(known)
        for form in leaf.write.subscripts:
            known |= _digits(form, known, leaf, ranges)
    return known >= set(moving)


def _digits(
    form: Affine, known: Collection[str], leaf: Leaf, ranges: Mapping[str, Interval]
) -> set[str]:
    """Return the loops that a subscript tells, read as a number: ``512*a + 12*b + c``."""
    open_terms = [term for term in form.terms if term[0] not in known]
    digits = sorted(open_terms, key=lambda term: -abs(term[1]))
    told: set[str] = set()
    for place, (loop, factor) in enumerate(digits):
        if not isinstance(loop, str) or _spread(digits[place + 1 :], leaf, ranges) >= abs(factor):
            break
        told.add(loop)
    return told


def _spread(terms: Sequence[tuple[Atom, int]], leaf: Leaf, ranges: Mapping[str, Interval]) -> int:
    """Return how far apart two values of a sum are, at most."""
    rest = Affine.of(terms)
    low, high = interval(rest, ranges)
    for form in leaf.constraints:
        if form.terms == (-rest).terms:
            high = min(high, form.const)
    return high - low


def _has_two_visits(leaf: Leaf, path: Sequence[Loop], moving: Sequence[str]) -> bool:
    sides = [{loop.name: f"{letter}{n}" for n, loop in enumerate(path)} for letter in "ab"]
    first, second = sides
    conditions = [
        f"{isl.form_text(form, first)} = {isl.form_text(form, second)}"
        for form in leaf.write.subscripts
    ]
    for names in sides:
        conditions += [f"{isl.form_text(c, names)} >= 0" for c in leaf.constraints]
        conditions += [f"0 <= {names[loop.name]} < {loop.extent}" for loop in path
                       if loop.extent is not None]  # fmt: skip
    conditions.append(
        "(" + isl.disjunction(f"{first[loop]} != {second[loop]}" for loop in moving) + ")"
    )
    return not isl.is_empty([*first.values(), *second.values()], isl.conjunction(conditions))
