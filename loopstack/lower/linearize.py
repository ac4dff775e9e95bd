"""Turn subscripts into element offsets: one affine form over loops per access."""

from __future__ import annotations

from dataclasses import replace

from loopstack.ir.affine import Affine
from loopstack.ir.expr import Expr, Load, rewrite
from loopstack.ir.program import Access
from loopstack.lower.nest import Assign, LaneFold, NestArray, NestNode, Touch, edit


def linearize(body: tuple[NestNode, ...], arrays: dict[str, NestArray]) -> tuple[NestNode, ...]:
    """Replace every access by a single offset in elements."""

    def offset(array: str, subscripts: tuple[Affine, ...]) -> tuple[Affine, ...]:
        terms = []
        const = 0
        for form, stride in zip(subscripts, arrays[array].strides):
            terms += [(atom, c * stride) for atom, c in form.terms]
            const += form.const * stride
        return (Affine.of(terms, const),)

    def access(a: Access) -> Access:
        return Access(a.array, offset(a.array, a.subscripts))

    def load(node: Expr) -> Expr:
        if isinstance(node, (Load, LaneFold)):
            return replace(node, subscripts=offset(node.array, node.subscripts))
        return node

    def visit(node: NestNode) -> tuple[NestNode, ...]:
        if isinstance(node, Assign):
            return (replace(node, target=access(node.target), expr=rewrite(node.expr, load)),)
        if isinstance(node, Touch):
            return (replace(node, access=access(node.access)),)
        return (node,)

    return edit(body, visit)
