"""The fast test: which pairs of statements a tree surely keeps in order, in plain Python.

Distances between dependent instances are known once per program (:mod:`loopstack.poly.distances`).
A tree keeps a dependence when the loops that both statements share move forward by them: outermost
first, each loop stands still or goes forward, and the first that moves decides. Two nests that were
compared before are not compared again, so neighbours in a search cost little.

    t' - t = 1, i' - i = -1            for to: for io: for ti: for ii:   t = 8*to + ti
    8*to + ti = 1                                                        i = 32*io + ii - 2*t
    32*io + ii - 2*(8*to + ti) = -1    to >= 0;  at 0, ti = 1 and io >= 0;  at 0, ti > 0: kept

What a statement reads through a copy is touched where the copy stands, at the same outer loops.

Answers are "surely" or "not sure": what depends may be fewer, distances are bounded one by one, and
rows that need more than distances are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loopstack.poly.accesses import Place, Touch, View
from loopstack.poly.distances import Distances, Gaps, Part, Use, part_of, program_distances
from loopstack.poly.gaps import Box, Demand, Rows, Terms, combinations, combined_bounds
from loopstack.poly.nests import UNBOUNDED, Coefficients, Nest, nest_of

MOST_PROOFS = 1 << 12
"""Proofs kept for a pair of statements."""


class Which(NamedTuple):
    """The accesses to compare, None: all; ``updates``: of one accumulator, by one statement."""

    mine: Part | None = None
    others: Part | None = None
    updates: bool = False


class Question(NamedTuple):
    """Two nests to compare, and the order of their accesses where shared loops stand still."""

    left: Nest
    right: Nest
    shared: int
    before: bool
    which: Which
    effort: int


ALL, UPDATES = Which(), Which(updates=True)
PLAIN, LIMITED, COMBINED = range(3)
"""Efforts: indices alone, limits of leaves as well, sums of rows as well."""


class FastTest:
    """The fast test of one tree."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.distances = program_distances(view.program)
        self._nests: dict[tuple[str, bool], Nest] = {}
        self._parts: dict[str, list[tuple[Place, Part | None]]] = {}

    def open_statements(self) -> set[tuple[str, str]]:
        """Return the pairs (source, target) whose dependences the tree may break."""
        return {
            (a, b)
            for a, b, between in self.distances.dependent
            if not self._keeps_all(a, b, between)
        }

    def _keeps_all(self, source: str, target: str, between: Distances) -> bool:
        """Prove that the tree keeps every dependence from one statement to another."""
        for place, mine in self._parts_of(source):
            for other, others in self._parts_of(target):
                which = ALL if mine is others is None else Which(mine, others)
                if not self._ask((source, target), (place, other), between, which):
                    return False
        own = self.view.places.get(source)
        if own is None or not between.is_relaxed:
            return True
        return self._ask((source, target), (own, own), between, UPDATES)

    def keeps(self, first: Touch, second: Touch) -> bool:
        """Prove that the tree keeps every dependence from one access to another."""
        names = (first.statement.name, second.statement.name)
        between = self.distances.named(*names)
        which = Which(part_of((_use(first),)), part_of((_use(second),)))
        if first is second and between.is_relaxed:
            which = UPDATES
        return self._ask(names, (first.carrier, second.carrier), between, which)

    def _ask(
        self, names: tuple[str, str], places: tuple[Place, Place], between: Distances, which: Which
    ) -> bool:
        """Compare the nests of two statements, unless equal ones were compared before.

        The accesses are made at ``places``, which may be those of copies.
        """
        if not (between.updates if which.updates else between.cases(which.mine, which.others)):
            return True
        shared, before = meeting(*places)
        if not all(self._is_around(n, place, shared) for n, place in zip(names, places)):
            return False
        for effort in (PLAIN, LIMITED, COMBINED):
            left, right = (self._nest(name, effort > PLAIN) for name in names)
            if self._compared(Question(left, right, shared, before, which, effort), between):
                return True
        return False

    def _compared(self, question: Question, between: Distances) -> bool:
        found = between.proofs.get(question)
        if found is None:
            if len(between.proofs) >= MOST_PROOFS:
                between.proofs.clear()
            found = between.proofs[question] = _compare(question, between)
        return found

    def _is_around(self, name: str, place: Place, count: int) -> bool:
        """Tell whether the outer loops of ``place`` are those of a statement, too."""
        own = self.view.places[name]
        return own is place or all(a is b for a, b in zip(own.loops[:count], place.loops[:count]))

    def _nest(self, name: str, limited: bool) -> Nest:
        key = (name, limited)
        if key not in self._nests:
            statement = self.view.program.statement(name)
            self._nests[key] = nest_of(self.view.places[name], statement, limited)
        return self._nests[key]

    def _parts_of(self, name: str) -> list[tuple[Place, Part | None]]:
        """Return where a statement touches memory, and by which accesses."""
        if name not in self._parts:
            own = self.view.places.get(name)
            if own is None:
                self._parts[name] = []
            elif not self.view.buffers:
                self._parts[name] = [(own, None)]
            else:
                self._parts[name] = self._separate(name)
        return self._parts[name]

    def _separate(self, name: str) -> list[tuple[Place, Part | None]]:
        """Group the accesses of a statement by the leaf that makes them."""
        places: dict[str, tuple[Place, list[Use]]] = {}
        for touch in self.view.touches_of(self.view.program.statement(name)):
            place = touch.carrier
            places.setdefault(place.leaf.statement, (place, []))[1].append(_use(touch))
        return [(place, part_of(tuple(uses))) for place, uses in places.values()]


def _use(touch: Touch) -> Use:
    return touch.access.array, touch.access.subscripts, touch.is_write


def meeting(a: Place, b: Place) -> tuple[int, bool]:
    """Return how many loops two places share, and whether ``a`` is ``b`` or stands before it."""
    depth = 0
    for mine, other in zip(a.positions, b.positions):
        if mine != other:
            return depth, mine < other
        depth += 1
    return depth - 1, True


def open_pairs(
    view: View, conflicts: Iterator[tuple[Touch, Touch]]
) -> Iterator[tuple[Touch, Touch]]:
    """Yield the ``conflicts`` that the fast test does not settle."""
    test = FastTest(view)
    unsure = test.open_statements()
    if unsure:
        for first, second in conflicts:
            pair = first.statement.name, second.statement.name
            if pair in unsure and not test.keeps(first, second):
                yield first, second


# ---- two nests ----------------------------------------------------------------------------------
def _compare(question: Question, between: Distances) -> bool:
    """Prove that two nests keep some accesses in order, by the loops that they share."""
    which = question.which
    cases = between.updates if which.updates else between.cases(which.mine, which.others)
    demands = _demands(question.left, question.shared, between, which.updates)
    pair = _Pair.of(question)
    return all(pair.keeps(gaps, demands, question.before) for _, gaps in cases)


def _demands(nest: Nest, shared: int, between: Distances, is_update: bool) -> list[Demand]:
    """Return what every shared loop must do; ``is_update``: its instances may swap."""
    if not is_update:
        at_once = ("parallel", "vector")
        return ["still" if kind in at_once else "forward" for kind in nest.kinds[:shared]]
    written = frozenset().union(*(s.names for s in between.source.write.subscripts))
    rows = [row for i, row in zip(between.source.indices, nest.rows) if i in written]
    moves = [any(row is None or row[0][n] for row in rows) for n in range(shared)]
    return [
        "still" if kind == "parallel" or (kind == "vector" and moved) else "free"
        for kind, moved in zip(nest.kinds, moves)
    ]


Beside = tuple[int, int, int, int]
"""Two indices, and the most and the least of what else moves between them."""


@dataclass
class _Pair:
    """Rows over the loops that two nests share, each with the pairs of indices that bound it."""

    rows: Rows
    places: list[list[Beside]]
    low: list[int]
    high: list[int]
    effort: int

    @staticmethod
    def of(question: Question) -> _Pair:
        left, right, shared = question.left, question.right, question.shared
        found: dict[Coefficients, list[Beside]] = {}
        others = [right.bounds(q, shared) for q in range(len(right.rows))]
        for p in range(len(left.rows)):
            for form, (low, high) in left.bounds(p, shared).items():
                for q, bounds in enumerate(others):
                    if form in bounds:
                        least, most = bounds[form]
                        found.setdefault(form, []).append((p, q, most - low, least - high))
        terms = [tuple([(n, c) for n, c in enumerate(form) if c]) for form in found]
        far = [UNBOUNDED if e is None else e - 1 for e in left.extents[:shared]]
        rows = Rows.over(terms, shared)
        return _Pair(rows, list(found.values()), [-n for n in far], far, question.effort)

    def keeps(self, gaps: Gaps, demands: Sequence[Demand], at_end: bool) -> bool:
        least = [max([gaps[p][q][0] - more for p, q, more, _ in at]) for at in self.places]
        most = [min([gaps[p][q][1] - less for p, q, _, less in at]) for at in self.places]
        if any(map(int.__gt__, least, most)):
            return True  # nothing depends; forms without loops are rows, too
        rows = self._combined(least, most) if self.effort == COMBINED else self.rows
        box = Box(rows, self.low[:], self.high[:], least, most)
        return box.keeps_order(demands, at_end, self.effort > PLAIN)

    def _combined(self, least: list[int], most: list[int]) -> Rows:
        """Add combinations of rows, and their bounds."""
        terms: list[Terms] = list(self.rows.terms)
        for row, divisor, how in combinations(self.rows.terms):
            low, high = combined_bounds(least, most, how, divisor)
            terms.append(row)
            least.append(low)
            most.append(high)
        return Rows.over(terms, len(self.low))
