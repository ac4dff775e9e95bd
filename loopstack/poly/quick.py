"""Order proofs in plain Python, for the programs and trees that searches meet most.

Every function answers "surely" or "not sure", never "surely not". The reasoning is on subscripts:
two accesses of one element have equal subscripts, and if that forces every loop the two leaves
share to have one value, then the order of the leaves in the shared body decides.

    for i: { T[i] = ..; .. = T[i] }      equal subscripts: i = i', so the write comes first
    T[32*io + ii], 0 <= ii < 32          equal subscripts: io = io' and ii = ii'
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from loopstack.ir.affine import Affine
from loopstack.ir.loop_tree import Loop
from loopstack.ir.program import Program, Statement
from loopstack.poly.accesses import Place, Touch, View, shared_loops, stands_before
from loopstack.poly.intervals import INFINITE, interval

Forms = Sequence[Affine]


def runs_before(program: Program, first: str, second: str) -> bool:
    """Tell whether all of statement ``first`` runs before any of ``second`` in the program."""
    return top_position(program, first) < top_position(program, second)


def top_position(program: Program, name: str) -> int:
    statement = program.statement(name)
    return statement.order[0] if statement.order else program.statements.index(statement)


def is_relaxed(program: Program, statement: Statement) -> bool:
    """Tell whether the updates of a reduction may run in any order.

    Always for max and min, and for integers (they wrap); for sums and products of floats when the
    program allows to reassociate.
    """
    if statement.reduction is None:
        return False
    exact = program.array(statement.write.array).dtype in ("i32", "i64", "bool_")
    return statement.reduction.operator in ("max", "min") or exact or program.reassociate


def surely_ordered(view: View, first: Touch, second: Touch) -> bool:
    """Prove that ``first`` touches each common element before ``second`` does.

    Requires: all of ``first``'s statement runs before ``second``'s in the program.
    """
    a, b = first.carrier, second.carrier
    shared = shared_loops(a, b)
    if not stands_before(a, b):
        return False
    forced = forced_equal(view, shared, (a, first.local.subscripts), (b, second.local.subscripts))
    return len(forced) == len(shared)


def surely_self_ordered(view: View, place: Place, statement: Statement, above: int = 0) -> bool:
    """Prove that one statement's writes keep their order, or may run in any.

    ``above`` loops are taken to have one value (the scope of a local array).
    """
    known = {loop.name for loop in place.loops[:above]}
    subscripts = place.leaf.write.subscripts
    side = (place, subscripts)
    forced = forced_equal(view, place.loops, side, side, known)
    free = [loop for loop in place.loops if loop.name not in forced]
    if not free:
        return True
    if statement.reduction is None or any(loop.kind == "parallel" for loop in free):
        return False
    mentioned = frozenset().union(*(s.names for s in subscripts), frozenset())
    lanes = [loop for loop in free if loop.kind == "vector"]
    if is_relaxed(view.program, statement):
        return not any(loop.name in mentioned for loop in lanes)
    return not lanes and _keeps_order(view, place, statement, free)


def surely_reads_own_element(view: View, write: Touch, read: Touch) -> bool:
    """Prove that a statement reads its own array only where the same instance writes it."""
    if len(read.chain) > 1 or write.local.subscripts != read.local.subscripts:
        return False
    place = write.carrier
    side = (place, write.local.subscripts)
    return len(forced_equal(view, place.loops, side, side)) == len(place.loops)


# ---- which loops equal subscripts force to one value --------------------------------------------
def forced_equal(
    view: View, loops: Sequence[Loop], left: tuple[Place, Forms], right: tuple[Place, Forms],
    known: Collection[str] = (),
) -> set[str]:  # fmt: skip
    """Return names of ``loops`` that have one value wherever both sides touch one element."""
    forced = {loop.name for loop in loops if loop.name in known}
    names = {loop.name for loop in loops}
    before = -1
    while len(forced) not in (before, len(loops)):
        before = len(forced)
        for mine, other in zip(left[1], right[1]):
            _force_dimension(view, names, (left[0], mine), (right[0], other), forced)
    return forced


def _force_dimension(
    view: View, loops: set[str], left: tuple[Place, Affine], right: tuple[Place, Affine],
    forced: set[str],
) -> None:  # fmt: skip
    """Read one dimension as a mixed-radix number: the leading digit is equal, then the next.

    A digit ``c * loop`` is forced when all that follows differs by less than ``c``.
    """
    (place, form), (other_place, other) = left, right
    digits = {
        a: c
        for a, c in form.terms
        if isinstance(a, str) and a in loops and other.coefficient(a) == c
    }
    gap = abs(form.const - other.const)
    gap += _rest_spread(view, place, form, digits)
    gap += _rest_spread(view, other_place, other, digits)
    open_digits = sorted((n for n in digits if n not in forced), key=lambda n: -abs(digits[n]))
    widths = [abs(digits[n]) * _width(view, place, other_place, n) for n in open_digits]
    for number, digit in enumerate(open_digits):
        if gap + sum(widths[number + 1 :]) >= abs(digits[digit]):
            return
        forced.add(digit)


def _rest_spread(view: View, place: Place, form: Affine, digits: Collection[str]) -> int:
    """Return the largest size of the part of ``form`` that is no digit and no constant."""
    if len(form.terms) == len(digits):
        return 0
    rest = Affine(tuple((a, c) for a, c in form.terms if a not in digits))
    low, high = interval(rest, view.ranges(place))
    return max(abs(low), abs(high))


def _width(view: View, a: Place, b: Place, name: str) -> int:
    """Return how far two values of loop ``name`` can lie apart."""
    for loop in a.loops:
        if loop.name == name and loop.extent is not None:
            return loop.extent - 1
    (low, high), (low2, high2) = view.ranges(a)[name], view.ranges(b)[name]
    return min(max(high, high2) - min(low, low2), INFINITE)


# ---- reductions whose order counts --------------------------------------------------------------
def _keeps_order(view: View, place: Place, statement: Statement, free: Sequence[Loop]) -> bool:
    """Prove that ``free`` loops are the digits of the reduction indices, in order."""
    binding = dict(place.leaf.binding)
    expected: list[str] = []
    for index in statement.reduction_indices:
        form = binding[index]
        digits = sorted(form.terms, key=lambda term: -term[1])
        if any(c <= 0 or not isinstance(a, str) for a, c in digits):
            return False
        if not _is_mixed_radix(view, place, form):
            return False
        expected += [a for a, _ in digits if isinstance(a, str)]
    return expected == [loop.name for loop in free]


def _is_mixed_radix(view: View, place: Place, form: Affine) -> bool:
    loops = [loop for loop in place.loops if loop.name in form.names]
    return len(forced_equal(view, loops, (place, [form]), (place, [form]))) == len(loops)
