"""Which statements the default schedule fuses along their outermost index.

Two neighbours share their first loop when both run it over the same range and every temporary that
passes between them is written and read at that same index: softmax's max, exponentials, sum and
quotient become one loop over rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from loopstack.ir.affine import name as form_of
from loopstack.ir.program import Program, Statement
from loopstack.schedule.access_shape import StatementShape


@dataclass(frozen=True)
class Fused:
    """Script lines, the shared loops of every statement, and (loop, members) of every group."""

    lines: list[str]
    owned: dict[str, tuple[str, ...]]
    groups: list[tuple[str, list[StatementShape]]]

    def head_of(self, statement: str) -> tuple[str, ...]:
        return self.owned.get(statement, ())


def fusion_script(
    program: Program, shapes: list[StatementShape], alone: Collection[str] = ()
) -> Fused:
    """Return ``fuse`` commands for every run of statements that share their first index.

    Statements in ``alone`` keep loops of their own.
    """
    lines: list[str] = []
    owned: dict[str, tuple[str, ...]] = {}
    groups: list[tuple[str, list[StatementShape]]] = []
    group: list[StatementShape] = []
    for shape in shapes:
        if group and shape.statement.name not in alone and _fits(group, shape):
            head = group[0].statement
            if len(group) == 1:
                groups.append((_outer_loop(head), group))
            lines.append(f"fuse {_outer_loop(head)} {_outer_loop(shape.statement)}")
            owned[shape.statement.name] = (_outer_loop(shape.statement),)
            owned[head.name] = (_outer_loop(head),)
            group.append(shape)
        else:
            group = [] if shape.statement.name in alone else [shape]
    return Fused(lines, owned, groups)


def _outer_loop(statement: Statement) -> str:
    return f"{statement.name}.{statement.indices[0]}"


def _fits(group: list[StatementShape], shape: StatementShape) -> bool:
    """Allowed next to every member, and worth it because of at least one."""
    if any(not _may_share(member, shape) for member in group):
        return False
    return any(_passes_data(m.statement, shape.statement) for m in group)


def _may_share(first: StatementShape, second: StatementShape) -> bool:
    """Same range of the first index, and everything passed on is passed at that same index."""
    a, b = first.statement, second.statement
    if not _has_outer_loop(first) or not _has_outer_loop(second):
        return False
    if first.extents[a.indices[0]] != second.extents[b.indices[0]]:
        return False
    if a.write.array == b.write.array:
        return False
    passed = [load for load in b.reads if load.array == a.write.array]
    aligned = all(load.subscripts[:1] == (form_of(b.indices[0]),) for load in passed)
    return aligned and (not passed or a.write.subscripts[:1] == (form_of(a.indices[0]),))


def _has_outer_loop(shape: StatementShape) -> bool:
    """The first index is no reduction, and there is a loop below it to keep in cache."""
    s = shape.statement
    recurrence = any(load.array == s.write.array for load in s.reads)
    return len(s.indices) > 1 and s.indices[0] not in s.reduction_indices and not recurrence


def _passes_data(a: Statement, b: Statement) -> bool:
    """``b`` reads what ``a`` writes, or both read one array at their first index."""
    if any(load.array == a.write.array for load in b.reads):
        return True
    ours = {load.array for load in a.reads if load.subscripts[:1] == (form_of(a.indices[0]),)}
    theirs = {load.array for load in b.reads if load.subscripts[:1] == (form_of(b.indices[0]),)}
    return bool(ours & theirs)
