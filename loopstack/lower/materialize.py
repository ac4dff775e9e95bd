"""Walk the tree once: bounds become loops, leaves become assignments, reductions become explicit.

Input: a Tree whose vector loops are short. Output: nest nodes with multi-dimensional subscripts and
the register arrays they use. Prefetches and guards are placed here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from loopstack.ir.affine import Affine
from loopstack.ir.loop_tree import Leaf, Loop, Node, Prefetch, Tree
from loopstack.ir.program import Array
from loopstack.lower.bounds import (
    Bounds,
    bounds_for_leaf,
    leaves_below,
    may_lack_terms,
    missing_guards,
    shared_bounds,
)
from loopstack.lower.implied import surely_nonnegative, tightest
from loopstack.lower.intervals import Ranges
from loopstack.lower.nest import Assign, For, If, NestNode, Touch
from loopstack.lower.reductions import (
    Around,
    Plan,
    initialise,
    plan_reduction,
    store,
    update,
)
from loopstack.machine.vector_target import VectorTarget
from loopstack.poly.results import couples, starts_anew

Path = tuple[tuple[Loop, Bounds], ...]
Implied = Mapping[str, frozenset[Affine]]


@dataclass
class Materializer:
    """The state of one walk; ``headers`` holds an empty For of every open loop's name.

    ``results`` gives loops that run over results more leaves to hold (poly/results.py), ``implied``
    the constraints of each leaf that follow from its others (lower/shadows.py).
    """

    tree: Tree
    ranges: Ranges
    plans: dict[str, Plan]
    results: dict[str, list[Leaf]]
    implied: Implied
    headers: dict[str, For] = field(default_factory=dict)
    guarded: set[str] = field(default_factory=set)
    mixed: bool = False
    """Whether loops below the outermost open one may run where a leaf does not."""

    @cached_property
    def places(self) -> frozenset[str | None]:
        """The loops in whose bodies something is initialised or stored (None: the root)."""
        plans = [p for plan in self.plans.values() for p in (plan, plan.reset) if p is not None]
        return frozenset(plan.at for plan in plans)

    def body(self, nodes: tuple[Node, ...], at: str | None, path: Path) -> tuple[NestNode, ...]:
        """Lower the children of loop ``at``, with the reductions that are planned there."""
        out: list[NestNode] = []
        reassociate = self.tree.program.reassociate
        for node in nodes:
            here = self._plans_at(node, at)
            inner = self._by_terms(node, path, here)
            around = [self._around(plan, path) for plan in here]
            for plan, place in zip(here, around):
                out.extend(initialise(plan, place, reassociate))
            out.extend(inner)
            for plan, place in zip(here, around):
                out.extend(store(plan, place, reassociate))
        return tuple(out)

    def _by_terms(self, node: Node, path: Path, here: list[Plan]) -> tuple[NestNode, ...]:
        """Lower a child; accumulators of several products get one after the other."""
        if len(here) != 1 or len(here[0].terms) < 2 or len(leaves_below(node)) != 1:
            return self.node(node, path)
        name, plan = here[0].leaf.statement, here[0]
        out: tuple[NestNode, ...] = ()
        for term in plan.terms:
            self.plans[name] = replace(plan, leaf=replace(plan.leaf, expr=term))
            out += self.node(node, path)
        self.plans[name] = plan
        return out

    def _plans_at(self, node: Node, at: str | None) -> list[Plan]:
        if at not in self.places:
            return []
        plans = [p for leaf in leaves_below(node) if (p := self.plans.get(leaf.statement))]
        resets = [plan.reset for plan in plans if plan.reset is not None]
        return [plan for plan in (*resets, *plans) if plan.at == at]

    def _around(self, plan: Plan, path: Path) -> Around:
        """Return the loops and tests that visit each element of ``plan`` once."""
        if plan.is_plain and not plan.spare and plan.leaf.statement not in self.guarded:
            headers = tuple(self.headers[loop.name] for loop in plan.kept)
            return Around(self.headers, headers, (), ())
        leaf = replace(plan.leaf, constraints=plan.results)
        inside = list(path)
        kept = []
        for loop in plan.kept:
            outer = frozenset(above.name for above, _ in inside)
            bounds = tightest(bounds_for_leaf(loop, leaf, outer, self.ranges), inside, self.ranges)
            inside.append((loop, bounds))
            kept.append(For(loop.name, bounds.lowers, bounds.uppers, loop.kind, loop.tail, ()))
        guards = self._guards(leaf, tuple(inside), frozenset())
        below = frozenset(loop.name for loop in plan.kept)
        outside = tuple(form for form in guards if form.names.isdisjoint(below))
        rest = tuple(form for form in guards if form not in outside)
        return Around(self.headers, tuple(kept), outside, rest)

    def node(self, node: Node, path: Path) -> tuple[NestNode, ...]:
        if isinstance(node, Loop):
            return (self._loop(node, path),)
        if isinstance(node, Prefetch):
            return (Touch(node.access, node.write),)
        return self._guarded(node, path)

    def _loop(self, loop: Loop, path: Path) -> For:
        outer = frozenset(above.name for above, _ in path)
        leaves = [self._as_updated(leaf, loop) for leaf in leaves_below(loop)]
        leaves += self.results.get(loop.name, [])
        if not path:
            self.mixed = len(leaves) > 1 or any(self._may_lack_terms(leaf) for leaf in leaves)
        bounds = shared_bounds(loop, leaves, outer, self.ranges, self.mixed)
        bounds = tightest(bounds, path, self.ranges)
        header = For(loop.name, bounds.lowers, bounds.uppers, loop.kind, loop.tail, ())
        self.headers[loop.name] = header
        return header.with_body(self.body(loop.body, loop.name, (*path, (loop, bounds))))

    def _as_updated(self, leaf: Leaf, loop: Loop | None) -> Leaf:
        """Return a leaf with the constraints that its updates obey below ``loop``."""
        plan = self.plans.get(leaf.statement)
        if plan is None or not plan.spare or (loop and not plan.holds(loop.name)):
            return leaf
        return replace(leaf, constraints=tuple(c for c in leaf.constraints if c not in plan.spare))

    def _may_lack_terms(self, leaf: Leaf) -> bool:
        return may_lack_terms(leaf, self.tree.path(leaf.statement))

    def _guarded(self, leaf: Leaf, path: Path) -> tuple[NestNode, ...]:
        assign: NestNode = self._assign(leaf)
        implied = self.implied.get(leaf.statement, frozenset())
        guards = self._guards(self._as_updated(leaf, None), path, implied)
        if not guards:
            return (assign,)
        self.guarded.add(leaf.statement)
        return (If((), guards, (assign,)),)

    def _guards(self, leaf: Leaf, path: Path, implied: frozenset[Affine]) -> tuple[Affine, ...]:
        """Return the constraints of ``leaf`` that the loops around it do not enforce."""
        missing = [f for f in missing_guards(leaf, path, self.ranges) if f not in implied]
        return tuple([f for f in missing if not surely_nonnegative(f, path, self.ranges)])

    def _assign(self, leaf: Leaf) -> Assign:
        dtype = self.tree.array(leaf.write.array).dtype
        plan = self.plans.get(leaf.statement)
        regroup = self.tree.program.reassociate
        if plan is not None:
            return update(plan.leaf, plan.element, dtype, regroup)
        if leaf.reduction is not None and not starts_anew(leaf):
            return update(leaf, leaf.write, dtype, regroup)
        return Assign(leaf.write, leaf.expr, leaf.statement, leaf.write.array in self.tree.streamed)


@dataclass(frozen=True)
class Materialized:
    """Nest nodes, the accumulator arrays they use, and every loop's inclusive range.

    ``scopes`` gives the loop once per iteration of which a local array starts anew.
    """

    body: tuple[NestNode, ...]
    registers: tuple[Array, ...]
    locals: tuple[Array, ...]
    scopes: dict[str, str | None]
    ranges: Ranges


def materialize(tree: Tree, target: VectorTarget, ranges: Ranges, implied: Implied) -> Materialized:
    """Return the nest nodes of ``tree``; ``ranges`` are those of its loops.

    ``implied`` constraints of a leaf follow from its others, and need no guards.
    """
    plans = {}
    for leaf in tree.leaves().values():
        plan = plan_reduction(tree, leaf, ranges, target)
        if plan is not None:
            plans[leaf.statement] = plan
    results = _results_above(tree, plans)
    body = Materializer(tree, ranges, plans, results, implied).body(tree.body, None, ())
    registers = tuple(p.accumulator for p in plans.values() if p.space == "registers")
    in_memory = [p for p in plans.values() if p.space == "local"]
    scopes = {p.accumulator.name: p.at for p in in_memory}
    locals_ = tuple(p.accumulator for p in in_memory)
    return Materialized(body, registers, locals_, scopes, ranges)


def _results_above(tree: Tree, plans: dict[str, Plan]) -> dict[str, list[Leaf]]:
    """Return, for loops above the place where elements get their first value, their domains.

    Only where terms and results depend on each other: elsewhere the leaf's own bounds say it all.
    """
    found: dict[str, list[Leaf]] = {}
    for name, plan in plans.items():
        first = plan.reset or plan
        if not starts_anew(first.leaf) or len(first.results) == len(first.leaf.constraints):
            continue
        path = tree.path(name)
        results = [loop.name for loop in path if loop.name not in (*first.outer, *first.inner)]
        if not couples(first.leaf, (*first.outer, *first.inner), results):
            continue
        for loop in path[: len(path) - len(first.kept) - len(first.inner)]:
            if loop.name in results:
                found.setdefault(loop.name, []).append(
                    replace(first.leaf, constraints=first.results)
                )
    return found
