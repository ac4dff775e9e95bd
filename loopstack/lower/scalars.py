"""What makes scalar loops fast, in order: keep within a body, carry between iterations, unroll."""

from __future__ import annotations

from collections.abc import Sequence

from loopstack.lower.carry import carry
from loopstack.lower.keep import keep_in_registers
from loopstack.lower.nest import Assign, For, If, NestArray, NestNode, edit
from loopstack.lower.recurrence import ShortChains
from loopstack.lower.registers import Registers
from loopstack.lower.unroll import unroll_short_bodies

Nodes = tuple[NestNode, ...]


def replace_scalars(
    body: Nodes, arrays: Sequence[NestArray], reassociate: bool
) -> tuple[Nodes, list[NestArray]]:
    """Return ``body`` with elements in registers, and those registers.

    Sums change their rounding only with ``reassociate``.
    """
    if not _has_scalar_code(body):
        return body, []
    registers = Registers({array.name: array for array in arrays})
    body = keep_in_registers(body, registers)
    body = carry(body, registers)
    if reassociate:
        body = edit(body, ShortChains(frozenset(array.name for array in registers.made)).visit)
    return unroll_short_bodies(body), registers.made


def _has_scalar_code(nodes: Nodes) -> bool:
    for node in nodes:
        if isinstance(node, For):
            if node.kind != "vector" and _has_scalar_code(node.body):
                return True
        elif isinstance(node, Assign) or (
            isinstance(node, If) and _has_scalar_code(node.then + node.orelse)
        ):
            return True
    return False
