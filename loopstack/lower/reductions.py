"""Turn reduction leaves into explicit initialise / update / store loops.

    for m: for kc: for n (vector): for ki: C[m, n] sum= A * B        stage C at n, in registers

    for m:
      for kc:
        for n (vector):  C.acc[n] = 0.0
        for ki: for n (vector):  C.acc[n] = add(C.acc[n], mul(A, B))
        for n (vector):  if kc == 0 { C = C.acc } else { C = add(C, C.acc) }

Where the accumulators live is a :class:`Plan`: explicit (``stage``), or chosen here: registers
around the outermost reduction loop below which every other loop is unrolled or vector, else
memory. A vector loop over a reduction gets one accumulator a lane and a fold at the store. From
here on no assignment carries a reduction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import ITEM_SIZE_BYTES, Const, Expr, Load, Op, loads
from loopstack.ir.loop_tree import Leaf, Loop, Tree
from loopstack.ir.program import Access, Array
from loopstack.lower.bounds import leaves_below, shared_bounds
from loopstack.lower.distinct import differ_inside
from loopstack.lower.factors import without_factor
from loopstack.lower.full_tiles import spare_constraints
from loopstack.lower.intervals import Ranges, interval
from loopstack.lower.nest import Assign, For, If, LaneFold, NestNode
from loopstack.machine.vector_target import VectorTarget
from loopstack.poly.mixing import comes_back
from loopstack.poly.results import (
    Forms,
    couples,
    reduction_loops,
    results_of,
    shadow_on_results,
    starts_anew,
)

Space = Literal["registers", "local", "memory"]
Place = tuple[int, Space]
COMBINE = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum"}
LOWEST = {"f32": float("-inf"), "f64": float("-inf"), "i32": -(2**31), "i64": -(2**63)}
HIGHEST = {"f32": float("inf"), "f64": float("inf"), "i32": 2**31 - 1, "i64": 2**63 - 1}


def identity(operator: str, dtype: str) -> Const:
    """Return the operator's identity element."""
    if operator == "sum":
        value: float | int = 0
    elif operator == "prod":
        value = 1
    else:
        value = (LOWEST if operator == "max" else HIGHEST)[dtype]
    return Const(float(value) if dtype in ("f32", "f64") else value, dtype)


@dataclass(frozen=True)
class Plan:
    """How one reduction leaf is computed.

    ``at`` is the loop in whose body the initialise and store loops stand (None: the root);
    ``space`` is where the accumulators live: registers, a local buffer, or the array itself;
    ``outer`` and ``inner`` are the reduction loops above and below that place; ``kept`` are the
    other loops below it; ``lanes`` the vector reduction loops below it; ``around`` the other vector
    loops above it, each lane of which has accumulators of its own. ``lows`` are the least values
    of around, kept and lanes. ``results`` bounds the elements written; it ``is_plain`` when the
    bounds of the kept loops say the same. ``reset`` gives them their
    first value ahead of everything where the first visit of an element cannot be told. ``scale``
    multiplies what the accumulators add up when they are stored (``leaf`` is then without it).
    Updates ignore the constraints in ``spare``: what they compute beyond is never stored. A block
    of accumulators adds up one of the ``terms`` after the other: each pass has all registers.
    """

    leaf: Leaf
    at: str | None
    space: Space
    outer: tuple[str, ...]
    inner: tuple[str, ...]
    kept: tuple[Loop, ...]
    lanes: tuple[str, ...]
    around: tuple[str, ...]
    lows: tuple[int, ...]
    accumulator: Array
    results: Forms
    is_plain: bool
    reset: Plan | None = None
    scale: Expr | None = None
    spare: Forms = ()
    terms: tuple[Expr, ...] = ()

    @property
    def kept_names(self) -> tuple[str, ...]:
        return tuple(loop.name for loop in self.kept)

    def holds(self, loop: str) -> bool:
        """Tell whether a loop around the updates is below the place."""
        return loop in self.kept_names or loop in self.inner

    @property
    def element(self) -> Access:
        """The accumulator element of one update."""
        if self.space == "memory":
            return self.leaf.write
        names = (*self.around, *self.kept_names, *self.lanes)
        subscripts = tuple(form_of(n) - low for n, low in zip(names, self.lows))
        return Access(self.accumulator.name, subscripts)


def _scope_depth(tree: Tree, leaf: Leaf, path: tuple[Loop, ...]) -> int:
    """Return how many loops stand around the life of what ``leaf`` writes.

    A buffer filled once per iteration of a loop starts anew each time: the loops around it are no
    reduction loops, although the write does not mention them.
    """
    place = next((b.loop for b in tree.buffers if b.array.name == leaf.write.array), None)
    return 1 + [loop.name for loop in path].index(place) if place is not None else 0


@dataclass(frozen=True)
class _Planning:
    """What is known about one reduction leaf before its place is chosen."""

    tree: Tree
    leaf: Leaf
    path: tuple[Loop, ...]
    scope: int
    reducing: tuple[str, ...]
    ranges: Ranges
    target: VectorTarget

    def plan(self) -> Plan:
        if any(self.ranges[name][1] < self.ranges[name][0] for name in self.reducing):
            return self._plan_at(*self._outermost())  # initialising is all there is
        plan = self._plan_at(*(self._staged_place() or self._chosen_place()))
        if not starts_anew(self.leaf) or not plan.outer or self._first_visit_is_sure(plan):
            return plan
        reduction = replace(self.leaf.reduction, init="existing")  # type: ignore[type-var]
        rest = replace(plan.leaf, reduction=reduction)
        return replace(plan, leaf=rest, reset=self._plan_at(*self._outermost()))

    # ---- where ------------------------------------------------------------------------------
    def _staged_place(self) -> Place | None:
        """Return the place a ``stage`` command names; None without one or when it does not fit."""
        name = self.leaf.statement
        stage = next((s for s in self.tree.stages if s.statement == name), None)
        if stage is None:
            return None
        names = [loop.name for loop in self.path]
        depth = max(names.index(stage.loop) + 1 if stage.loop in names else 0, self.scope)
        if self._results(depth) is None or not self._tells_accumulators(depth):
            return None
        if stage.space == "local":
            return depth, "local"
        return (depth, "registers") if self._fits(depth) else None

    def _chosen_place(self) -> Place:
        """Return (number of loops above the place, space): registers as far out as they fit."""
        for depth, loop in enumerate(self.path):
            if loop.name not in self.reducing or not self._fits(depth) or not self._is_alone(loop):
                continue
            if self._results(depth) is not None and self._tells_accumulators(depth):
                return depth, "registers"
        return self._outermost()

    def _tells_accumulators(self, depth: int) -> bool:
        """Tell whether loops below the place have one accumulator for each element.

        A loop over results and terms at once comes back to an element, from another lane or place.
        """
        given = [loop.name for loop in self.path[:depth] if loop.kind != "vector"]
        moving = [name for name in self._kept if name not in given]
        return not moving or not comes_back(self.leaf, self.path, moving, given)

    def _outermost(self) -> Place:
        """Accumulate in the array itself, initialised ahead of the outermost reduction loop."""
        return next(i for i, loop in enumerate(self.path) if loop.name in self.reducing), "memory"

    def _fits(self, depth: int) -> bool:
        """Tell whether one accumulator per iteration of the kept and lane loops fits registers."""
        lanes = self.target.bytes // ITEM_SIZE_BYTES[self._dtype]
        below = self.path[depth:]
        inside = [x for x in below if x.name not in self.reducing or x.kind == "vector"]
        if any(loop.kind not in ("vector", "unroll") for loop in inside):
            return False
        if any(loop.kind == "parallel" for loop in below):  # legal where it runs at most once
            return False
        used = prod((_rounded(loop, self.ranges, lanes) for loop in inside), start=1)
        return used <= self.target.registers * lanes

    def _is_alone(self, loop: Loop) -> bool:
        """Tell whether nothing else below ``loop`` needs the elements in memory."""
        array = self.leaf.write.array
        below = leaves_below(loop)
        if any(other is not self.leaf and other.write.array == array for other in below):
            return False
        return not any(
            load.array == array and not (leaf is self.leaf and self._reads_elsewhere(load, loop))
            for leaf in below
            for load in loads(leaf.expr)
        )

    def _reads_elsewhere(self, load: Load, loop: Loop) -> bool:
        """Tell whether a term below ``loop`` reads other elements than the one it is added to."""
        inside = self.path[self.path.index(loop) :]
        one_element = all(x.name in self.reducing for x in inside)
        forms = self.leaf.write.subscripts, load.subscripts
        return one_element and differ_inside(*forms, self.leaf.constraints)

    # ---- what -------------------------------------------------------------------------------
    @property
    def _kept(self) -> list[str]:
        return [loop.name for loop in self.path if loop.name not in self.reducing]

    @property
    def _dtype(self) -> str:
        return self.tree.array(self.leaf.write.array).dtype

    def _results(self, depth: int) -> Forms | None:
        """Return what bounds the elements written by one visit of the place."""
        below = self.path[depth:]
        inner = tuple(loop for loop in below if loop.name in self.reducing)
        if starts_anew(self.leaf):
            return results_of(self.leaf, self.reducing)
        names = [loop.name for loop in inner]
        if couples(self.leaf, names, self._kept):
            return shadow_on_results(self.leaf, inner)
        return results_of(self.leaf, names)

    def _plan_at(self, depth: int, space: Space) -> Plan:
        above, below = self.path[:depth], self.path[depth:]
        vectors = [loop.name for loop in self.path if loop.kind == "vector"]
        lanes = tuple(x.name for x in below if x.name in self.reducing and x.name in vectors)
        if space != "registers" or any(name not in self.reducing for name in vectors):
            lanes = ()  # only registers can be folded, and not one fold for each lane
        kept = tuple(loop for loop in below if loop.name not in self.reducing)
        around = tuple(
            loop.name for loop in above if loop.kind == "vector" and loop.name not in self.reducing
        )
        spans = [self.ranges[n] for n in (*around, *(loop.name for loop in kept), *lanes)]
        shape = tuple(Affine((), max(high - low + 1, 0)) for low, high in spans)
        return Plan(
            self.leaf,
            above[-1].name if above else None,
            space,
            tuple(loop.name for loop in above if loop.name in self.reducing),
            tuple(loop.name for loop in below if loop.name in self.reducing),
            kept,
            lanes,
            around,
            tuple(low for low, _ in spans),
            Array(f"{self.leaf.statement}.acc", self._dtype, shape, "temporary"),
            self._results(depth) or (),
            self._is_plain(depth),
        )

    def _is_plain(self, depth: int) -> bool:
        """Tell whether the kept loops below a place run over results, each of them once."""
        below = [loop.name for loop in self.path[depth:]]
        inner = [name for name in below if name in self.reducing]
        kept = [name for name in below if name not in self.reducing]
        if not kept:
            return True
        return len(leaves_below(self.path[depth])) == 1 and not couples(self.leaf, inner, kept)

    def _first_visit_is_sure(self, plan: Plan) -> bool:
        """Prove that all results are visited when every outer reduction loop is at its start."""
        if couples(self.leaf, self.reducing, self._kept):
            return False
        ranges = dict(self.ranges)
        for depth, loop in enumerate(self.path):
            if loop.name not in plan.outer:
                continue
            outer = frozenset(above.name for above in self.path[:depth])
            bounds = shared_bounds(loop, leaves_below(loop), outer, self.ranges)
            low = bounds.lowers[0]
            if len(bounds.lowers) > 1 or not low.is_constant:
                return False
            if any(interval(upper - low, ranges)[0] < 1 for upper in bounds.uppers):
                return False
            ranges[loop.name] = (low.const, low.const)
        return True


def plan_reduction(tree: Tree, leaf: Leaf, ranges: Ranges, target: VectorTarget) -> Plan | None:
    """Return the plan for ``leaf``; None when it needs none (no reduction loop above it)."""
    if leaf.reduction is None:
        return None
    path = tree.path(leaf.statement)
    scope = _scope_depth(tree, leaf, path)
    reducing = reduction_loops(leaf, path[scope:])
    if not reducing:
        return None
    plan = _Planning(tree, leaf, path, scope, reducing, ranges, target).plan()
    if plan.space == "registers":
        spare = spare_constraints(tree, plan.leaf, plan.kept_names, plan.results, ranges)
        plan = replace(plan, spare=spare)
    return _without_factor(plan, tree)


def _without_factor(plan: Plan, tree: Tree) -> Plan:
    """Leave a factor that all terms share to the store, where sums may be regrouped."""
    reduction, dtype = plan.leaf.reduction, plan.accumulator.dtype
    assert reduction is not None
    regroup = tree.program.reassociate and reduction.operator == "sum" and dtype in ("f32", "f64")
    if not regroup or plan.space == "memory":
        return plan
    scalars = frozenset(a.name for a in tree.program.arguments if a.role == "scalar")
    scale, term = without_factor(plan.leaf.expr, scalars)
    leaf = plan.leaf if scale is None else replace(plan.leaf, expr=term)
    return replace(plan, leaf=leaf, scale=scale, terms=_products(term, plan))


def _products(term: Expr, plan: Plan) -> tuple[Expr, ...]:
    """Return the products that a block of accumulators (of two loops or more) adds up."""
    terms = tuple(_summands(term))
    several = len(plan.kept) > 1 and all(len(list(loads(t))) > 1 for t in terms)
    return terms if several and len(terms) > 1 else ()


def _rounded(loop: Loop, ranges: Ranges, lanes: int) -> int:
    low, high = ranges[loop.name]
    extent = high - low + 1
    return -(-extent // lanes) * lanes if loop.kind == "vector" else extent


# ---- the three parts ----------------------------------------------------------------------------
@dataclass(frozen=True)
class Around:
    """Where a plan's elements are visited: loops with bounds of their own, and tests.

    ``headers`` are the open loops of the walk. Before -> after: ``body`` ->
    ``if outside { for kept { if inside { body } } }``
    """

    headers: Mapping[str, For]
    kept: tuple[For, ...]
    outside: Forms
    inside: Forms

    def wrap(self, *body: NestNode) -> tuple[NestNode, ...]:
        nodes: tuple[NestNode, ...] = (If((), self.inside, body),) if self.inside else body
        for header in reversed(self.kept):
            nodes = (header.with_body(nodes),)
        return (If((), self.outside, nodes),) if self.outside else nodes


def update(leaf: Leaf, element: Access, dtype: str, reassociate: bool) -> Assign:
    """Return the assignment that replaces a reduction leaf.

    Where sums may be regrouped, ``s + (a*b + c*d)`` becomes ``(s + a*b) + c*d``: two fused
    multiply-adds, and no sum of the terms that waits for a register.
    """
    assert leaf.reduction is not None
    operator = COMBINE[leaf.reduction.operator]
    terms = _summands(leaf.expr) if operator == "add" and reassociate else [leaf.expr]
    expr: Expr = Load(element.array, element.subscripts, dtype)
    for term in terms:
        expr = Op(operator, (expr, term), dtype)
    return Assign(element, expr, leaf.statement)


def _summands(expr: Expr) -> list[Expr]:
    if isinstance(expr, Op) and expr.name == "add":
        return [term for argument in expr.args for term in _summands(argument)]
    return [expr]


def initialise(plan: Plan, around: Around, reassociate: bool) -> tuple[NestNode, ...]:
    """Return the loops that give every accumulator its first value."""
    reduction = plan.leaf.reduction
    assert reduction is not None
    start = identity(reduction.operator, plan.accumulator.dtype)
    fresh = Assign(plan.element, start, plan.leaf.statement)
    if plan.space == "memory":
        return () if reduction.init == "existing" else around.wrap(fresh)
    if plan.lanes or starts_from_identity(plan, reassociate):
        return _all_accumulators(plan, around, fresh)
    target = plan.leaf.write
    existing = Load(target.array, target.subscripts, plan.accumulator.dtype)
    loaded = around.wrap(Assign(plan.element, existing, plan.leaf.statement))
    if reduction.init == "existing":
        return loaded
    return (If(_first_visit(plan, around), (), _all_accumulators(plan, around, fresh), loaded),)


def starts_from_identity(plan: Plan, reassociate: bool) -> bool:
    return reassociate or (not plan.outer and starts_anew(plan.leaf))


def store(plan: Plan, around: Around, reassociate: bool) -> tuple[NestNode, ...]:
    """Return the loops that combine the accumulators with memory."""
    if plan.space == "memory":
        return ()
    reduction = plan.leaf.reduction
    assert reduction is not None
    target = plan.leaf.write
    dtype = plan.accumulator.dtype
    value = _folded(plan)
    if plan.scale is not None:
        value = Op("mul", (plan.scale, value), dtype)
    old = Load(target.array, target.subscripts, dtype)
    plain = Assign(target, value, plan.leaf.statement)
    combined = replace(plain, expr=Op(COMBINE[reduction.operator], (old, value), dtype))
    if not (plan.lanes or starts_from_identity(plan, reassociate)):
        return around.wrap(plain)
    if reduction.init == "existing":
        return around.wrap(combined)
    if not plan.outer:
        return around.wrap(plain)
    return (If(_first_visit(plan, around), (), around.wrap(plain), around.wrap(combined)),)


def _folded(plan: Plan) -> Expr:
    element = plan.element
    if not plan.lanes:
        return Load(element.array, element.subscripts, plan.accumulator.dtype)
    width = len(plan.lanes)
    count = prod(s.const for s in plan.accumulator.shape[-width:])
    subscripts = element.subscripts[:-width] + (Affine(),) * width
    operator = plan.leaf.reduction.operator  # type: ignore[union-attr]
    return LaneFold(operator, element.array, subscripts, count, plan.accumulator.dtype)  # type: ignore[return-value]


def _first_visit(plan: Plan, around: Around) -> Forms:
    return tuple(form_of(n) - around.headers[n].lowers[0] for n in plan.outer)


def _all_accumulators(plan: Plan, around: Around, *body: NestNode) -> tuple[NestNode, ...]:
    """Loops over every accumulator, also the lanes no iteration of a partial tile writes."""
    skipped = len(plan.around)
    names = (*(loop.name for loop in plan.kept), *plan.lanes)
    sizes = zip(plan.lows[skipped:], plan.accumulator.shape[skipped:])
    for name, (low, size) in reversed(list(zip(names, sizes))):
        kind = "vector" if around.headers[name].kind == "vector" else "unroll"
        body = (For(name, (Affine((), low),), (size + low,), kind, None, body),)
    return body
