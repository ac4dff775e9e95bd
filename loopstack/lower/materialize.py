"""Walk the tree once: bounds become loops, leaves become assignments, reductions become explicit.

Input: a Tree whose vector loops are short. Output: nest nodes with multi-dimensional subscripts and
the register arrays they use. Prefetches and guards are placed here too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from loopstack.ir.loop_tree import Leaf, Loop, Node, Prefetch, Tree
from loopstack.ir.program import Array
from loopstack.lower.bounds import Bounds, leaves_below, missing_guards, relax, shared_bounds
from loopstack.lower.intervals import Ranges
from loopstack.lower.nest import Assign, For, If, NestNode, Touch
from loopstack.lower.reductions import (
    Plan,
    initialise,
    plan_reduction,
    store,
    update,
)
from loopstack.machine.vector_target import VectorTarget


@dataclass
class Materializer:
    """The state of one walk; ``headers`` holds an empty For of every open loop's name."""

    tree: Tree
    ranges: Ranges
    plans: dict[str, Plan]
    headers: dict[str, For] = field(default_factory=dict)

    def body(self, nodes: tuple[Node, ...], at: str | None, path: tuple[tuple[Loop, Bounds], ...]) -> tuple[NestNode, ...]:
        """Lower the children of loop ``at``, with the reductions that are planned there."""
        out: list[NestNode] = []
        places = {plan.at for plan in self.plans.values()}
        for node in nodes:
            here = self._plans_at(node, at) if at in places else []
            inner = self.node(node, path)
            reassociate = self.tree.program.reassociate
            for plan in here:
                out.extend(initialise(plan, self._headers_of(plan), reassociate))
            out.extend(inner)
            for plan in here:
                out.extend(store(plan, self._headers_of(plan), reassociate))
        return tuple(out)

    def _headers_of(self, plan: Plan) -> dict[str, For]:
        """Return the loops of ``plan`` with bounds that need no reduction loop below its place.

        Such a bound is widened to what all iterations of that loop cover together.
        """
        hidden = frozenset(plan.inner)
        kept = {name: self._widened(self.headers[name], hidden) for name in plan.kept}
        return {**self.headers, **kept}

    def _widened(self, header: For, hidden: frozenset[str]) -> For:
        if all(f.names.isdisjoint(hidden) for f in header.lowers + header.uppers):
            return header
        visible = frozenset(self.ranges) - hidden
        lowers = tuple(-relax(-f, visible, self.ranges) for f in header.lowers)
        uppers = tuple(relax(f, visible, self.ranges) for f in header.uppers)
        return replace(header, lowers=lowers, uppers=uppers)

    def _plans_at(self, node: Node, at: str | None) -> list[Plan]:
        found = [self.plans.get(leaf.statement) for leaf in leaves_below(node)]
        return [plan for plan in found if plan is not None and plan.at == at]

    def node(self, node: Node, path: tuple[tuple[Loop, Bounds], ...]) -> tuple[NestNode, ...]:
        if isinstance(node, Loop):
            return (self._loop(node, path),)
        if isinstance(node, Prefetch):
            return (Touch(node.access, node.write),)
        return self._guarded(node, path)

    def _loop(self, loop: Loop, path: tuple[tuple[Loop, Bounds], ...]) -> For:
        outer = frozenset(l.name for l, _ in path)
        bounds = shared_bounds(loop, leaves_below(loop), outer, self.ranges)
        header = For(loop.name, bounds.lowers, bounds.uppers, loop.kind, loop.tail, ())
        self.headers[loop.name] = header
        return header.with_body(self.body(loop.body, loop.name, (*path, (loop, bounds))))

    def _guarded(self, leaf: Leaf, path: tuple[tuple[Loop, Bounds], ...]) -> tuple[NestNode, ...]:
        assign: NestNode = self._assign(leaf)
        guards = missing_guards(leaf, path, self.ranges)
        return (If((), guards, (assign,)),) if guards else (assign,)

    def _assign(self, leaf: Leaf) -> Assign:
        plan = self.plans.get(leaf.statement)
        if plan is not None:
            return update(plan)
        expr = leaf.expr
        if leaf.reduction is not None and leaf.reduction.init == "existing":
            single = Plan(leaf, None, "memory", (), (), (), (), (), self.tree.array(leaf.write.array))
            return update(single)
        return Assign(leaf.write, expr, leaf.statement, leaf.write.array in self.tree.streamed)


@dataclass(frozen=True)
class Materialized:
    """Nest nodes, the accumulator arrays they use, and every loop's inclusive range."""

    body: tuple[NestNode, ...]
    registers: tuple[Array, ...]
    locals: tuple[Array, ...]
    ranges: Ranges


def materialize(tree: Tree, target: VectorTarget, ranges: Ranges) -> Materialized:
    """Return the nest nodes of ``tree``; ``ranges`` are those of its loops."""
    plans = {}
    for leaf in tree.leaves().values():
        plan = plan_reduction(tree, leaf, ranges, target)
        if plan is not None:
            plans[leaf.statement] = plan
    body = Materializer(tree, ranges, plans).body(tree.body, None, ())
    registers = tuple(p.accumulator for p in plans.values() if p.space == "registers")
    locals_ = tuple(p.accumulator for p in plans.values() if p.space == "local")
    return Materialized(body, registers, locals_, ranges)
