"""Which statements the default schedule fuses along their outermost index.

Two neighbours share their first loop when both run it over the same range and every temporary that
passes between them is written and read at that same index: softmax's max, exponentials, sum and
quotient become one loop over rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.program import Program, Statement
from loopstack.schedule.access_shape import StatementShape


@dataclass(frozen=True)
class Fused:
    """Script lines, and for every statement the loops another statement of its group owns."""

    lines: list[str]
    owned: dict[str, tuple[str, ...]]

    def head_of(self, statement: str) -> tuple[str, ...]:
        return self.owned.get(statement, ())


def fusion_script(program: Program, shapes: list[StatementShape]) -> Fused:
    """Return ``fuse`` commands for every run of statements that share their first index."""
    lines: list[str] = []
    owned: dict[str, tuple[str, ...]] = {}
    group: list[StatementShape] = []
    for shape in shapes:
        if group and all(_can_share(program, other, shape) for other in group):
            head = group[0].statement
            mine = f"{shape.statement.name}.{shape.statement.indices[0]}"
            lines.append(f"fuse {head.name}.{head.indices[0]} {mine}")
            owned[shape.statement.name] = (mine,)
            owned.setdefault(head.name, ())
            group.append(shape)
        else:
            group = [shape]
    return Fused(lines, owned)


def _can_share(program: Program, first: StatementShape, second: StatementShape) -> bool:
    a, b = first.statement, second.statement
    if not a.indices or not b.indices or len(a.indices) < 2:
        return False
    if a.indices[0] in a.reduction_indices or b.indices[0] in b.reduction_indices:
        return False
    if first.extents[a.indices[0]] != second.extents[b.indices[0]]:
        return False
    passed = [load for load in b.reads if load.array == a.write.array]
    leading = [load.subscripts[:1] for load in passed]
    related = bool(passed) or _reads_common(a, b)
    rewritten = a.write.array == b.write.array
    return related and not rewritten and all(
        s == (form_of(b.indices[0]),) for s in leading
    ) and (not passed or _writes_at(a))  # fmt: skip


def _writes_at(statement: Statement) -> bool:
    first: tuple[Affine, ...] = statement.write.subscripts[:1]
    return first == (form_of(statement.indices[0]),)


def _reads_common(a: Statement, b: Statement) -> bool:
    """Both read an array at their first index: sharing the loop reuses it from cache."""
    ours = {(load.array, load.subscripts[:1] == (form_of(a.indices[0]),)) for load in a.reads}
    theirs = {(load.array, load.subscripts[:1] == (form_of(b.indices[0]),)) for load in b.reads}
    return any(aligned for _, aligned in ours & theirs)
