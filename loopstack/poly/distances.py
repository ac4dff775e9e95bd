"""How far apart dependent instances lie, for every two statements of a program.

A *case* is one way to come first in the program: some common loops agree, and the next one, or
the text, decides. For every two accesses of one element and every case, the differences of all
pairs of indices are bounded (:mod:`loopstack.poly.differences`):

    for t: { for i: B[i] = A[i - 1];  for i: A[i] = B[i] }     write B[i] .. read B[i]
                                                              case 0:  1 <= t' - t,  i' - i = 0
                                                              case 1:  t' - t = 0,   i' - i = 0

What trees are tested with is computed once, on demand, and shared by all programs with equal
statements. It may hold pairs of instances that do not depend, and never lacks one that do.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from loopstack.ir.affine import Affine
from loopstack.ir.program import Access, Program, Statement
from loopstack.poly.dependence import source_order
from loopstack.poly.differences import Differences, terms_of, with_conditions
from loopstack.poly.quick import is_relaxed

PROGRAMS_KEPT = 32
PAIRS_KEPT = 1 << 12
Forms = tuple[Affine, ...]
Gap = tuple[int, int]
Gaps = tuple[tuple[Gap, ...], ...]
"""``gaps[p][q]``: least and greatest of the target's index q minus the source's index p. Behind
the indices stands zero."""
Case = tuple[int, Gaps]
Way = tuple[int, int, bool]
"""(depth, equal indices, whether the next index decides)"""
End = tuple[str, Access]


Use = tuple[str, Forms, bool]
"""An array, the subscripts with which a statement touches it, and whether it writes."""


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the accesses of a statement."""

    uses: tuple[Use, ...]


@lru_cache(maxsize=PAIRS_KEPT)
def part_of(uses: tuple[Use, ...]) -> Part:
    """Return some accesses as one object; the same ones give the same object."""
    return Part(uses)


@dataclass(frozen=True, eq=False)
class Shape:
    """What distances depend on of one statement: its domain and its accesses."""

    indices: tuple[str, ...]
    constraints: Forms
    write: Access
    reads: tuple[Access, ...]

    @cached_property
    def everything(self) -> Part:
        """All accesses, the write first."""
        reads = [(read.array, read.subscripts, False) for read in self.reads]
        return Part(((self.write.array, self.write.subscripts, True), *reads))

    @cached_property
    def domain(self) -> Differences:
        """What the constraints say about the indices."""
        made = Differences.free(1 + len(self.indices))
        numbers = {i: 1 + at for at, i in enumerate(self.indices)}
        with_conditions(made, self.constraints, numbers)
        return made


def shape_of(s: Statement) -> Shape:
    """Return the shape of a statement; equal shapes are one object."""
    reads = tuple(dict.fromkeys(Access(load.array, load.subscripts) for load in s.reads))
    return _shape(s.indices, s.constraints, s.write, reads)


@lru_cache(maxsize=PAIRS_KEPT)
def _shape(
    indices: tuple[str, ...], constraints: Forms, write: Access, reads: tuple[Access, ...]
) -> Shape:
    return Shape(indices, constraints, write, reads)


class Distances:
    """The distances between instances of a source and later ones of a target.

    ``ways`` are the ways to come first; ``is_relaxed``: both are one reduction whose updates may
    swap. ``proofs`` is what loopstack.poly.fast found of pairs of nests.
    """

    def __init__(
        self, source: Shape, target: Shape, ways: tuple[Way, ...], is_relaxed: bool
    ) -> None:
        self.source, self.target = source, target
        self.ways = ways
        self.is_relaxed = is_relaxed
        self.proofs: dict[Any, bool] = {}
        self._known: dict[tuple[Forms, Forms], tuple[tuple[Case, ...], bool]] = {}
        self._hulls: dict[tuple[Part | None, Part | None], tuple[Case, ...]] = {}

    @property
    def is_free(self) -> bool:
        """Tell that no instances depend."""
        return not self.ways or not (self.cases() or self.updates)

    def cases(self, mine: Part | None = None, others: Part | None = None) -> tuple[Case, ...]:
        """Return strict dependences: for every way to come first, the hull over accesses.

        ``mine`` and ``others`` are accesses of the source and the target, None: all of them.
        """
        key = (mine, others)
        if key not in self._hulls:
            self._hulls[key] = self._all_cases(
                (mine or self.source.everything).uses, (others or self.target.everything).uses
            )
        return self._hulls[key]

    def _all_cases(self, mine: Sequence[Use], others: Sequence[Use]) -> tuple[Case, ...]:
        found: dict[int, dict[Gaps, None]] = {}
        for array, left, writes in mine:
            for other_array, right, overwrites in others:
                swaps = self.is_relaxed and writes and overwrites
                if array == other_array and (writes or overwrites) and not swaps:
                    for way, gaps in self.between(left, right):
                        found.setdefault(way, {})[gaps] = None
        return tuple((way, _hull(list(gaps))) for way, gaps in sorted(found.items()))

    @cached_property
    def updates(self) -> tuple[Case, ...]:
        """The updates of one accumulator that may swap, but not run at once."""
        write = self.source.write.subscripts
        return self.between(write, write) if self.is_relaxed else ()

    def between(self, left: Forms, right: Forms) -> tuple[Case, ...]:
        """Return the cases of one access of the source and one of the target, empty ones not."""
        return self._between(left, right)[0]

    def depths(self, left: Forms, right: Forms) -> tuple[frozenset[int], bool]:
        """Return how many common loops may agree, and whether that is exact."""
        cases, is_exact = self._between(left, right)
        return frozenset(way for way, _ in cases), is_exact or not cases

    def _between(self, left: Forms, right: Forms) -> tuple[tuple[Case, ...], bool]:
        key = (left, right)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._compute(left, right)
        return found

    def _compute(self, left: Forms, right: Forms) -> tuple[tuple[Case, ...], bool]:
        n, m = len(self.source.indices), len(self.target.indices)
        base = Differences.of_both(self.source.domain, self.target.domain)
        mine = {i: 1 + at for at, i in enumerate(self.source.indices)}
        other = {i: 1 + n + at for at, i in enumerate(self.target.indices)}
        for a, b in zip(left, right):
            _add_equal(base, terms_of(a, mine), terms_of(b, other), b.const - a.const)
        starts, ends = [*range(1, 1 + n), 0], [*range(1 + n, 1 + n + m), 0]
        cases = []
        for way, equal, is_carried in self.ways if not base.is_empty else ():
            made = base.copy()
            for at in range(equal):
                made.limit(1 + at, 1 + n + at, 0)
                made.limit(1 + n + at, 1 + at, 0)
            if is_carried:
                made.limit(1 + n + way, 1 + way, -1)
            if not made.is_empty:
                rows = [tuple([made.bounds(p, q) for q in ends]) for p in starts]
                cases.append((way, tuple(rows)))
        return tuple(cases), base.is_exact


def _add_equal(
    made: Differences, left: list[tuple[int, int]] | None, right: list[tuple[int, int]] | None,
    const: int,
) -> None:  # fmt: skip
    if left is None or right is None:
        made.leave_out()
    else:
        made.add_zero([*right, *((n, -c) for n, c in left)], const)


def _hull(cases: Sequence[Gaps]) -> Gaps:
    if len(cases) == 1:
        return cases[0]
    return tuple(
        tuple((min(low for low, _ in gaps), max(high for _, high in gaps)) for gaps in zip(*rows))
        for rows in zip(*cases)
    )


@lru_cache(maxsize=PAIRS_KEPT)
def _distances(source: Shape, target: Shape, ways: tuple[Way, ...], is_relaxed: bool) -> Distances:
    return Distances(source, target, ways, is_relaxed)


class ProgramDistances:
    """The distances of one program with integer sizes, by pairs of statement numbers."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.numbers = {s.name: n for n, s in enumerate(program.statements)}
        self._orders = [source_order(program, n) for n in range(len(program.statements))]
        self._shapes = [shape_of(s) for s in program.statements]
        self._pairs: dict[tuple[int, int], Distances] = {}
        self.depths: dict[tuple[End, End], frozenset[int]] = {}
        """Depths of accesses, for loopstack.poly.carried."""

    def is_relaxed(self, number: int) -> bool:
        return is_relaxed(self.program, self.program.statements[number])

    @cached_property
    def dependent(self) -> list[tuple[str, str, Distances]]:
        """Every (source, target) that may depend, in program order."""
        names = list(self.numbers)
        pairs = [(a, b, self.named(a, b)) for a in names for b in names]
        return [(a, b, between) for a, b, between in pairs if not between.is_free]

    def named(self, source: str, target: str) -> Distances:
        """Return the distances between two statements."""
        key = (self.numbers[source], self.numbers[target])
        if key not in self._pairs:
            self._pairs[key] = self._between(*key)
        return self._pairs[key]

    def _between(self, source: int, target: int) -> Distances:
        a, b = self._shapes[source], self._shapes[target]
        ends = len(a.indices), len(b.indices)
        ways = tuple(_ways(self._orders[source], self._orders[target], min(ends)))
        return _distances(a, b, ways, source == target and self.is_relaxed(source))


def _ways(left: Sequence[int], right: Sequence[int], common: int) -> Iterator[Way]:
    """Yield the ways to come first of two statements with these positions."""
    for depth in range(min(len(left), len(right))):
        if left[depth] != right[depth]:
            if left[depth] < right[depth]:
                yield depth, min(depth, common), False
            return
        if depth < common:
            yield depth, depth, True


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
