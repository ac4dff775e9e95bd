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

from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import ITEM_SIZE_BYTES, Const, Expr, Load, Op
from loopstack.ir.loop_tree import Leaf, Loop, Tree
from loopstack.ir.program import Access, Array
from loopstack.lower.intervals import Ranges
from loopstack.lower.nest import Assign, For, If, LaneFold, NestNode
from loopstack.machine.vector_target import VectorTarget

Space = Literal["registers", "local", "memory"]
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
    other loops below it; ``lanes`` the vector reduction loops below it; ``around`` the vector
    loops above it, each lane of which has accumulators of its own.
    """

    leaf: Leaf
    at: str | None
    space: Space
    outer: tuple[str, ...]
    inner: tuple[str, ...]
    kept: tuple[str, ...]
    lanes: tuple[str, ...]
    around: tuple[str, ...]
    accumulator: Array

    @property
    def element(self) -> Access:
        """The accumulator element of one update."""
        if self.space == "memory":
            return self.leaf.write
        return Access(self.accumulator.name, tuple(form_of(n) for n in self.around + self.kept + self.lanes))


def reduction_loops(leaf: Leaf, path: tuple[Loop, ...]) -> tuple[str, ...]:
    """Return the loops above ``leaf`` that its write subscripts do not mention, outermost first."""
    kept = frozenset().union(*(s.names for s in leaf.write.subscripts), frozenset())
    return tuple(loop.name for loop in path if loop.name not in kept)


def plan_reduction(tree: Tree, leaf: Leaf, ranges: Ranges, target: VectorTarget) -> Plan | None:
    """Return the plan for ``leaf``; None when it needs none (no reduction loop above it)."""
    if leaf.reduction is None:
        return None
    _refuse_mixed_loops(tree, leaf)
    path = tree.path(leaf.statement)
    reducing = reduction_loops(leaf, path)
    if not reducing:
        return None
    if any(ranges[name][1] < ranges[name][0] for name in reducing):
        place = _outermost(path, reducing)  # nothing to add up: initialising is all there is
    else:
        place = _staged_place(tree, leaf, path, ranges, target) or _choose_place(
            tree, leaf, path, reducing, ranges, target
        )
    return _make_plan(tree, leaf, path, place, reducing, ranges)


def _refuse_mixed_loops(tree: Tree, leaf: Leaf) -> None:
    """Raise ArgumentError when one loop runs over results and over their terms at once."""
    written = frozenset().union(*(s.names for s in leaf.write.subscripts), frozenset())
    reduced = tree.program.statement_by_name[leaf.statement].reduction_indices
    for index, form in leaf.binding:
        mixed = sorted(form.names & written) if index in reduced else []
        if mixed:
            raise ArgumentError(
                f"loop {mixed[0]} runs over results of {leaf.statement} and over its reduction index "
                f"{index} at once: join loops of one kind only"
            )


def _staged_place(
    tree: Tree, leaf: Leaf, path: tuple[Loop, ...], ranges: Ranges, target: VectorTarget
) -> tuple[int, Space] | None:
    """Return the place a ``stage`` command names; None without one or when it does not fit."""
    stage = next((s for s in tree.stages if s.statement == leaf.statement), None)
    if stage is None:
        return None
    names = [loop.name for loop in path]
    depth = names.index(stage.loop) + 1 if stage.loop in names else 0
    if stage.space == "local":
        return depth, "local"
    reducing = reduction_loops(leaf, path)
    return (depth, "registers") if _fits(tree, leaf, path[depth:], reducing, ranges, target) else None


def _fits(
    tree: Tree, leaf: Leaf, below: tuple[Loop, ...], reducing: tuple[str, ...], ranges: Ranges,
    target: VectorTarget,
) -> bool:  # fmt: skip
    """Tell whether one accumulator per iteration of the kept and lane loops fits the registers."""
    dtype = tree.array(leaf.write.array).dtype
    room = target.registers * target.bytes // ITEM_SIZE_BYTES[dtype]
    inside = [l for l in below if l.name not in reducing or l.kind == "vector"]
    if any(l.kind not in ("vector", "unroll") for l in inside):
        return False
    lanes = target.bytes // ITEM_SIZE_BYTES[dtype]
    return prod((_rounded(l, ranges, lanes) for l in inside), start=1) <= room


def _rounded(loop: Loop, ranges: Ranges, lanes: int) -> int:
    extent = _extent(loop.name, ranges)
    return -(-extent // lanes) * lanes if loop.kind == "vector" else extent


def _choose_place(
    tree: Tree, leaf: Leaf, path: tuple[Loop, ...], reducing: tuple[str, ...], ranges: Ranges,
    target: VectorTarget,
) -> tuple[int, Space]:  # fmt: skip
    """Return (number of loops above the place, space): registers as far out as they fit."""
    for depth, loop in enumerate(path):
        if loop.name in reducing and _fits(tree, leaf, path[depth:], reducing, ranges, target):
            return depth, "registers"
    return _outermost(path, reducing)


def _outermost(path: tuple[Loop, ...], reducing: tuple[str, ...]) -> tuple[int, Space]:
    """Accumulate in the array itself, initialised ahead of the outermost reduction loop."""
    return next(i for i, loop in enumerate(path) if loop.name in reducing), "memory"


def _make_plan(
    tree: Tree, leaf: Leaf, path: tuple[Loop, ...], place: tuple[int, Space],
    reducing: tuple[str, ...], ranges: Ranges,
) -> Plan:  # fmt: skip
    depth, space = place
    below = path[depth:]
    lanes = tuple(l.name for l in below if l.name in reducing and l.kind == "vector")
    kept = tuple(l.name for l in below if l.name not in reducing)
    around = tuple(l.name for l in path[:depth] if l.kind == "vector")
    shape = tuple(Affine((), _extent(n, ranges)) for n in (around + kept + lanes))
    dtype = tree.array(leaf.write.array).dtype
    return Plan(
        leaf,
        path[depth - 1].name if depth else None,
        space,
        tuple(l.name for l in path[:depth] if l.name in reducing),
        tuple(l.name for l in below if l.name in reducing),
        kept,
        lanes,
        around,
        Array(f"{leaf.statement}.acc", dtype, shape, "temporary"),
    )


def _extent(name: str, ranges: Ranges) -> int:
    return ranges[name][1] + 1


# ---- the three parts ----------------------------------------------------------------------------
def update(plan: Plan) -> Assign:
    """Return the assignment that replaces the leaf."""
    element = plan.element
    dtype = plan.accumulator.dtype
    combine = COMBINE[plan.leaf.reduction.operator]  # type: ignore[union-attr]
    old = Load(element.array, element.subscripts, dtype)
    return Assign(element, Op(combine, (old, plan.leaf.expr), dtype), plan.leaf.statement)


def initialise(plan: Plan, headers: dict[str, For], reassociate: bool) -> tuple[NestNode, ...]:
    """Return the loops that give every accumulator its first value."""
    reduction = plan.leaf.reduction
    assert reduction is not None
    start = identity(reduction.operator, plan.accumulator.dtype)
    element = plan.element
    if plan.space == "memory":
        if reduction.init == "existing":
            return ()
        return _around(plan.kept, headers, (Assign(element, start, plan.leaf.statement),))
    fresh: NestNode = Assign(element, start, plan.leaf.statement)
    if plan.lanes or starts_from_identity(plan, reassociate):
        return _around_full(plan, headers, (fresh,))
    target = plan.leaf.write
    existing = Load(target.array, target.subscripts, plan.accumulator.dtype)
    loaded = Assign(element, existing, plan.leaf.statement)
    if reduction.init == "existing":
        return _around(plan.kept, headers, (loaded,))
    first = _first_visit(plan, headers)
    return _around_full(plan, headers, (If(first, (), (fresh,), (loaded,)),))


def starts_from_identity(plan: Plan, reassociate: bool) -> bool:
    existing = plan.leaf.reduction.init == "existing"  # type: ignore[union-attr]
    return reassociate or (not plan.outer and not existing)


def store(plan: Plan, headers: dict[str, For], reassociate: bool) -> tuple[NestNode, ...]:
    """Return the loops that combine the accumulators with memory."""
    if plan.space == "memory":
        return ()
    reduction = plan.leaf.reduction
    assert reduction is not None
    value = _folded(plan)
    target = plan.leaf.write
    dtype = plan.accumulator.dtype
    old = Load(target.array, target.subscripts, dtype)
    plain = Assign(target, value, plan.leaf.statement)
    combined = replace(plain, expr=Op(COMBINE[reduction.operator], (old, value), dtype))
    if not (plan.lanes or starts_from_identity(plan, reassociate)):
        return _around(plan.kept, headers, (plain,))
    if reduction.init == "existing":
        return _around(plan.kept, headers, (combined,))
    if not plan.outer:
        return _around(plan.kept, headers, (plain,))
    choose = If(_first_visit(plan, headers), (), _around(plan.kept, headers, (plain,)),
                _around(plan.kept, headers, (combined,)))  # fmt: skip
    return (choose,)


def _folded(plan: Plan) -> Expr:
    element = plan.element
    if not plan.lanes:
        return Load(element.array, element.subscripts, plan.accumulator.dtype)
    width = len(plan.lanes)
    count = prod(s.const for s in plan.accumulator.shape[-width:])
    subscripts = element.subscripts[:-width] + (Affine(),) * width
    operator = plan.leaf.reduction.operator  # type: ignore[union-attr]
    return LaneFold(operator, element.array, subscripts, count, plan.accumulator.dtype)  # type: ignore[return-value]


def _first_visit(plan: Plan, headers: dict[str, For]) -> tuple[Affine, ...]:
    return tuple(form_of(n) - headers[n].lowers[0] for n in plan.outer)


def _around(names: tuple[str, ...], headers: dict[str, For], body: tuple[NestNode, ...]) -> tuple[NestNode, ...]:
    for name in reversed(names):
        body = (headers[name].with_body(body),)
    return body


def _around_full(plan: Plan, headers: dict[str, For], body: tuple[NestNode, ...]) -> tuple[NestNode, ...]:
    """Loops over every accumulator, also the lanes no iteration of a partial tile writes."""
    shape = plan.accumulator.shape[len(plan.around) :]
    for name, size in reversed(list(zip(plan.kept + plan.lanes, shape))):
        kind = "vector" if headers[name].kind == "vector" else "unroll"
        body = (For(name, (Affine(),), (size,), kind, None, body),)
    return body
