"""When a temporary may have one copy an iteration: no value passes between the iterations."""

from __future__ import annotations

from collections.abc import Mapping

from loopstack.ir.program import Program
from loopstack.poly.dependence import Dependence, values_passed_on


def carried_value(
    program: Program, array: str, indices: Mapping[str, tuple[str, ...]]
) -> Dependence | None:
    """Return a dependence that passes a value of ``array`` between iterations of some loops.

    ``indices`` gives, for the statements that shall use copies, their indices along these loops,
    which all of them share. None: each iteration may use a copy of its own.
    """
    for dependence in values_passed_on(program, array):
        ends = {dependence.source, dependence.target}
        if ends.isdisjoint(indices):
            continue
        if not ends <= indices.keys():
            return dependence
        carried = dict(zip(dependence.common, dependence.distances))
        if any(carried.get(index) != (0, 0) for index in indices[dependence.source]):
            return dependence
    return None
