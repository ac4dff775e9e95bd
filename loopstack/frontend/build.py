"""Graph -> Program: what is stored, under which name, in which statement.

A statement is made for each output, reduction, scan and ``ls.named``, and for each sub-expression
with a reduction or a transcendental that two statements use (``_shared``); everything else is
inlined into its readers. Arrays are named by ``ls.named``, outputs ``out`` or ``out0``, ``out1``,
temporaries by what they hold (``max``, ``exp``, ``mean``). Statements come producers first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from loopstack.frontend.extents import Storage
from loopstack.frontend.graph import (
    CallOutput,
    Concat,
    Node,
    Pad,
    Stored,
    TensorData,
    Trace,
    display,
    unique,
)
from loopstack.ir.affine import Affine, affine
from loopstack.ir.expr import Const, Expr, IndexValue, Load, Op
from loopstack.ir.program import Access, Array, Program, Reduction, Role, Statement

_LARGEST_TREE = 2000
"""Nodes of a statement's expression above which a sub-expression used twice is stored."""

_DEEPEST_TREE = 150
"""Levels of a statement's expression; deeper ones are cut, for every stage walks them."""


@dataclass(frozen=True)
class Output:
    """One result: a node with the order of its indices, or a tensor as it is."""

    value: Node | TensorData
    tokens: tuple[str, ...] = ()


@dataclass
class Draft:
    """A statement before statements are named and ordered."""

    indices: tuple[str, ...]
    constraints: tuple[Affine, ...]
    write: Access
    expr: Expr
    reduction: Reduction | None = None


def build(trace: Trace, outputs: Sequence[Output], reassociate: bool = True) -> Program:
    """Return the program that computes ``outputs`` from the trace's arguments."""
    return Builder(trace, outputs).build(reassociate)


def statement_names(written: Sequence[str]) -> list[str]:
    """Name statements in text order: after the array, if no other statement writes it, else S0 ..

    ``written`` is the array each statement writes.
    """
    taken = {array for array in written if written.count(array) == 1}
    names, number = [], 0
    for array in written:
        if array in taken:
            names.append(array)
            continue
        while f"S{number}" in taken:
            number += 1
        names.append(f"S{number}")
        number += 1
    return names


@dataclass
class Builder:
    trace: Trace
    outputs: Sequence[Output]
    arrays: dict[str, Array] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)
    roles: dict[str, Role] = field(default_factory=dict)
    node_array: dict[Node, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    tensor_array: dict[TensorData, str] = field(default_factory=dict)
    emitted_calls: dict[object, dict[str, str]] = field(default_factory=dict)

    def build(self, reassociate: bool) -> Program:
        self._arguments()
        output_nodes = [o.value for o in self.outputs if isinstance(o.value, Node)]
        roots = _roots(self.trace, output_nodes, self._tensor_nodes())
        self.storage = Storage(self.trace, roots)
        self._name_outputs()
        for output in self.outputs:
            self._emit_output(output)
        return self._program(reassociate)

    def _arguments(self) -> None:
        for data in self.trace.arguments:
            self.tensor_array[data] = data.name
            role: Role = "input" if data.rank else "scalar"
            self.arrays[data.name] = Array(data.name, data.dtype, data.shape, role)

    def _tensor_nodes(self) -> list[Node]:
        """Return nodes that outputs given as tensors are made of."""
        found: list[Node] = []
        for output in self.outputs:
            if isinstance(output.value, TensorData):
                found += producer_nodes(output.value)
        return found

    # ---- names --------------------------------------------------------------------------------
    def taken(self) -> set[str]:
        return {*self.arrays, *self.roles, *self.trace.names.values()}

    def _name_outputs(self) -> None:
        several = len(self.outputs) > 1
        self.output_names: list[str] = []
        for number, output in enumerate(self.outputs):
            name = self._given_name(output.value)
            if name is None:
                name = unique(f"out{number}" if several else "out", self.taken())
            self.roles[name] = "output"
            self.output_names.append(name)
            if isinstance(output.value, Node):
                self.node_array[output.value] = (name, output.tokens)
            else:
                self.tensor_array.setdefault(output.value, name)

    def _given_name(self, value: Node | TensorData) -> str | None:
        if isinstance(value, Node):
            return self.trace.names.get(value)
        return value.name if value.is_named else None

    def scalar_expr(self, node: Node) -> Expr:
        """Return the expression of a value without indices; a stored one is loaded."""
        return _Lowering(self, node, {}).expr(node)

    def emit_reads(self, node: Node) -> None:
        """Emit what a value without indices reads."""
        if self.storage.is_root(node):
            self._emit_node(node)
        elif node.kind == "load":
            self.emit_tensor(node.payload[0])

    def add(
        self,
        indices: tuple[str, ...],
        constraints: tuple[Affine, ...],
        write: Access,
        expr: Expr,
        reduction: Reduction | None = None,
    ) -> None:
        """Append a statement."""
        self.drafts.append(Draft(indices, constraints, write, expr, reduction))

    def declare(self, name: str, dtype: str, shape: tuple[Affine, ...]) -> None:
        self.arrays[name] = Array(name, dtype, shape, self.roles.get(name, "temporary"))

    # ---- emission -----------------------------------------------------------------------------
    def _emit_output(self, output: Output) -> None:
        if isinstance(output.value, Node):
            self._emit_node(output.value)
        else:
            self.emit_tensor(output.value)

    def _emit_node(self, root: Node) -> None:
        """Emit the statements of a stored node after those of what it reads."""
        if root in self.node_array and self.node_array[root][0] in self.arrays:
            return
        for node in self.storage.interior(root):
            if node is not root and self.storage.is_root(node):
                self._emit_node(node)
            elif node.kind == "load":
                self.emit_tensor(node.payload[0])
        name, tokens = self._array_of(root)
        shape, _ = self.storage.shape(root, tokens)
        self.declare(name, root.dtype, shape)
        if root.kind == "scan":
            self._emit_scan(root, name, tokens)
        else:
            self.drafts.append(self._draft(root, name, tokens))

    def _array_of(self, root: Node) -> tuple[str, tuple[str, ...]]:
        if root not in self.node_array:
            name = self.trace.names.get(root)
            if name is None:
                name = unique(self.trace.labels.get(root, _label(root)), self.taken())
            data = self.trace.tensors.get(root)
            made = data.producer if data is not None else None
            self.node_array[root] = (name, made.tokens if isinstance(made, Stored) else root.free)
        return self.node_array[root]

    def _draft(self, root: Node, name: str, tokens: tuple[str, ...]) -> Draft:
        bound: tuple[str, ...] = root.payload[1] if root.kind == "reduce" else ()
        loops = loop_names((*tokens, *bound))
        reduction = Reduction(root.payload[0]) if root.kind == "reduce" else None
        write = Access(name, tuple(affine(loops[t]) for t in tokens))
        return Draft(
            tuple(loops.values()), self._box(root, loops), write, self._body(root, loops), reduction
        )

    def _box(self, root: Node, loops: dict[str, str]) -> tuple[Affine, ...]:
        extents = self.storage.extents(root)
        return box([(loop, extents[token].form) for token, loop in loops.items()])

    def _body(self, root: Node, loops: dict[str, str]) -> Expr:
        """Return the scalar expression of a stored node's statement."""
        if root.kind in ("reduce", "scan", "copy"):
            return _Lowering(self, root, loops).expr(root.args[0])
        return _Lowering(self, root, loops).interior(root)

    def _emit_scan(self, root: Node, name: str, tokens: tuple[str, ...]) -> None:
        """Emit a running sum: the first element, then each from the one before it."""
        along = root.payload[1]
        loops = loop_names(tokens)
        body, constraints = self._body(root, loops), self._box(root, loops)
        here = tuple(affine(loops[t]) for t in tokens)
        # The first statement has the loop too, held at 0 by a constraint, so that an extent of 0
        # leaves nothing to do.
        at_start = (*constraints, -affine(loops[along]))
        self.drafts.append(Draft(tuple(loops.values()), at_start, Access(name, here), body))
        before = tuple(f - 1 if t == along else f for t, f in zip(tokens, here))
        running = Op("add", (Load(name, before, root.dtype), body), root.dtype)
        after = (*constraints, affine(loops[along]) - 1)
        self.drafts.append(Draft(tuple(loops.values()), after, Access(name, here), running))

    # ---- tensors ------------------------------------------------------------------------------
    def emit_tensor(self, data: TensorData) -> str:
        """Emit what fills a tensor, if that has not been done; return its array's name."""
        name = self.tensor_array.get(data)
        if name is not None and name in self.arrays:
            return name
        producer = data.producer
        if isinstance(producer, Stored):
            return self._emit_stored(data, producer)
        if isinstance(producer, CallOutput):
            from loopstack.frontend.compose import emit_call

            return emit_call(self, data, producer)
        return self._emit_copies(data, producer)

    def _emit_stored(self, data: TensorData, producer: Stored) -> str:
        self._emit_node(producer.node)
        self.tensor_array[data] = self.node_array[producer.node][0]
        return self.tensor_array[data]

    def _emit_copies(self, data: TensorData, producer: Pad | Concat | None) -> str:
        assert producer is not None
        sources = producer.sources if isinstance(producer, Concat) else (producer.source,)
        names = [self.emit_tensor(source) for source in sources]
        name = self.tensor_array.get(data) or unique(data.name, self.taken())
        self.tensor_array[data] = name
        self.declare(name, data.dtype, data.shape)
        loops = _dimension_names(data.labels)
        here = tuple(map(affine, loops))
        if isinstance(producer, Pad):
            fill = Const(producer.value, data.dtype)
            self.drafts.append(
                Draft(loops, box(list(zip(loops, data.shape))), Access(name, here), fill)
            )
            self._copy(producer.source, names[0], name, loops, producer.low, data.dtype)
            return name
        offset: Affine = affine(0)
        for source, source_name in zip(producer.sources, names):
            shifts = tuple(offset if d == producer.axis else 0 for d in range(data.rank))
            self._copy(source, source_name, name, loops, shifts, data.dtype)
            offset = offset + source.shape[producer.axis]
        return name

    def _copy(
        self,
        source: TensorData,
        source_name: str,
        name: str,
        loops: tuple[str, ...],
        shifts: Sequence[Affine | int],
        dtype: str,
    ) -> None:
        """Copy a whole array into a box of another one."""
        here = tuple(map(affine, loops))
        expr: Expr = Load(source_name, here, source.dtype)
        if source.dtype != dtype:
            expr = Op("cast", (expr,), dtype)
        target = Access(name, tuple(f + s for f, s in zip(here, shifts)))
        self.drafts.append(Draft(loops, box(list(zip(loops, source.shape))), target, expr))

    # ---- the end ------------------------------------------------------------------------------
    def _program(self, reassociate: bool) -> Program:
        arguments = [a for a in self.arrays.values() if a.role in ("input", "scalar")]
        outputs = [self.arrays[name] for name in self.output_names]
        drafts = _live(self.drafts, set(self.output_names))
        used = {d.write.array for d in drafts}
        rest = [a for n, a in self.arrays.items() if a.role == "temporary" and n in used]
        names = statement_names([d.write.array for d in drafts])
        return Program(
            name=self.trace.name,
            sizes=tuple(self.trace.sizes),
            arrays=(*arguments, *outputs, *rest),
            statements=tuple(
                _statement(n, name, d) for n, (name, d) in enumerate(zip(names, drafts))
            ),
            reassociate=reassociate,
            derived=tuple(self.trace.derived),
            requirements=tuple(self.trace.requirements),
        )


def _statement(number: int, name: str, d: Draft) -> Statement:
    order = (number, *(0 for _ in d.indices))
    return Statement(name, d.indices, d.constraints, d.write, d.expr, d.reduction, order)


def _live(drafts: list[Draft], outputs: set[str]) -> list[Draft]:
    """Drop statements that no output depends on (a called kernel may compute more)."""
    needed = set(outputs)
    for draft in reversed(drafts):
        if draft.write.array in needed:
            needed.update(node.array for node in _loads(draft.expr))
    return [d for d in drafts if d.write.array in needed]


def _loads(expr: Expr) -> list[Load]:
    if isinstance(expr, Load):
        return [expr]
    return [x for a in expr.args for x in _loads(a)] if isinstance(expr, Op) else []


def box(loops: Sequence[tuple[str, Affine]]) -> tuple[Affine, ...]:
    """Return the constraints 0 <= loop < extent."""
    return tuple(f for loop, extent in loops for f in (affine(loop), extent - 1 - affine(loop)))


def loop_names(tokens: Sequence[str]) -> dict[str, str]:
    """Return a loop name per token, the index name where that is unique."""
    names: dict[str, str] = {}
    for token in tokens:
        names[token] = unique(display(token), set(names.values()))
    return names


def _dimension_names(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return one loop name per dimension of a copied array."""
    names: list[str] = []
    for d, label in enumerate(labels):
        wanted = label if label.isidentifier() else f"d{d}"
        names.append(unique(wanted, set(names)))
    return tuple(names)


def _label(root: Node) -> str:
    return root.payload if root.kind == "op" else "value"


# ---- what is stored -----------------------------------------------------------------------------
def producer_nodes(data: TensorData) -> list[Node]:
    """Return the nodes whose values a tensor holds, through pads, concatenations and calls."""
    producer = data.producer
    if isinstance(producer, Stored):
        return [producer.node]
    if isinstance(producer, Pad):
        return producer_nodes(producer.source)
    if isinstance(producer, Concat):
        return [n for source in producer.sources for n in producer_nodes(source)]
    if isinstance(producer, CallOutput):
        tensors = [n for t in producer.call.tensors.values() for n in producer_nodes(t)]
        plain = ("load", "const", "index")
        return [*tensors, *(s for s in producer.call.scalars.values() if s.kind not in plain)]
    return []


def _children(node: Node) -> list[Node]:
    if node.kind == "load":
        return producer_nodes(node.payload[0])
    return list(node.args)


def _topological(outputs: list[Node]) -> list[Node]:
    """Return every node below the outputs, users before what they use."""
    done: dict[Node, None] = {}
    open_: list[tuple[Node, bool]] = [(n, False) for n in outputs]
    while open_:
        node, leaving = open_.pop()
        if leaving:
            done.setdefault(node)
        elif node not in done:
            open_.append((node, True))
            open_.extend((child, False) for child in _children(node))
    return list(done)[::-1]


def _roots(trace: Trace, outputs: list[Node], tensor_nodes: list[Node]) -> frozenset[Node]:
    """Return outputs, tensors' nodes, shared heavy sub-expressions, and cuts of huge ones."""
    order = _topological([*outputs, *tensor_nodes])
    roots = {*outputs, *tensor_nodes}
    for node in order:
        if node.kind == "load":
            roots.update(producer_nodes(node.payload[0]))
    users: dict[Node, set[Node]] = {node: set() for node in order}
    for node in order:
        stored = node in roots or node.is_stored or node in trace.names
        if not stored and node.heavy and len(users[node]) > 1:
            roots.add(node)
            stored = True
        reached = {node} if stored else users[node]
        for child in _children(node):
            users[child] |= reached
    return frozenset(roots | _cuts(trace, order, roots))


def _cuts(trace: Trace, order: list[Node], roots: set[Node]) -> set[Node]:
    """Return nodes to store so that no statement's expression tree becomes huge or deep."""
    uses = Counter(child for node in order for child in _children(node))
    cuts: set[Node] = set()
    size: dict[Node, int] = {}
    depth: dict[Node, int] = {}
    for node in reversed(order):
        size[node] = 1 + sum(size[a] for a in node.args)
        depth[node] = 1 + max((depth[a] for a in node.args), default=0)
        stored = node in roots or node.is_stored or node in trace.names
        huge = size[node] > _LARGEST_TREE and uses[node] > 1
        if not stored and (huge or depth[node] > _DEEPEST_TREE):
            cuts.add(node)
            stored = True
        if stored:
            size[node] = depth[node] = 1
    return cuts


# ---- expressions --------------------------------------------------------------------------------
class _Lowering:
    """Turn nodes of one statement into expressions; stored nodes become loads."""

    def __init__(self, builder: Builder, root: Node, loops: dict[str, str]) -> None:
        self.builder = builder
        self.root = root
        self.loops = {token: affine(loop) for token, loop in loops.items() if token != loop}
        self.memo: dict[Node, Expr] = {}

    def expr(self, node: Node) -> Expr:
        """Return the expression of a node read by this statement."""
        if node not in self.memo:
            stored = self.builder.storage.is_root(node)
            self.memo[node] = self._stored(node) if stored else self.interior(node)
        return self.memo[node]

    def interior(self, node: Node) -> Expr:
        """Return the expression of a node computed in this statement."""
        if node.kind == "const":
            return Const(node.payload.value, node.dtype)
        if node.kind == "index":
            return IndexValue(self._form(node.payload))
        if node.kind == "load":
            return self._load(node)
        return Op(node.payload, tuple(map(self.expr, node.args)), node.dtype)

    def _load(self, node: Node) -> Load:
        data, subscripts = node.payload
        name = self.builder.tensor_array[data]
        return Load(name, tuple(map(self._form, subscripts)), node.dtype)

    def _stored(self, node: Node) -> Load:
        name, tokens = self.builder.node_array[node]
        return Load(name, tuple(self._form(affine(t)) for t in tokens), node.dtype)

    def _form(self, form: Affine) -> Affine:
        return self.builder.storage.resolve(form, self.root).substitute(self.loops)
