"""Turn subscripts into element offsets: one affine form over loops per access.

A folded temporary loses the common loops and is shifted to its origin on the way. Since every
expression is built anew here, it gets its cheapest operations as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from loopstack.ir.affine import Affine, Atom
from loopstack.ir.expr import Expr, Load, Op
from loopstack.ir.program import Access
from loopstack.lower.nest import Assign, LaneFold, NestArray, NestNode, Touch, edit
from loopstack.lower.operations import cheapest
from loopstack.lower.storage import Folding

Nodes = tuple[NestNode, ...]


def linearize(
    body: Nodes, arrays: dict[str, NestArray], foldings: dict[str, Folding], reassociate: bool
) -> Nodes:
    """Replace every access by a single offset in elements, and operations by cheaper ones.

    Divisions change their rounding only with ``reassociate``.
    """
    return edit(body, _Linearizer(arrays, foldings, reassociate).visit)


@dataclass(frozen=True)
class _Linearizer:
    arrays: dict[str, NestArray]
    foldings: dict[str, Folding]
    reassociate: bool

    def visit(self, node: NestNode) -> Nodes:
        if isinstance(node, Assign):
            target = self.access(node.target)
            return (Assign(target, self.expr(node.expr), node.statement, node.stream),)
        if isinstance(node, Touch):
            return (Touch(self.access(node.access), node.write),)
        return (node,)

    def access(self, access: Access) -> Access:
        return Access(access.array, self.offset(access.array, access.subscripts))

    def expr(self, node: Expr | LaneFold) -> Expr:
        if isinstance(node, Op):
            op = Op(node.name, tuple([self.expr(arg) for arg in node.args]), node.dtype)
            return cheapest(op, self.reassociate)
        if isinstance(node, Load):
            return Load(node.array, self.offset(node.array, node.subscripts), node.dtype)
        if isinstance(node, LaneFold):
            offset = self.offset(node.array, node.subscripts)
            return LaneFold(node.operator, node.array, offset, node.count, node.dtype)  # type: ignore[return-value]
        return node

    def offset(self, array: str, subscripts: tuple[Affine, ...]) -> tuple[Affine, ...]:
        dropped = self._dropped.get(array, _NONE)
        terms: dict[Atom, int] = {}
        const = self._origins.get(array, 0)
        for form, stride in zip(subscripts, self.arrays[array].strides):
            const += form.const * stride
            for atom, coefficient in form.terms:
                if atom not in dropped:
                    terms[atom] = terms.get(atom, 0) + coefficient * stride
        return (Affine.of(terms, const),)

    @cached_property
    def _dropped(self) -> dict[str, frozenset[str]]:
        return {name: folding.common for name, folding in self.foldings.items()}

    @cached_property
    def _origins(self) -> dict[str, int]:
        """The offset of each folded array's element 0 of the unfolded subscripts."""
        return {
            name: -sum(o * s for o, s in zip(folding.origin, self.arrays[name].strides))
            for name, folding in self.foldings.items()
        }


_NONE: frozenset[str] = frozenset()
