"""Undo index-set splitting: which statements of a scheduled program are parts of one statement.

``partition S where ... -> R`` gives the program a second statement that keeps the whole domain of
``S``; which of them runs an instance is the tree's affair. The program that a tree is held against
has ``S`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loopstack.ir.program import Program, Reduction, Statement
from loopstack.schedule.partition import Partition
from loopstack.schedule.script import Schedule


def parts_of(schedule: Schedule) -> dict[str, str]:
    """Return, for every part that a script made, the statement it is a part of."""
    parts: dict[str, str] = {}
    for command in schedule.commands:
        if isinstance(command, Partition):
            whole = command.statement
            parts[command.name] = parts.get(whole, whole)
    return parts


def whole_program(program: Program, parts: Mapping[str, str]) -> Program | None:
    """Return the program without parts; None when later commands changed one of them alone."""
    statements = []
    for s in program.statements:
        group = [t for t in program.statements if parts.get(t.name, t.name) == s.name]
        if s.name in parts:
            continue
        if any(_without_start(t, s.name) != _without_start(s, s.name) for t in group):
            return None
        started = [t.reduction for t in group if t.reduction and t.reduction.init == "identity"]
        statements.append(replace(s, reduction=started[0]) if started else s)
    return replace(program, statements=tuple(statements))


def _without_start(s: Statement, name: str) -> Statement:
    reduction = None if s.reduction is None else Reduction(s.reduction.operator)
    return replace(s, name=name, reduction=reduction)
