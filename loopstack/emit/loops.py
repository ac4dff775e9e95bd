"""A program as nested loops in program order: the common half of the text emitters.

Statements share a loop where ``order`` says so. A shared loop has the bounds that its statements
have in common, else it runs over the hull of their ranges; guards keep each statement to its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Union

from loopstack.emit.bounds import Bounds, bound_of, guards, loop_bounds, shared_bounds
from loopstack.ir.affine import Affine, name
from loopstack.ir.expr import map_subscripts
from loopstack.ir.program import Access, Program, Statement


@dataclass(frozen=True)
class For:
    """``index`` runs from the least lower bound to the greatest upper bound of ``ranges``."""

    index: str
    ranges: tuple[Bounds, ...]
    body: tuple[Node, ...]


@dataclass(frozen=True)
class Guard:
    """The body runs where all forms are >= 0."""

    nonnegative: tuple[Affine, ...]
    body: tuple[Node, ...]


@dataclass(frozen=True)
class Assign:
    """One statement, written over loop variables."""

    statement: Statement


@dataclass(frozen=True)
class Fill:
    """The identity of a reduction, written before its loops. ``statement`` is the reduction."""

    statement: Statement


Node = Union[For, Guard, Assign, Fill]


def program_loops(program: Program, *, fill_inside: bool = False) -> tuple[Node, ...]:
    """Return the loops of a program; loop variables are unique on every path.

    ``fill_inside``: a reduction on its own nest is set to its identity right before its first
    reduction loop, as a person would write it, not in a nest before. Raises ValueError when an
    index is unbounded.
    """
    active = [_Active.of(i, s, fill_inside) for i, s in enumerate(program.statements)]
    return _group(active, 0, ())


@dataclass(frozen=True)
class _Active:
    """A statement below ``depth`` loops; its indices are loop variables already."""

    statement: Statement
    order: tuple[int, ...]
    bounds: tuple[Bounds, ...]
    filled: bool
    fill_inside: bool = False
    wide: tuple[tuple[str, Bounds | None], ...] = ()
    """Shared loops that run outside this statement's domain too, with the bounds they keep."""

    @staticmethod
    def of(position: int, statement: Statement, fill_inside: bool) -> _Active:
        order = statement.order or (position,) + (0,) * len(statement.indices)
        bounds = tuple(loop_bounds(statement.constraints, statement.indices))
        reduction = statement.reduction
        filled = reduction is None or reduction.init == "existing"
        return _Active(statement, order, bounds, filled, fill_inside)

    def fill_level(self, depth: int) -> int:
        """Return the loop before which the identity is written, of those from ``depth`` on."""
        if not self.fill_inside:
            return depth
        reduced = set(self.statement.reduction_indices)
        levels = range(depth, len(self.statement.indices))
        return next((at for at in levels if self.statement.indices[at] in reduced), depth)

    def rename(self, names: dict[str, str]) -> _Active:
        forms = {old: name(new) for old, new in names.items() if old != new}
        if not forms:
            return self
        bounds = tuple(b.substitute(forms) for b in self.bounds)
        return replace(self, statement=rename(self.statement, names), bounds=bounds)

    def tests(self) -> tuple[Affine, ...]:
        """Return the constraints that the loops do not enforce."""
        indices = self.statement.indices
        left = guards(self.statement.constraints, indices)

        wide = dict(self.wide)

        def is_open(form: Affine) -> bool:
            loop = next((i for i in reversed(indices) if i in form.names), "")
            kept = wide.get(loop)
            if loop not in wide or kept is None:
                return loop in wide
            return bound_of(loop, form)[1] not in kept.lowers + kept.uppers

        return tuple(f for f in self.statement.constraints if f in left or is_open(f))


def rename(statement: Statement, names: dict[str, str]) -> Statement:
    """Rename indices."""
    forms = {old: name(new) for old, new in names.items()}

    def fix(form: Affine) -> Affine:
        return form.substitute(forms)

    return replace(
        statement,
        indices=tuple(names.get(i, i) for i in statement.indices),
        constraints=tuple(map(fix, statement.constraints)),
        write=Access(statement.write.array, tuple(map(fix, statement.write.subscripts))),
        expr=map_subscripts(statement.expr, fix),
    )


def _group(active: Sequence[_Active], depth: int, path: tuple[str, ...]) -> tuple[Node, ...]:
    by_position: dict[int, list[_Active]] = {}
    for each in active:
        by_position.setdefault(each.order[depth], []).append(each)
    body: list[Node] = []
    for position in sorted(by_position):
        together = by_position[position]
        if len(together) == 1 or any(len(e.statement.indices) == depth for e in together):
            for each in together:
                body.extend(_alone(each, depth, path))
        else:
            body.extend(_shared(together, depth, path))
    return tuple(body)


def _shared(active: Sequence[_Active], depth: int, path: tuple[str, ...]) -> tuple[Node, ...]:
    variable = fresh(active[0].statement.indices[depth], path)
    fills: list[Node] = []
    inside: list[_Active] = []
    for each in active:
        if not each.filled and each.statement.indices[depth] in each.statement.reduction_indices:
            fills.extend(_fill(each, depth, path))
            each = replace(each, filled=True)
        inside.append(each.rename(_names(each.statement, depth, variable, path)))
    ranges = tuple(dict.fromkeys(each.bounds[depth] for each in inside))
    if len(ranges) > 1:
        common = shared_bounds(ranges)
        inside = [replace(each, wide=(*each.wide, (variable, common))) for each in inside]
        ranges = ranges if common is None else (common,)
    body = _group(inside, depth + 1, (*path, variable))
    return (*fills, For(variable, ranges, body))


def _names(
    statement: Statement, depth: int, variable: str, path: tuple[str, ...]
) -> dict[str, str]:
    """Rename index ``depth`` to ``variable``, and deeper ones out of its way."""
    names = {statement.indices[depth]: variable}
    for index in statement.indices[depth + 1 :]:
        names[index] = fresh(index, (*path, *names.values()))
    return names


def _alone(active: _Active, depth: int, path: tuple[str, ...]) -> tuple[Node, ...]:
    names: dict[str, str] = {}
    for index in active.statement.indices[depth:]:
        names[index] = fresh(index, (*path, *names.values()))
    active = active.rename(names)
    statement = active.statement
    fill_level = active.fill_level(depth)
    outer = (*path, *statement.indices[depth:fill_level])
    fills = () if active.filled else _fill(active, fill_level, outer)
    tests = active.tests()
    body: tuple[Node, ...] = (Assign(statement),)
    for level in reversed(range(depth, len(statement.indices))):
        index = statement.indices[level]
        body = _guarded([form for form in tests if index in form.names], body)
        tests = tuple(form for form in tests if index not in form.names)
        body = (For(index, (active.bounds[level],), body),)
        body = (*fills, *body) if level == fill_level > depth else body
    body = _guarded(tests, body)
    return body if fill_level > depth else (*fills, *body)


def _guarded(tests: Sequence[Affine], body: tuple[Node, ...]) -> tuple[Node, ...]:
    return (Guard(tuple(tests), body),) if tests else body


def _fill(active: _Active, depth: int, path: tuple[str, ...]) -> tuple[Node, ...]:
    """Return loops that set what a reduction writes to its identity."""
    source = active.statement
    reduced = set(source.reduction_indices)
    kept = tuple(i for i in source.indices if i not in reduced)
    constraints = tuple(c for c in source.constraints if c.names.isdisjoint(reduced))
    names: dict[str, str] = {}
    for index in kept:
        taken = index in source.indices[:depth]
        names[index] = index if taken else fresh(index, (*path, *names.values()))
    statement = rename(replace(source, indices=kept, constraints=constraints), names)
    outer = sum(1 for i in source.indices[:depth] if i not in reduced)
    bounds = loop_bounds(statement.constraints, statement.indices)
    left = replace(active, statement=statement).tests()
    body = _guarded(left, (Fill(statement),))
    for level in reversed(range(outer, len(kept))):
        body = (For(statement.indices[level], (bounds[level],), body),)
    return body


def fresh(wanted: str, taken: Sequence[str]) -> str:
    """Return ``wanted``, or the first of wanted_2, wanted_3, ... that is not taken."""
    candidate, number = wanted, 1
    while candidate in taken:
        number += 1
        candidate = f"{wanted}_{number}"
    return candidate
