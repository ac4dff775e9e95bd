"""Rows that tell the iterations of a thin domain apart by its equalities: apart everywhere.

A statement with ``j = i + 1`` in its domain may have the rows (j, -j): enough for its own points,
but no change of both loops. With a multiple of ``j - i - 1``, which is 0, they are (j, -i - 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loopstack.ir.affine import Affine
from loopstack.ir.program import Program, Statement
from loopstack.poly import isl
from loopstack.poly.dependence import domain_text
from loopstack.poly.orthogonal import rank
from loopstack.poly.time_tree import Band, InOrder, Part, Single, rows_of


def with_full_rank(program: Program, sizes: Mapping[str, int], part: Part) -> Part:
    """Return the tree with rows of full rank where equalities of domains allow it."""
    for s in program.statements:
        rows = rows_of(part, s.name)
        if _rank(s, rows) < len(s.indices):
            alone = replace(program, statements=(s,))
            zeros = [form_of_row(s, sizes, row) for row in isl.equalities(domain_text(alone))]
            part = _with_rows(part, s.name, _completed(s, rows, zeros))
    return part


def form_of_row(s: Statement, sizes: Mapping[str, int], row: isl.Row) -> Affine:
    """Return a row of isl's over the statement's indices; ``sizes`` are values by isl's names."""
    const = row.const + sum(c * sizes[name] for name, c in row.sizes.items() if c)
    return Affine.of(zip(s.indices, row.indices), const)


def _rank(s: Statement, rows: Sequence[Affine]) -> int:
    return rank([[row.coefficient(i) for i in s.indices] for row in rows])


def _completed(s: Statement, rows: list[Affine], zeros: list[Affine]) -> list[Affine]:
    for zero in zeros:
        for at, row in enumerate(rows):
            for other in (row + zero, row - zero):
                changed = [*rows[:at], other, *rows[at + 1 :]]
                if _rank(s, changed) > _rank(s, rows):
                    rows = changed
                    break
    return rows


def _with_rows(part: Part, statement: str, rows: list[Affine]) -> Part:
    """Return the tree with other rows for one statement."""
    if isinstance(part, Single):
        return part
    if isinstance(part, InOrder):
        return InOrder(tuple([_with_rows(p, statement, rows) for p in part.parts]))
    if statement not in part.rows:
        return part
    mine = {**part.rows, statement: tuple(rows[: part.depth])}
    return Band(mine, part.permutable, part.coincident,
                _with_rows(part.inside, statement, rows[part.depth :]))  # fmt: skip
