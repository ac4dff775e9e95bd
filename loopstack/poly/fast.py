"""The fast test: which pairs of statements a tree surely keeps in order, in plain Python.

Distances between dependent instances are known once per program (:mod:`loopstack.poly.distances`).
A tree keeps a dependence when the loops that both statements share move forward by them: outermost
first, each loop stands still or goes forward, and the first that moves decides. Two nests that were
compared before are not compared again, so neighbours in a search cost little.

    t' - t = 1, i' - i = -1            for to: for io: for ti: for ii:   t = 8*to + ti
    8*to + ti = 1                                                        i = 32*io + ii - 2*t
    32*io + ii - 2*(8*to + ti) = -1    to >= 0;  at 0, ti = 1 and io >= 0;  at 0, ti > 0: kept

Answers are "surely" or "not sure": what depends may be fewer, distances are bounded one by one, and
rows that need more than distances are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loopstack.ir.expr import loads
from loopstack.poly.accesses import Place, Touch, View, shared_loops, stands_before
from loopstack.poly.distances import Case, Distances, Gaps, ProgramDistances, program_distances
from loopstack.poly.gaps import Box, Demand, Rows, Terms, combinations, combined_bounds
from loopstack.poly.nests import UNBOUNDED, Nest, key_of

MOST_PROOFS = 1 << 16


class FastTest:
    """The fast test of one tree."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.distances = program_distances(view.program)
        self._nests: dict[str, Nest] = {}
        self._packed = self._packed_arrays() if view.tree.buffers else {}

    def is_kept(self, source: int, target: int) -> bool:
        """Prove that the tree keeps every dependence from one statement to another, by number."""
        statements = self.view.program.statements
        a, b = (self.view.places.get(statements[n].name) for n in (source, target))
        if a is None or b is None:
            return False
        between = self.distances.of(source, target)
        packed = self._packed.get(a.leaf.statement, set()) | self._packed.get(
            b.leaf.statement, set()
        )
        if packed and not packed.isdisjoint(between.arrays):
            return False
        return self._is_kept((source, target, None), a, b, between, None)

    def keeps(self, first: Touch, second: Touch) -> bool:
        """Prove that the tree keeps every dependence from one access to another."""
        if len(first.chain) > 1 or len(second.chain) > 1:
            return False
        numbers = self.distances.numbers
        source, target = numbers[first.statement.name], numbers[second.statement.name]
        ends = first.access.subscripts, second.access.subscripts
        between = self.distances.of(source, target)
        relaxed = first is second and self.distances.is_relaxed(source)
        cases = between.between(*ends)
        what = (source, target, (ends, relaxed))
        return self._is_kept(what, first.carrier, second.carrier, between, (cases, relaxed))

    def _is_kept(
        self, what: object, a: Place, b: Place, between: Distances,
        some: tuple[tuple[Case, ...], bool] | None,
    ) -> bool:  # fmt: skip
        left, right = self._nest(a), self._nest(b)
        shared = len(shared_loops(a, b))
        before = a is b or stands_before(a, b)
        key = (what, left, right, shared, before)
        proofs = self.distances.proofs
        found = proofs.get(key)
        if found is None:
            if len(proofs) > MOST_PROOFS:
                proofs.clear()
            found = proofs[key] = _compare(left, right, shared, before, between, some)
        return found

    def _nest(self, place: Place) -> Nest:
        name = place.leaf.statement
        if name not in self._nests:
            key = key_of(place)
            known = self.distances.nests
            if key not in known:
                known[key] = Nest.of(place, self.view.program.statement(name).indices)
            self._nests[name] = known[key]
        return self._nests[name]

    def _packed_arrays(self) -> dict[str, set[str]]:
        """Return the arrays that statements read through copies."""
        found = {}
        for s in self.view.program.statements:
            place = self.view.places.get(s.name)
            if place is not None:
                pairs = zip(loads(s.expr), loads(place.leaf.expr))
                found[s.name] = {a.array for a, b in pairs if a.array != b.array}
        return found


def open_pairs(view: View, conflicts: Iterator[tuple[Touch, Touch]]) -> Iterator[tuple[Touch, Touch]]:
    """Yield the ``conflicts`` that the fast test does not settle."""
    test = FastTest(view)
    pairs = test.distances.dependent
    unsure = {pair for pair in pairs if not test.is_kept(*pair)}
    if not unsure:
        return
    numbers = test.distances.numbers
    for first, second in conflicts:
        pair = numbers[first.statement.name], numbers[second.statement.name]
        if pair in unsure and not test.keeps(first, second):
            yield first, second


# ---- two nests ----------------------------------------------------------------------------------
def _compare(
    left: Nest, right: Nest, shared: int, before: bool, between: Distances,
    some: tuple[tuple[Case, ...], bool] | None,
) -> bool:  # fmt: skip
    """Compare two nests for ``some`` cases (and whether their order is free), or for all."""
    if some is not None:
        cases, relaxed = some
        jobs = [(cases, relaxed)]
    else:
        jobs = [(between.cases, False), (between.updates, True)]
    pair = _Pair.of(left, right, shared)
    for cases, relaxed in jobs:
        if cases:
            demands = _demands(left, shared, between, relaxed)
            if not all(pair.keeps(gaps, demands, before) for _, gaps in cases):
                return False
    return True


def _demands(nest: Nest, shared: int, between: Distances, relaxed: bool) -> list[Demand]:
    if not relaxed:
        at_once = ("parallel", "vector")
        return ["still" if kind in at_once else "forward" for kind in nest.kinds[:shared]]
    written = frozenset().union(*(s.names for s in between.source.write.subscripts), frozenset())
    rows = [row for i, row in zip(between.source.indices, nest.rows) if i in written]
    moves = [any(row is None or row[0][n] for row in rows) for n in range(shared)]
    return [
        "still" if kind == "parallel" or (kind == "vector" and moved) else "free"
        for kind, moved in zip(nest.kinds, moves)
    ]


@dataclass
class _Pair:
    """Rows over the loops that two nests share.

    ``places`` gives the two indices of each row, and what their own loops and constants add.
    """

    rows: Rows
    places: list[tuple[int, int, int, int]]
    low: list[int]
    high: list[int]

    @staticmethod
    def of(left: Nest, right: Nest, shared: int) -> _Pair:
        terms, places = [], []
        for p, row in enumerate(left.rows):
            for q, other in enumerate(right.rows):
                if row is None or other is None or row[0][:shared] != other[0][:shared]:
                    continue
                found = tuple([(n, c) for n, c in enumerate(row[0][:shared]) if c])
                if found:
                    a, b = left.inside(p, shared), right.inside(q, shared)
                    terms.append(found)
                    places.append((p, q, b[1] - a[0], b[0] - a[1]))
        high = [UNBOUNDED if e is None else e - 1 for e in left.extents[:shared]]
        return _Pair(Rows.over(terms, shared), places, [-h for h in high], high)

    def keeps(self, gaps: Gaps, demands: Sequence[Demand], at_end: bool) -> bool:
        least = [gaps[p][q][0] - more for p, q, more, _ in self.places]
        most = [gaps[p][q][1] - less for p, q, _, less in self.places]
        box = Box(self.rows, self.low[:], self.high[:], least, most)
        if box.keeps_order(demands, at_end, thorough=False):
            return True
        rows = self._combined(least, most)
        box = Box(rows, self.low[:], self.high[:], least, most)
        return box.keeps_order(demands, at_end, thorough=True)

    def _combined(self, least: list[int], most: list[int]) -> Rows:
        """Add combinations of rows, and their bounds."""
        terms: list[Terms] = list(self.rows.terms)
        for row, divisor, how in combinations(self.rows.terms):
            low, high = combined_bounds(least, most, how, divisor)
            terms.append(row)
            least.append(low)
            most.append(high)
        return Rows.over(terms, len(self.low))
