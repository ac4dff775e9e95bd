"""Which source loops carry the dependences between two accesses; kept for each program.

A dependence is carried at depth d when both instances agree in the first d common indices and
differ in the next; where they agree in all of them it is loop-independent, and its depth is their
number. A tree that runs the first p source loops as the program does, and in sequence, keeps every
dependence of depth < p, whatever happens further inside: a test without isl, once per pair.
"""

from __future__ import annotations

from collections.abc import Collection

from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Loop
from loopstack.ir.program import Program, Statement
from loopstack.poly import isl
from loopstack.poly.accesses import Touch, View, shared_loops, stands_before
from loopstack.poly.dependence import common_loops, order_cases
from loopstack.poly.distances import program_distances


class CarriedDepths:
    """The depths at which pairs of accesses of one program depend, computed on demand.

    Bounds of distances tell most; isl answers where conditions are on more than differences.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._distances = program_distances(program)
        self._known = self._distances.depths

    def of(self, first: Touch, second: Touch) -> frozenset[int]:
        ends = ((first.statement.name, first.access), (second.statement.name, second.access))
        if ends not in self._known:
            self._known[ends] = self._compute(first, second)
        return self._known[ends]

    def _compute(self, first: Touch, second: Touch) -> frozenset[int]:
        between = self._distances.named(first.statement.name, second.statement.name)
        depths, is_exact = between.depths(first.access.subscripts, second.access.subscripts)
        return depths if is_exact else self._of_these(first, second, depths)

    def _of_these(self, first: Touch, second: Touch, depths: Collection[int]) -> frozenset[int]:
        a, mine = _variables(first.statement, "a")
        b, other = _variables(second.statement, "b")
        base = [f"{isl.form_text(c, a)} >= 0" for c in first.statement.constraints]
        base += [f"{isl.form_text(c, b)} >= 0" for c in second.statement.constraints]
        base += [
            f"{isl.form_text(x, a)} = {isl.form_text(y, b)}"
            for x, y in zip(first.access.subscripts, second.access.subscripts)
        ]
        cases = order_cases(self.program, (first.statement, mine), (second.statement, other))
        return frozenset(
            depth
            for depth, case in cases
            if depth in depths and not isl.is_empty([*mine, *other], isl.conjunction([*base, case]))
        )


def _variables(s: Statement, letter: str) -> tuple[dict[str, str], list[str]]:
    names = {i: f"{letter}{n}" for n, i in enumerate(s.indices)}
    return names, list(names.values())


def carried_depths(program: Program) -> CarriedDepths:
    """Return the table of a program with integer sizes; it is kept with the distances."""
    return CarriedDepths(program)


def surely_kept(view: View, first: Touch, second: Touch) -> bool:
    """Prove that outer loops, run as in the program, keep every dependence of a pair."""
    a, b = first.carrier, second.carrier
    shared = shared_loops(a, b)
    common = common_loops(view.program, first.statement, second.statement)
    kept = _loops_as_in_program(first, second, shared[: len(common)])
    separate = len(shared) == kept and a is not b and stands_before(a, b)
    if kept == 0 and not separate:
        return False
    depths = carried_depths(view.program).of(first, second)
    return all(depth < kept or separate for depth in depths)


def _loops_as_in_program(first: Touch, second: Touch, shared: tuple[Loop, ...]) -> int:
    """Return how many leading shared loops are the leading indices of both statements."""
    left, right = (dict(t.chain[0].leaf.binding) for t in (first, second))
    count = 0
    for loop, i, j in zip(shared, first.statement.indices, second.statement.indices):
        form = form_of(loop.name)
        if loop.kind in ("parallel", "vector") or left[i] != form or right[j] != form:
            break
        count += 1
    return count
