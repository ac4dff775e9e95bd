"""Dependences as scheduling algorithms ask for them: what orders, what is only close, what may not
run at once.

    flow, anti, output      order the two instances, and bring them close together
    reduction               two updates of one relaxed accumulator: any order, but not at once

Updates in any order hide nothing: what reads the result, or writes the element before, is ordered
with every update, not only with the last or the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from loopstack.ir.affine import Affine
from loopstack.ir.program import Program
from loopstack.poly import isl
from loopstack.poly.components import components
from loopstack.poly.dependence import conflicts_on, dependences_on, relaxed


@dataclass(frozen=True)
class Edge:
    """``source`` instances and what depends on them; ``relation`` is an isl map.

    ``orders``: the target may not run earlier. ``near``: both should run close together.
    """

    source: str
    target: str
    relation: Any
    orders: bool
    near: bool

    @cached_property
    def cone(self) -> isl.Cone:
        """Every affine form that is not negative on the relation."""
        return isl.cone(self.relation)

    @property
    def is_loop(self) -> bool:
        return self.source == self.target


def edges(program: Program) -> list[Edge]:
    """Return what scheduling has to respect and wants to bring together."""
    found: list[Edge] = []
    for array in program.arrays:
        loose = any(s.write.array == array.name and relaxed(program, s.name)
                    for s in program.statements)  # fmt: skip
        for d in dependences_on(program, array.name):
            free = d.kind == "reduction" or (loose and d.source != d.target)
            found.append(Edge(d.source, d.target, d.relation, not free, True))
        if loose:
            found += [Edge(source, target, relation, True, False)
                      for source, target, relation in conflicts_on(program, array.name)
                      if source != target]  # fmt: skip
    return found


def difference(program: Program, edge: Edge, rows: Mapping[str, Affine]) -> list[int]:
    """Return target row - source row over (1, sizes, source indices, target indices)."""
    source, target = (program.statement(name) for name in (edge.source, edge.target))
    first, second = rows[edge.source], rows[edge.target]
    mine = [-first.coefficient(i) for i in source.indices]
    other = [second.coefficient(i) for i in target.indices]
    sizes = [0] * edge.cone.sizes
    return [second.const - first.const, *sizes, *mine, *other]


def never_back(program: Program, edge: Edge, rows: Mapping[str, Affine], least: int = 0) -> bool:
    """Tell whether the target's row is at least ``least`` more than the source's, surely."""
    form = difference(program, edge, rows)
    form[0] -= least
    return edge.cone.holds(form)


def at_once(program: Program, edge: Edge, rows: Mapping[str, Affine]) -> bool:
    """Tell whether both rows are always equal, surely."""
    form = difference(program, edge, rows)
    return edge.cone.holds(form) and edge.cone.holds([-c for c in form])


def left_over(program: Program, edge: Edge, rows: list[Mapping[str, Affine]]) -> Edge | None:
    """Return the part of an edge where all ``rows`` are equal; None when there is none."""
    if any(never_back(program, edge, row, 1) for row in rows):
        return None
    open_rows = [row for row in rows if not at_once(program, edge, row)]
    if not open_rows:
        return edge
    forms = [difference(program, edge, row) for row in open_rows]
    relation = isl.where_zero(edge.relation, forms)
    return None if relation is None else replace(edge, relation=relation)


def order_below(
    program: Program, found: Sequence[Edge], names: Sequence[str], rows: list[Mapping[str, Affine]]
) -> list[str] | None:
    """Return an order in which statements may run one after the other where ``rows`` are equal.

    None when some of them have to take turns.
    """
    inside = [e for e in found if e.orders and e.source in names and e.target in names]
    left = {(e.source, e.target) for e in inside
            if not e.is_loop and left_over(program, e, rows) is not None}  # fmt: skip
    order = components(names, left)
    return None if len(order) < len(names) else [name for (name,) in order]
