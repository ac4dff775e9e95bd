"""isl's scheduler on a program: its schedule tree as a time tree.

Validity: all dependences but those between updates that may run in any order. Proximity: the
dependences through memory, those updates included. Coincidence: all of them.
Source: Verdoolaege and Janssens, "Scheduling for PPCG", 2017.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from loopstack.ir.program import Program
from loopstack.poly import isl
from loopstack.poly.dependence import domain_text
from loopstack.poly.edges import Edge
from loopstack.poly.full_rank import form_of_row, with_full_rank
from loopstack.poly.time_tree import Band, InOrder, Part, Single


def isl_tree(program: Program, sizes: Mapping[str, int], dependences: Sequence[Edge]) -> Part:
    """Return isl's schedule of a program with these dependences.

    ``sizes`` are the values that sizes in constants of the schedule get.

    Raises ScheduleNotFound when isl takes too long, or finds rows that are not affine.
    """
    values = {f"p{n}": sizes[name] for n, name in enumerate(program.sizes)}
    with isl.solving("isl's scheduler"):
        root = isl.compute_schedule(
            domain_text(program),
            [e.relation for e in dependences if e.orders],
            [e.relation for e in dependences if e.near],
            [e.relation for e in dependences],
        )
        return with_full_rank(program, values, _part(program, values, root))


def _part(program: Program, sizes: Mapping[str, int], node: isl.ScheduleNode) -> Part:
    if node.rows is None:
        parts = [_part(program, sizes, child) for child in node.children]
        parts = parts or [Single(name) for name in _in_text_order(program, node.names)]
        return parts[0] if len(parts) == 1 else InOrder(tuple(parts))
    rows = {
        s.name: tuple([form_of_row(s, sizes, row) for row in node.rows[f"S{number}"]])
        for number, s in enumerate(program.statements)
        if f"S{number}" in node.rows
    }
    inside = _part(program, sizes, node.children[0])
    return Band(rows, node.permutable, node.coincident, inside)


def _in_text_order(program: Program, names: Iterable[str]) -> list[str]:
    return [s.name for n, s in enumerate(program.statements) if f"S{n}" in names]
