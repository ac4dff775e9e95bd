"""What a nest node reads and writes: (array, offset) pairs with the loops above each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loopstack.ir.affine import Affine
from loopstack.ir.expr import Expr, Load, loads, rewrite
from loopstack.ir.expr import walk as walk_expr
from loopstack.ir.program import Access
from loopstack.lower.nest import Assign, For, LaneFold, NestNode, walk


@dataclass(frozen=True)
class Place:
    """One element: an array and its offset, a form over loops."""

    array: str
    offset: Affine


@dataclass(frozen=True)
class Use:
    """A read or a write of ``place`` below ``path``."""

    place: Place
    is_write: bool
    path: tuple[For, ...]


def uses(nodes: tuple[NestNode, ...], path: tuple[For, ...] = ()) -> Iterator[Use]:
    """Yield the reads and writes of ``nodes`` in text order (prefetches change nothing)."""
    for node, above in walk(nodes, path):
        if isinstance(node, Assign):
            for load in loads(node.expr):
                yield Use(place_of(load), False, above)
            yield Use(place_of(node.target), True, above)


def place_of(access: Access | Load) -> Place:
    return Place(access.array, access.subscripts[0])


def replace_loads(expr: Expr, place: Place, register: Load) -> Expr:
    """Read ``register`` where ``expr`` reads ``place``."""
    return rewrite(expr, _exchange(place, register))


def _exchange(place: Place, register: Load) -> Callable[[Expr], Expr]:
    def change(node: Expr) -> Expr:
        return register if isinstance(node, Load) and place_of(node) == place else node

    return change


def selects(loop: For, arrays: frozenset[str]) -> bool:
    """Tell whether the loop's variable selects elements of ``arrays``."""
    return any(
        isinstance(part, (Access, Load, LaneFold))
        and part.array in arrays
        and any(loop.name in form.names for form in part.subscripts)
        for node, _ in walk(loop.body)
        if isinstance(node, Assign)
        for part in (node.target, *walk_expr(node.expr))
    )
