"""The Pluto algorithm: loops that carry dependences forward and short, as permutable bands.

    for each part of the program, outermost first
        cut   between strongly connected components of different depth
        band  one hyperplane after the other: the least by (reach of dependences, coefficients)
              that is legal and independent of those found; all of them together may be tiled
        cut   where none is left, and go on inside with the dependences the band does not carry

Coefficients are not negative. A hyperplane that a statement of full rank no longer needs is a
constant, or follows the others.
Source: Bondhugula, Hartono, Ramanujam, Sadayappan, "A Practical Automatic Polyhedral Parallelizer
and Locality Optimizer", PLDI 2008; the cuts are those of its tool's "smart" fusion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loopstack.errors import ScheduleNotFound
from loopstack.ir.affine import Affine
from loopstack.ir.program import Program
from loopstack.poly import isl
from loopstack.poly.components import components
from loopstack.poly.edges import Edge, at_once, left_over
from loopstack.poly.orthogonal import complement
from loopstack.poly.time_tree import Band, InOrder, Part, Single

Rows = Mapping[str, Affine]
Found = dict[str, tuple[Affine, ...]]
Condition = tuple[bool, dict[str, int]]


def pluto_tree(program: Program, dependences: Sequence[Edge]) -> Part:
    """Return the time tree of a program with these dependences.

    Raises ScheduleNotFound when the search for a hyperplane takes too long or finds none.
    """
    with isl.solving("Pluto's hyperplanes"):
        names = tuple(s.name for s in program.statements)
        part = _Part(program, names, dict.fromkeys(names, ()), tuple(dependences))
        return _cut(part, part.by_depth())


@dataclass(frozen=True)
class _Part:
    """Statements that share the loops found so far, and the dependences those leave."""

    program: Program
    names: tuple[str, ...]
    rows: Mapping[str, tuple[Affine, ...]]
    edges: tuple[Edge, ...]

    def of(self, names: tuple[str, ...]) -> _Part:
        inside = tuple(e for e in self.edges if e.source in names and e.target in names)
        return _Part(self.program, names, self.rows, inside)

    @property
    def components(self) -> list[tuple[str, ...]]:
        ordering = {(e.source, e.target) for e in self.edges if e.orders}
        return components(self.names, ordering)

    def depth(self, name: str) -> int:
        return len(self.program.statement(name).indices)

    def missing(self, name: str) -> list[list[int]]:
        indices = self.program.statement(name).indices
        return complement([[f.coefficient(i) for i in indices] for f in self.rows[name]],
                          len(indices))  # fmt: skip

    @property
    def is_complete(self) -> bool:
        return not any(self.missing(name) for name in self.names)

    # ---- ways to cut --------------------------------------------------------------------------
    def by_depth(self) -> list[tuple[str, ...]]:
        """Return groups of successive components of statements equally deep."""
        groups: list[list[str]] = []
        last = -1
        for component in self.components:
            depth = max(map(self.depth, component))
            if depth != last:
                groups.append([])
            groups[-1] += component
            last = depth
        return [self._in_text_order(group) for group in groups]

    def in_two(self) -> list[tuple[str, ...]]:
        found = self.components
        half = (len(found) + 1) // 2
        parts = [[n for c in found[:half] for n in c], [n for c in found[half:] for n in c]]
        return [self._in_text_order(part) for part in parts if part]

    def _in_text_order(self, names: list[str]) -> tuple[str, ...]:
        return tuple(n for n in self.names if n in names)


def _cut(part: _Part, groups: list[tuple[str, ...]]) -> Part:
    """Schedule groups of statements one after the other."""
    parts = [_schedule(part.of(group)) for group in groups]
    return parts[0] if len(parts) == 1 else InOrder(tuple(parts))


def _schedule(part: _Part) -> Part:
    if part.is_complete:
        return _leaves(part)
    rows = _band(part)
    if rows:
        return _with_band(part, rows)
    groups = part.by_depth()
    groups = groups if len(groups) > 1 else part.in_two()
    if len(groups) < 2:
        names = ", ".join(part.names)
        raise ScheduleNotFound(f"no hyperplane with coefficients >= 0 is legal for {names}")
    return _cut(part, groups)


def _leaves(part: _Part) -> Part:
    """All loops are found: components, and in them statements, run in order."""
    found = part.components
    if any(len(component) > 1 for component in found):
        raise ScheduleNotFound(f"the loops found leave a cycle through {', '.join(part.names)}")
    singles = tuple(Single(name) for (name,) in found)
    return singles[0] if len(singles) == 1 else InOrder(singles)


def _with_band(part: _Part, rows: list[Rows]) -> Part:
    found: Found = {n: tuple([row[n] for row in rows]) for n in part.names}
    coincident = tuple([all(at_once(part.program, e, row) for e in part.edges) for row in rows])
    left = [left_over(part.program, e, rows) for e in part.edges]
    inside = _Part(
        part.program, part.names, {n: part.rows[n] + found[n] for n in part.names},
        tuple(e for e in left if e is not None),
    )  # fmt: skip
    return Band(found, True, coincident, _schedule(inside))


# ---- one band -----------------------------------------------------------------------------------
def _band(part: _Part) -> list[Rows]:
    """Return hyperplanes that are legal together, as many as there are."""
    base = _useful([*_legal(part), *_short(part)])
    variables = _variables(part)
    rows: list[Rows] = []
    while not part.is_complete:
        solution = isl.least_solution(variables, [*base, *_independent(part)])
        if solution is None:
            break
        row = {n: _form(part, n, solution) for n in part.names}
        rows.append(row)
        known = {n: (*part.rows[n], row[n]) for n in part.names}
        part = _Part(part.program, part.names, known, part.edges)
    return rows


def _variables(part: _Part) -> list[str]:
    """Return the unknowns, those to be small first; inner indices before outer ones."""
    sizes = max((e.cone.sizes for e in part.edges), default=0)
    names = [f"u{n}" for n in range(sizes)] + ["w"]
    for at, name in enumerate(part.names):
        names += [f"h{at}_{n}" for n in reversed(range(part.depth(name)))] + [f"c{at}"]
    return names


def _form(part: _Part, name: str, solution: Mapping[str, int]) -> Affine:
    at, indices = part.names.index(name), part.program.statement(name).indices
    return Affine.of([(i, solution[f"h{at}_{n}"]) for n, i in enumerate(indices)],
                     solution[f"c{at}"])  # fmt: skip


def _legal(part: _Part) -> Iterator[Condition]:
    """A dependence does not go back: target row - source row >= 0 on its relation."""
    for edge in part.edges:
        if edge.orders:
            for exact, factors in edge.cone.rows:
                yield exact, _over_unknowns(part, edge, factors, 1)


def _short(part: _Part) -> Iterator[Condition]:
    """A dependence does not reach far: u . sizes + w - (target row - source row) >= 0."""
    for edge in part.edges:
        if edge.near:
            for exact, factors in edge.cone.rows:
                found = _over_unknowns(part, edge, factors, -1)
                _add(found, "w", factors[0])
                for n in range(edge.cone.sizes):
                    _add(found, f"u{n}", factors[1 + n])
                yield exact, found


def _useful(conditions: list[Condition]) -> list[Condition]:
    """Drop what is said twice, and what holds for all values >= 0."""
    found: dict[object, Condition] = {}
    for exact, factors in conditions:
        kept = {name: c for name, c in factors.items() if c}
        if (exact and kept) or any(c < 0 for c in kept.values()):
            found[exact, tuple(sorted(kept.items()))] = (exact, kept)
    return list(found.values())


def _over_unknowns(part: _Part, edge: Edge, factors: tuple[int, ...], sign: int) -> dict[str, int]:
    """Write a condition on the form sign * (target row - source row) over the unknowns."""
    source, target = part.names.index(edge.source), part.names.index(edge.target)
    found: dict[str, int] = {}
    _add(found, f"c{target}", sign * factors[0])
    _add(found, f"c{source}", -sign * factors[0])
    at = 1 + edge.cone.sizes
    for n in range(part.depth(edge.source)):
        _add(found, f"h{source}_{n}", -sign * factors[at + n])
    at += part.depth(edge.source)
    for n in range(part.depth(edge.target)):
        _add(found, f"h{target}_{n}", sign * factors[at + n])
    return found


def _add(found: dict[str, int], name: str, factor: int) -> None:
    found[name] = found.get(name, 0) + factor


def _independent(part: _Part) -> Iterator[Condition]:
    """Each statement's row has a part outside the span of its rows so far, and a positive one."""
    for at, name in enumerate(part.names):
        basis = part.missing(name)
        for vector in basis:
            yield False, {f"h{at}_{n}": c for n, c in enumerate(vector)}
        if basis:
            total = [sum(column) for column in zip(*basis)]
            yield False, {**{f"h{at}_{n}": c for n, c in enumerate(total)}, "": -1}
