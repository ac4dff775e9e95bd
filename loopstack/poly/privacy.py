"""Values that a private copy loses: those that pass from one iteration of its loop to another.

A privatized array has one copy for each iteration of a loop of the tree. What the program reads
must have been written in the same iteration; then conflicts between iterations do not count, and
within one the usual order does (poly/legality.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from loopstack.ir.loop_tree import Buffer
from loopstack.ir.program import Program, Statement
from loopstack.poly import isl
from loopstack.poly.accesses import Place, View
from loopstack.poly.dependence import Dependence, dependences_on, instance_text

FLOWS_KEPT = 64


@dataclass(frozen=True)
class LostValue:
    """``target`` reads what ``source`` wrote in another iteration; both as text."""

    source: str
    target: str


def lost_value(view: View, buffer: Buffer) -> LostValue | None:
    """Return a value that passes between iterations of the buffer's loop, None without."""
    name = buffer.array.name
    depth = view.depth_of_buffer(name)
    for flow in flows_of(view.program, name):
        ends = [view.places.get(end) for end in (flow.source, flow.target)]
        if None in ends:
            continue
        texts = [_iterations(view.program, place, depth) for place in ends if place is not None]
        pair = isl.first_parted(flow.relation, *texts)
        if pair is not None:
            source, target = (view.program.statement(end) for end in (flow.source, flow.target))
            return LostValue(_instance(source, pair[0]), _instance(target, pair[1]))
    return None


@lru_cache(maxsize=FLOWS_KEPT)
def flows_of(program: Program, array: str) -> tuple[Dependence, ...]:
    """Return the dependences through which values of ``array`` pass."""
    found = dependences_on(program, array)
    return tuple(d for d in found if d.kind in ("flow", "reduction"))


def _iterations(program: Program, place: Place, depth: int) -> str:
    """Return the map from a statement's instances to the outer loops' values as isl text."""
    statement = program.statement(place.leaf.statement)
    number = program.statements.index(statement)
    names = {loop.name: f"l{n}" for n, loop in enumerate(place.loops)}
    indices = [f"i{n}" for n in range(len(statement.indices))]
    binding = dict(place.leaf.binding)
    conditions = [f"{isl.form_text(c, names)} >= 0" for c in place.leaf.constraints]
    conditions += [f"0 <= {names[loop.name]} < {loop.extent}" for loop in place.loops
                   if loop.extent is not None]  # fmt: skip
    conditions += [f"{i} = {isl.form_text(binding[index], names)}"
                   for i, index in zip(indices, statement.indices)]  # fmt: skip
    outer = [names[loop.name] for loop in place.loops[:depth]]
    inner = [names[loop.name] for loop in place.loops[depth:]]
    exists = f"exists {', '.join(inner)} : " if inner else ""
    return (
        f"{{ S{number}[{', '.join(indices)}] -> [{', '.join(outer)}] : "
        f"{exists}{isl.conjunction(conditions)} }}"
    )


def _instance(statement: Statement, values: tuple[int, ...]) -> str:
    return instance_text(statement, dict(zip(statement.indices, values)))
