"""Updates of one element by many instances, as reductions.

    x[i] = x[i] + e     over loops that x[i] does not mention:   update sum x[i] = e
    x[i] = max(x[i], e)                                          update max x[i] = e

An update stays a plain assignment when ``e`` may read the element that is being updated.

With reassociation, an assignment of the identity right before the loops of a reduction is taken
into it:

    C[m, n] = 0.0                           reduce sum C[m, n] = A[m, k] * B[k, n]
    for k ...: C[m, n] += A[m, k] * B[k, n]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loopstack.frontend.affine_proofs import impossible
from loopstack.frontend.affine_statements import Draft
from loopstack.frontend.graph import Node, TensorData
from loopstack.frontend.promotion import constant
from loopstack.ir.affine import Affine
from loopstack.ir.injective import loops_told, spread_within
from loopstack.ir.operators import identity
from loopstack.ir.program import Reduction, Statement

_UPDATES = {"add": "sum", "sub": "sum", "mul": "prod", "maximum": "max", "minimum": "min"}
Update = tuple[Reduction, Node]


def find_update(draft: Draft) -> Update | None:
    """Return the reduction that a draft is, with its term; None for a plain assignment."""
    value, write = draft.value, draft.write
    mentioned = frozenset().union(*(form.names for form in write.subscripts), frozenset())
    if value.kind != "op" or value.payload not in _UPDATES or set(draft.indices) <= mentioned:
        return None
    own = [n for n, arg in enumerate(value.args) if _is_load(arg, write.array, write.subscripts)]
    if len(own) != 1 or (value.payload == "sub" and own != [0]):
        return None
    term = value.args[1 - own[0]]
    if _may_read(draft, term):
        return None
    if value.payload == "sub":
        term = _negated(term)
    return Reduction(_UPDATES[value.payload], "existing"), term  # type: ignore[arg-type]


def _is_load(node: Node, array: TensorData, subscripts: tuple[Affine, ...]) -> bool:
    return node.kind == "load" and node.payload == (array, subscripts)


def _negated(node: Node) -> Node:
    from loopstack.frontend.arithmetic import make

    if node.kind == "const":
        return constant(-node.payload.value, node.dtype)
    return make("neg", node)


def _may_read(draft: Draft, term: Node) -> bool:
    """Tell whether a term may read the element that its own instance updates."""
    for array, subscripts in _loads(term):
        if array is not draft.write.array:
            continue
        gaps = [a - b for a, b in zip(subscripts, draft.write.subscripts)]
        equal = [form for gap in gaps for form in (gap, -gap)]
        if not impossible((*draft.constraints, *equal)):
            return True
    return False


def _loads(node: Node) -> list[tuple[TensorData, tuple[Affine, ...]]]:
    if node.kind == "load":
        return [node.payload]
    return [found for arg in node.args for found in _loads(arg)]


# ---- initial values -----------------------------------------------------------------------------
def fold_initial_values(statements: Sequence[Statement]) -> list[Statement]:
    """Take assignments of an identity into the reductions that follow them directly."""
    kept: list[Statement] = []
    for position, statement in enumerate(statements):
        previous = kept[-1] if kept else None
        if previous is not None and _starts(previous, statement):
            rest = statements[position + 1 :]
            if not any(_shares_loop(previous, statement, other) for other in rest):
                assert statement.reduction is not None
                reduction = Reduction(statement.reduction.operator)
                kept[-1] = replace(statement, reduction=reduction)
                continue
        kept.append(statement)
    return kept


def _starts(first: Statement, update: Statement) -> bool:
    """Tell whether ``first`` gives the elements that ``update`` folds into their identity."""
    from loopstack.ir.expr import Const

    depth = len(first.indices)
    if update.reduction is None or update.reduction.init != "existing" or first.reduction:
        return False
    dtype = update.expr.dtype
    if first.expr != Const(identity(update.reduction.operator, dtype), dtype):
        return False
    outer = update.indices[:depth]
    names = dict(zip(first.indices, outer))
    subscripts = tuple(form.map_names(lambda n: names.get(n, n)) for form in first.write.subscripts)
    given = {form.map_names(lambda n: names.get(n, n)) for form in first.constraints}
    inner = set(update.indices[depth:])
    needed = {form for form in update.constraints if form.names.isdisjoint(inner)}
    return (
        first.order[:-1] == update.order[:depth]
        and first.order[-1] + 1 == update.order[depth]
        and (first.write.array, subscripts) == (update.write.array, update.write.subscripts)
        and given == needed
        and set(update.reduction_indices) == inner != set()
        and _writes_once(first)
    )


def _writes_once(first: Statement) -> bool:
    """Tell whether no element gets its first value twice: C[i // 2] = 0 would start it anew."""
    spread = spread_within(first.constraints)
    return loops_told(first.write.subscripts, spread) >= set(first.indices)


def _shares_loop(first: Statement, update: Statement, other: Statement) -> bool:
    """Tell whether another statement stands inside the loops of the reduction."""
    depth = len(first.indices)
    return len(other.indices) > depth and other.order[: depth + 1] == update.order[: depth + 1]
