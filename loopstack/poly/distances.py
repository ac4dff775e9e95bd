"""How far apart dependent instances lie, for every two statements of one program.

A *case* is one way to come first in the program: some common loops agree, and the next one, or
the text, decides. For every two accesses of one element and every case, the differences of all
pairs of indices are bounded (:mod:`loopstack.poly.differences`):

    for t: { for i: B[i] = A[i - 1];  for i: A[i] = B[i] }     write B[i] .. read B[i]
                                                              case 0:  1 <= t' - t,  i' - i = 0
                                                              case 1:  t' - t = 0,   i' - i = 0

What a program's trees are tested with is computed here once, on demand. It may hold pairs of
instances that do not depend, and never lacks one that do.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from loopstack.ir.affine import Affine
from loopstack.ir.program import Program, Statement
from loopstack.poly.differences import Differences, terms_of, with_conditions
from loopstack.poly.nests import Key, Nest
from loopstack.poly.quick import is_relaxed

PROGRAMS_KEPT = 32
Subscripts = tuple[Affine, ...]
Gap = tuple[int, int]
Gaps = tuple[tuple[Gap, ...], ...]
"""``gaps[p][q]``: least and greatest of the target's index q minus the source's index p."""
Case = tuple[int, Gaps]


@dataclass(frozen=True)
class Uses:
    """The subscripts with which one statement touches one array."""

    write: Subscripts | None
    reads: tuple[Subscripts, ...]


def source_order(program: Program, number: int) -> tuple[int, ...]:
    """Return the 2d+1 positions of a statement; text order where the program gives none."""
    s = program.statements[number]
    return s.order or (number, *(0 for _ in s.indices))


class Distances:
    """The distances between instances of ``source`` and later ones of ``target``."""

    def __init__(self, program: ProgramDistances, source: int, target: int) -> None:
        statements = program.program.statements
        self.source, self.target = statements[source], statements[target]
        self._uses = program.uses[source], program.uses[target]
        self._domains = program.domain(source), program.domain(target)
        self._ways = list(_ways(program.orders[source], program.orders[target],
                                len(self.source.indices), len(self.target.indices)))  # fmt: skip
        self._relaxed = source == target and program.is_relaxed(source)
        self._known: dict[tuple[Subscripts, Subscripts], tuple[tuple[Case, ...], bool]] = {}

    @cached_property
    def arrays(self) -> frozenset[str]:
        """Every array through which the two may depend; none when the source never comes first."""
        if not self._ways:
            return frozenset()
        first, second = self._uses
        both = first.keys() & second.keys()
        return frozenset(a for a in both if first[a].write or second[a].write)

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """All strict dependences: for every way to come first, the hull over all accesses."""
        found: dict[int, list[Gaps]] = {}
        for left, right in self._accesses():
            for way, gaps in self.between(left, right):
                found.setdefault(way, []).append(gaps)
        return tuple((way, _hull(all_gaps)) for way, all_gaps in sorted(found.items()))

    @cached_property
    def updates(self) -> tuple[Case, ...]:
        """The updates of one accumulator that may swap, but not run at once."""
        if not self._relaxed:
            return ()
        return self.between(self.source.write.subscripts, self.source.write.subscripts)

    def _accesses(self) -> Iterator[tuple[Subscripts, Subscripts]]:
        """Yield all pairs of accesses that need their order."""
        for array in sorted(self.arrays):
            a, b = (uses[array] for uses in self._uses)
            if a.write is not None:
                if b.write is not None and not self._relaxed:
                    yield a.write, b.write
                yield from ((a.write, right) for right in b.reads)
            if b.write is not None:
                yield from ((left, b.write) for left in a.reads)

    def between(self, left: Subscripts, right: Subscripts) -> tuple[Case, ...]:
        """Return the cases of one access of the source and one of the target, empty ones not."""
        return self._between(left, right)[0]

    def depths(self, left: Subscripts, right: Subscripts) -> tuple[frozenset[int], bool]:
        """Return how many common loops may agree, and whether that is exact."""
        cases, is_exact = self._between(left, right)
        return frozenset(way for way, _ in cases), is_exact or not cases

    def _between(self, left: Subscripts, right: Subscripts) -> tuple[tuple[Case, ...], bool]:
        key = (left, right)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._compute(left, right)
        return found

    def _compute(self, left: Subscripts, right: Subscripts) -> tuple[tuple[Case, ...], bool]:
        n, m = len(self.source.indices), len(self.target.indices)
        base = Differences.of_both(*self._domains)
        mine = {i: 1 + at for at, i in enumerate(self.source.indices)}
        other = {i: 1 + n + at for at, i in enumerate(self.target.indices)}
        for a, b in zip(left, right):
            _add_equal(base, terms_of(a, mine), terms_of(b, other), b.const - a.const)
        cases = []
        for way, equal, is_carried in self._ways:
            made = base.copy()
            for at in range(equal):
                made.limit(1 + at, 1 + n + at, 0)
                made.limit(1 + n + at, 1 + at, 0)
            if is_carried:
                made.limit(1 + n + way, 1 + way, -1)
            if not made.is_empty:
                rows = [[made.bounds(1 + p, 1 + n + q) for q in range(m)] for p in range(n)]
                cases.append((way, tuple(map(tuple, rows))))
        return tuple(cases), base.is_exact


def _add_equal(
    made: Differences, left: list[tuple[int, int]] | None, right: list[tuple[int, int]] | None,
    const: int,
) -> None:  # fmt: skip
    if left is None or right is None:
        made.leave_out()
    else:
        made.add_zero([*right, *((n, -c) for n, c in left)], const)


def _ways(
    left: Sequence[int], right: Sequence[int], most_left: int, most_right: int
) -> Iterator[tuple[int, int, bool]]:
    """Yield (depth, equal indices, whether the next index decides): ways to come first."""
    common = min(most_left, most_right)
    for depth in range(min(len(left), len(right))):
        if left[depth] != right[depth]:
            if left[depth] < right[depth]:
                yield depth, min(depth, common), False
            return
        if depth < common:
            yield depth, depth, True


def _hull(cases: Sequence[Gaps]) -> Gaps:
    if len(cases) == 1:
        return cases[0]
    return tuple(
        tuple((min(low for low, _ in gaps), max(high for _, high in gaps)) for gaps in zip(*rows))
        for rows in zip(*cases)
    )


class ProgramDistances:
    """The distances of one program with integer sizes, by pairs of statement numbers."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.numbers = {s.name: n for n, s in enumerate(program.statements)}
        self.orders = [source_order(program, n) for n in range(len(program.statements))]
        self.uses = [_uses(s) for s in program.statements]
        self._domains: dict[int, Differences] = {}
        self._pairs: dict[tuple[int, int], Distances] = {}
        self.nests: dict[Key, Nest] = {}
        """Nests of this program's trees, and what was proven of pairs of them; loopstack.poly.fast
        keeps both here."""
        self.proofs: dict[object, bool] = {}

    def is_relaxed(self, number: int) -> bool:
        return is_relaxed(self.program, self.program.statements[number])

    @cached_property
    def dependent(self) -> list[tuple[int, int]]:
        """Every (source, target) that may depend, in program order."""
        count = range(len(self.program.statements))
        return [(a, b) for a in count for b in count if self.of(a, b).arrays]

    def of(self, source: int, target: int) -> Distances:
        key = (source, target)
        if key not in self._pairs:
            self._pairs[key] = Distances(self, source, target)
        return self._pairs[key]

    def named(self, source: str, target: str) -> Distances:
        return self.of(self.numbers[source], self.numbers[target])

    def domain(self, number: int) -> Differences:
        """Return what the constraints of one statement say about its indices."""
        if number not in self._domains:
            s = self.program.statements[number]
            made = Differences.free(1 + len(s.indices))
            numbers = {i: 1 + at for at, i in enumerate(s.indices)}
            with_conditions(made, s.constraints, numbers)
            self._domains[number] = made
        return self._domains[number]


def _uses(s: Statement) -> dict[str, Uses]:
    reads: dict[str, dict[Subscripts, None]] = {}
    for load in s.reads:
        reads.setdefault(load.array, {})[load.subscripts] = None
    found = {array: Uses(None, tuple(subscripts)) for array, subscripts in reads.items()}
    own = found.get(s.write.array, Uses(None, ()))
    found[s.write.array] = Uses(s.write.subscripts, own.reads)
    return found


_kept: OrderedDict[int, ProgramDistances] = OrderedDict()


def program_distances(program: Program) -> ProgramDistances:
    """Return the distances of a program object; those of the last few are kept."""
    found = _kept.get(id(program))
    if found is None:
        found = _kept[id(program)] = ProgramDistances(program)
        while len(_kept) > PROGRAMS_KEPT:
            _kept.popitem(last=False)
    else:
        _kept.move_to_end(id(program))
    return found
