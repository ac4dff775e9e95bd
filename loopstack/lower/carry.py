"""Carry an element in a register from the iteration that stores it to the next, which reads it.

                                          c = A[lo - 1]
    for j = lo .. hi:               ->    for j = lo .. hi:
      A[j] = f(A[j - 1])                    c = f(c)
                                            A[j] = c

Behind a test that the loop runs at all, unless its bounds say so. Requires: an innermost sequential
loop with one lower bound; the store and the reads happen in every iteration; no other store of the
body reaches the element between the two (distinct.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import Load, loads
from loopstack.lower.distinct import is_positive, never_equal
from loopstack.lower.nest import Assign, For, If, NestNode
from loopstack.lower.registers import Registers, as_target
from loopstack.lower.uses import Place, place_of, replace_loads, uses

Nodes = tuple[NestNode, ...]
Path = tuple[For, ...]


@dataclass(frozen=True)
class Carried:
    """The statement at ``position`` of a body stores what later iterations read at ``read``."""

    position: int
    stored: Place
    read: Place


def carry(nodes: Nodes, registers: Registers, path: Path = ()) -> Nodes:
    """Return ``nodes`` with what innermost loops carry in registers."""
    out: list[NestNode] = []
    for node in nodes:
        out.extend(_carry_node(node, registers, path))
    return tuple(out)


def _carry_node(node: NestNode, registers: Registers, path: Path) -> Nodes:
    if isinstance(node, If):
        then = carry(node.then, registers, path)
        orelse = carry(node.orelse, registers, path)
        return (If(node.zero, node.nonnegative, then, orelse),)
    if not isinstance(node, For) or node.kind == "vector":
        return (node,)
    if any(isinstance(inner, For) for inner in node.body):
        return (node.with_body(carry(node.body, registers, (*path, node))),)
    return _carry_loop(node, registers, path)


def _carry_loop(loop: For, registers: Registers, path: Path) -> Nodes:
    if loop.kind != "seq" or len(loop.lowers) != 1:
        return (loop,)
    first: list[NestNode] = []
    changed = loop
    for found in _find(loop, registers, path):
        register = registers.fresh(found.read.array, "carried")
        start = found.read.offset.substitute({loop.name: loop.lowers[0]})
        value = Load(found.read.array, (start,), register.dtype)
        first.append(Assign(as_target(register), value, _statement(loop.body[found.position])))
        changed = _through_register(changed, found, register, registers)
    if not first:
        return (loop,)
    extents = [upper - loop.lowers[0] for upper in loop.uppers]
    tests = tuple([extent - 1 for extent in extents if not is_positive(extent, path)])
    return (If((), tests, (*first, changed)),) if tests else (*first, changed)


def _statement(node: NestNode) -> str:
    assert isinstance(node, Assign)
    return node.statement


# ---- what is carried ------------------------------------------------------------------------
def _find(loop: For, registers: Registers, path: Path) -> list[Carried]:
    """Return what the loop carries, in text order of the stores."""
    always_read = {
        place_of(load)
        for node in loop.body
        if isinstance(node, Assign)
        for load in loads(node.expr)
    }
    back = {loop.name: form_of(loop.name) - 1}
    found = []
    for position, node in enumerate(loop.body):
        if not isinstance(node, Assign) or not registers.can_hold(node.target.array):
            continue
        stored = place_of(node.target)
        read = Place(stored.array, stored.offset.substitute(back))
        if node.stream or stored == read or read not in always_read:
            continue
        if _reaches(loop, position, stored, read, path):
            found.append(Carried(position, stored, read))
    return found


def _reaches(loop: For, position: int, stored: Place, read: Place, path: Path) -> bool:
    """Tell whether no other store comes between a store and the reads of the next iteration."""
    others = loop.body[:position] + loop.body[position + 1 :]
    return all(
        never_equal(use.place.offset, offset, use.path)
        for use in uses(others, (*path, loop))
        if use.is_write and use.place.array == stored.array
        for offset in (stored.offset, read.offset)
    )


# ---- the rewritten loop ---------------------------------------------------------------------
def _through_register(loop: For, found: Carried, register: Load, registers: Registers) -> For:
    """Return the loop that reads ``register`` and leaves the stored value in it."""
    reads = [_with_register(node, found.read, register) for node in loop.body]
    store = reads[_position(loop, found.stored)]
    at = reads.index(store)
    assert isinstance(store, Assign)
    is_read_later = any(_reads(node, register) for node in reads[at + 1 :])
    value = registers.fresh(found.read.array, "next") if is_read_later else register
    parts: list[NestNode] = [
        Assign(as_target(value), store.expr, store.statement),
        Assign(store.target, value, store.statement),
    ]
    copy: list[NestNode] = []
    if is_read_later:
        copy.append(Assign(as_target(register), value, store.statement))
    return loop.with_body((*reads[:at], *parts, *reads[at + 1 :], *copy))


def _position(loop: For, stored: Place) -> int:
    return next(
        n
        for n, node in enumerate(loop.body)
        if isinstance(node, Assign) and place_of(node.target) == stored
    )


def _with_register(node: NestNode, place: Place, register: Load) -> NestNode:
    if isinstance(node, Assign):
        expr = replace_loads(node.expr, place, register)
        return Assign(node.target, expr, node.statement, node.stream)
    if isinstance(node, If):
        then = tuple([_with_register(n, place, register) for n in node.then])
        orelse = tuple([_with_register(n, place, register) for n in node.orelse])
        return If(node.zero, node.nonnegative, then, orelse)
    return node


def _reads(node: NestNode, register: Load) -> bool:
    return any(u.place == place_of(register) and not u.is_write for u in uses((node,)))
