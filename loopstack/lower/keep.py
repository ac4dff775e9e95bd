"""Keep an element that several statements of one body update in a register.

    t[i] = max(t[i], a)          r = t[i]
    if ... { t[i] = ... }   ->   r = max(r, a)
    for k: t[i] = ...            if ... { r = ... }
                                 for k: r = ...
                                 t[i] = r

Requires, for the nodes from the first to the last that use the element: nothing else there may use
it (distinct.py), they are scalar code, and a statement that always runs writes it. Then the store
behind them writes nothing that would not have been written, and the load reads what may be read.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopstack.ir.expr import Load, loads
from loopstack.ir.program import Access
from loopstack.lower.distinct import never_equal
from loopstack.lower.nest import Assign, For, If, NestNode, edit, walk
from loopstack.lower.registers import Registers, as_target
from loopstack.lower.uses import Place, Use, place_of, replace_loads, uses

Nodes = tuple[NestNode, ...]
Path = tuple[For, ...]
FEWEST_STORES = 2


def keep_in_registers(nodes: Nodes, registers: Registers, path: Path = ()) -> Nodes:
    """Return ``nodes`` with the elements that a body updates repeatedly in registers."""
    for place in _updated_elements(nodes, registers, path):
        region = _region(nodes, place)
        if _is_replaceable(nodes[region], place, path):
            nodes = _replaced(nodes, region, place, registers)
    return tuple([_inside(node, registers, path) for node in nodes])


def _inside(node: NestNode, registers: Registers, path: Path) -> NestNode:
    if isinstance(node, For):
        if node.kind == "vector":
            return node
        return node.with_body(keep_in_registers(node.body, registers, (*path, node)))
    if isinstance(node, If):
        then = keep_in_registers(node.then, registers, path)
        orelse = keep_in_registers(node.orelse, registers, path)
        return If(node.zero, node.nonnegative, then, orelse)
    return node


def _updated_elements(nodes: Nodes, registers: Registers, path: Path) -> list[Place]:
    """Return the elements that are fixed in this body and stored to repeatedly, in text order."""
    always = {place_of(node.target) for node in nodes if isinstance(node, Assign)}
    if not always:
        return []
    known = frozenset(loop.name for loop in path)
    stores: dict[Place, int] = {}
    for use in uses(nodes):
        is_fixed = use.place.offset.names <= known
        if use.is_write and is_fixed and registers.can_hold(use.place.array):
            stores[use.place] = stores.get(use.place, 0) + 1
    return [place for place, n in stores.items() if n >= FEWEST_STORES and place in always]


def _region(nodes: Nodes, place: Place) -> slice:
    """Return the nodes from the first to the last that use the element."""
    using = [n for n, node in enumerate(nodes) if any(u.place == place for u in uses((node,)))]
    return slice(using[0], using[-1] + 1)


def _is_replaceable(region: Nodes, place: Place, path: Path) -> bool:
    if not all(_is_scalar(node) for node, _ in walk(region)):
        return False
    return all(_is_apart(use, place) for use in uses(region, path))


def _is_scalar(node: NestNode) -> bool:
    if isinstance(node, For):
        return node.kind == "seq"
    return not (isinstance(node, Assign) and node.stream)


def _is_apart(use: Use, place: Place) -> bool:
    if use.place.array != place.array or use.place == place:
        return True
    return never_equal(use.place.offset, place.offset, use.path)


@dataclass(frozen=True)
class _Replacement:
    place: Place
    register: Load

    def visit(self, node: NestNode) -> Nodes:
        if not isinstance(node, Assign):
            return (node,)
        expr = replace_loads(node.expr, self.place, self.register)
        is_target = place_of(node.target) == self.place
        target = as_target(self.register) if is_target else node.target
        return (Assign(target, expr, node.statement, node.stream),)


def _replaced(nodes: Nodes, region: slice, place: Place, registers: Registers) -> Nodes:
    register = registers.fresh(place.array, "kept")
    memory = Access(place.array, (place.offset,))
    statement = next(n.statement for n in nodes if isinstance(n, Assign) and _writes(n, place))
    inside = edit(nodes[region], _Replacement(place, register).visit)
    before: Nodes = ()
    if not _starts_anew(nodes[region][0], place):
        value = Load(place.array, (place.offset,), register.dtype)
        before = (Assign(as_target(register), value, statement),)
    after = (Assign(memory, register, statement),)
    return (*nodes[: region.start], *before, *inside, *after, *nodes[region.stop :])


def _writes(node: Assign, place: Place) -> bool:
    return place_of(node.target) == place


def _starts_anew(first: NestNode, place: Place) -> bool:
    """Tell whether the first use writes the element without reading it."""
    if not (isinstance(first, Assign) and _writes(first, place)):
        return False
    return all(place_of(load) != place for load in loads(first.expr))
