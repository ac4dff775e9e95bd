"""Do the loops of a reduction tell its results, each of them once?

A skew or a map may put results and terms into one loop. Then iterations of it visit an element
several times, although the write moves with the loop:

    for i: for k: C[i] += A[i, k]        w = i + k, p = k:    for w: for p: C[w - p] += ..

Or what bounds a result may mention a loop that the write does not move with:

    for o: for v in 0 .. 2: for k: C[2*o + v] += ..     w = 2*o + v:    for o: for w: for k: C[w]
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from loopstack.ir.affine import Affine
from loopstack.ir.injective import Spread, Terms, loops_told
from loopstack.ir.loop_tree import Leaf, Loop
from loopstack.ir.program import Statement
from loopstack.poly import isl
from loopstack.poly.intervals import INFINITE, interval
from loopstack.poly.ranges import box_ranges
from loopstack.poly.results import couples, reduction_loops, results_of, starts_anew


def mixes(statement: Statement, leaf: Leaf, path: Sequence[Loop]) -> bool:
    """Tell whether two instances that write one element differ in a loop the write moves with."""
    outside = reduction_loops(leaf, path)
    moving = [loop.name for loop in path if loop.name not in outside]
    if not moving or not statement.reduction_indices:
        return False
    return not _stay_apart(statement, leaf, moving, outside) and comes_back(leaf, path, moving)


def tells_results(statement: Statement, leaf: Leaf, path: Sequence[Loop]) -> bool:
    """Tell whether what bounds the results alone gives those of the program.

    It may give too many, where a constraint on a loop that moves with results mentions one that
    does not: v of ``2*o <= v < 2*o + 2``. Or too few, where loops that move with results bound
    terms: results without terms would be left out.
    """
    outside = reduction_loops(leaf, path)
    results = [loop for loop in path if loop.name not in outside]
    reduced, binding = set(statement.reduction_indices), dict(leaf.binding)
    of_terms = [form.substitute(binding) for form in statement.constraints
                if not form.names.isdisjoint(reduced)]  # fmt: skip
    of_terms = [form for form in of_terms if form.names.isdisjoint(outside)]
    is_coupled = couples(leaf, outside, [loop.name for loop in results])
    if not of_terms and not is_coupled:
        return True
    bounds = results_of(leaf, outside)
    wanted = [form.substitute(binding) for form in results_of(statement, reduced)]
    if is_coupled and not _imply(results, bounds, wanted):
        return False
    return _imply(results, wanted, of_terms)


def _imply(results: Sequence[Loop], bounds: Sequence[Affine], domain: Sequence[Affine]) -> bool:
    """Tell whether loops within bounds stay inside a domain over them."""
    names = {loop.name for loop in results}
    ranges = box_ranges(results, bounds)
    unsure = [f for f in domain if f not in bounds and interval(f, ranges)[0] < 0]
    if any(not form.names <= names for form in unsure):
        return False
    return not unsure or not _leaves(results, bounds, unsure)


def _leaves(results: Sequence[Loop], bounds: Sequence[Affine], domain: Sequence[Affine]) -> bool:
    """Tell whether loops within bounds leave a domain."""
    mentioned = frozenset(x.name for x in results).union(*(form.names for form in bounds))
    names = {n: f"x{i}" for i, n in enumerate(sorted(mentioned))}
    inside = [f"{isl.form_text(form, names)} >= 0" for form in bounds]
    inside += [f"0 <= {names[loop.name]} < {loop.extent}" for loop in results
               if loop.extent is not None]  # fmt: skip
    outside = isl.disjunction(f"{isl.form_text(form, names)} < 0" for form in domain)
    return not isl.is_empty(list(names.values()), isl.conjunction([*inside, f"({outside})"]))


def comes_back(
    leaf: Leaf, path: Sequence[Loop], moving: Sequence[str], given: Collection[str] = ()
) -> bool:
    """Tell whether an element is visited at several values of loops, those ``given`` being equal.

    A reduction that starts from its identity visits all its results, those without terms too.
    """
    if loops_told(leaf.write.subscripts, _spread_in(leaf, path), given) >= set(moving):
        return False
    return _has_two_visits(leaf, path, moving, given)


def _stay_apart(
    statement: Statement, leaf: Leaf, moving: Sequence[str], outside: Sequence[str]
) -> bool:
    """Prove it: terms move along loops of their own, and nothing links the two kinds of loops."""
    binding = dict(leaf.binding)
    terms = (binding[index].names for index in statement.reduction_indices)
    return all(names.isdisjoint(moving) for names in terms) and not couples(leaf, outside, moving)


def _spread_in(leaf: Leaf, path: Sequence[Loop]) -> Spread:
    """Return how far apart values of a sum are, from ranges of loops and from a constraint."""
    ranges = box_ranges(path, leaf.constraints)

    def spread(terms: Terms) -> int | None:
        rest = Affine.of(terms)
        low, high = interval(rest, ranges)
        for form in leaf.constraints:
            if form.terms == (-rest).terms:
                high = min(high, form.const)
        return high - low if low > -INFINITE and high < INFINITE else None

    return spread


def _has_two_visits(
    leaf: Leaf, path: Sequence[Loop], moving: Sequence[str], given: Collection[str]
) -> bool:
    sides = [{loop.name: f"{letter}{n}" for n, loop in enumerate(path)} for letter in "ab"]
    first, second = sides
    conditions = [
        f"{isl.form_text(form, first)} = {isl.form_text(form, second)}"
        for form in leaf.write.subscripts
    ]
    conditions += [f"{first[loop]} = {second[loop]}" for loop in given]
    for names in sides:
        conditions += [f"{isl.form_text(c, names)} >= 0" for c in _visited(leaf, path)]
        conditions += [f"0 <= {names[loop.name]} < {loop.extent}" for loop in path
                       if loop.extent is not None]  # fmt: skip
    conditions.append(
        "(" + isl.disjunction(f"{first[loop]} != {second[loop]}" for loop in moving) + ")"
    )
    return not isl.is_empty([*first.values(), *second.values()], isl.conjunction(conditions))


def _visited(leaf: Leaf, path: Sequence[Loop]) -> tuple[Affine, ...]:
    if starts_anew(leaf):
        return results_of(leaf, reduction_loops(leaf, path))
    return leaf.constraints
