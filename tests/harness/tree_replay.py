"""Run programs and loop trees on symbolic values: the oracle of the legality tests.

Every instance computes a value that names what it read, so two runs agree exactly when each
instance saw the same values. Sums that may be regrouped are multisets, others are sequences.

A reduction that starts from the identity writes it to all its results ahead of its outermost
reduction loop, in the program and in the tree: results without terms keep it.

Where a loop runs over results and terms at once, they all get it ahead of the outermost loop.

A tree is run several ways: loops marked parallel or vector run forwards, backwards, and as
``snapshot``, where no iteration sees what another one wrote. Legal trees agree with the program in
all of them. Nothing here uses loopstack.poly or loopstack.schedule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loopstack.ir.affine import Affine, name
from loopstack.ir.expr import Expr, IndexValue, Load, Op, walk
from loopstack.ir.loop_tree import Leaf, Loop, Node, Prefetch, Tree
from loopstack.ir.program import Access, Program, Reduction
from loopstack.reference.domain import interval_box, points

Memory = dict[Any, Any]
Values = Mapping[str, int]
MODES = ("forward", "backward", "snapshot")
UNSET = "unset"
IDENTITY = "identity"


def run_program(program: Program) -> Memory:
    """Return what outputs hold after the program ran in its own order."""
    memory = _initial(program)
    events = [*_first_values(program), *_instances(program)]
    for time, number, values in sorted(events, key=lambda item: item[0]):
        s = program.statements[number]
        if time[-1] % 2:
            memory[_element(s.write, values)] = IDENTITY
            continue
        label = (s.name, *(values[i] for i in s.indices))
        relaxed = _relaxed(program, s.write.array, s.reduction)
        alone = s.reduction is not None and s.reduction.init == "identity"
        alone = alone and not s.reduction_indices
        step = _Step(s.expr, s.write, s.reduction, relaxed, label, alone)
        _execute(memory, memory, step, values)
    return _results(program, memory)


def run_tree(tree: Tree, mode: str = "forward", parts: Mapping[str, str] | None = None) -> Memory:
    """Return what outputs hold after the tree ran; ``parts`` as ``harness.parts`` gives them."""
    memory = _initial(tree.program)
    _Runner(tree, mode, parts or {}).body(tree.body, {}, memory)
    return _results(tree.program, memory)


def instances_of(
    tree: Tree, parts: Mapping[str, str] | None = None
) -> dict[str, Counter[tuple[int, ...]]]:
    """Return how often each instance of each program statement runs."""
    runner = _Runner(tree, "forward", parts or {})
    runner.body(tree.body, {}, _initial(tree.program))
    return runner.counts


def program_instances(program: Program) -> dict[str, Counter[tuple[int, ...]]]:
    found: dict[str, Counter[tuple[int, ...]]] = {s.name: Counter() for s in program.statements}
    for _, number, values in _instances(program):
        s = program.statements[number]
        found[s.name][tuple(values[i] for i in s.indices)] += 1
    return found


def agrees(tree: Tree, expected: Memory, parts: Mapping[str, str] | None = None) -> bool:
    """Tell whether every way to run the tree gives the expected results."""
    return all(run_tree(tree, mode, parts) == expected for mode in MODES)


# ---- the program's own order --------------------------------------------------------------------
def _instances(program: Program) -> Iterator[tuple[tuple[int, ...], int, dict[str, int]]]:
    for number, s in enumerate(program.statements):
        order = s.order or (number, *(0 for _ in s.indices))
        columns = points(s.constraints, s.indices)
        count = len(columns[s.indices[0]]) if s.indices else 1
        for row in range(count):
            values = {i: int(columns[i][row]) for i in s.indices}
            time = [2 * order[0]]
            for n, i in enumerate(s.indices):
                time += [values[i], 2 * order[n + 1]]
            yield tuple(time), number, values


def _first_values(program: Program) -> Iterator[tuple[tuple[int, ...], int, dict[str, int]]]:
    """Yield when each result of a reduction gets the identity: times that end in an odd number."""
    for number, s in enumerate(program.statements):
        if s.reduction is None or s.reduction.init != "identity" or not s.reduction_indices:
            continue
        order = s.order or (number, *(0 for _ in s.indices))
        kept = [i for i in s.indices if i not in s.reduction_indices]
        free = [c for c in s.constraints if c.names.isdisjoint(s.reduction_indices)]
        shared = s.indices.index(s.reduction_indices[0])
        for values in _rows(free, kept):
            time = [2 * order[0]]
            for n, i in enumerate(s.indices[:shared]):
                time += [values[i], 2 * order[n + 1]]
            time[-1] -= 1
            yield tuple(time), number, values


def _rows(constraints: Sequence[Affine], names: Sequence[str]) -> Iterator[dict[str, int]]:
    """Yield the points of a domain."""
    if not names:
        if all(form.evaluate({}) >= 0 for form in constraints):
            yield {}
        return
    columns = points(constraints, names)
    for row in range(len(columns[names[0]])):
        yield {n: int(columns[n][row]) for n in names}


# ---- one instance -------------------------------------------------------------------------------
def _initial(program: Program) -> Memory:
    return {("arrays",): {a.name for a in program.arrays if a.role in ("input", "inout", "scalar")}}


def _results(program: Program, memory: Memory) -> Memory:
    outputs = {a.name for a in program.arrays if a.role in ("output", "inout")}
    return {k: v for k, v in memory.items() if k[0] in outputs}


def _read(memory: Memory, array: str, element: tuple[int, ...]) -> Any:
    found = memory.get((array, element))
    if found is None:
        return (array, element) if array in memory[("arrays",)] else UNSET
    return found


def _evaluate(expr: Expr, values: Values, memory: Memory) -> Any:
    if isinstance(expr, Load):
        return _read(memory, expr.array, tuple(s.evaluate(values) for s in expr.subscripts))
    if isinstance(expr, IndexValue):
        return expr.form.evaluate(values)
    if isinstance(expr, Op):
        return _short((expr.name, *(_evaluate(arg, values, memory) for arg in expr.args)))
    return str(expr)


def _short(value: object) -> int:
    """Values nest; a number in their place keeps them small."""
    return _NUMBERS.setdefault(value, len(_NUMBERS))


_NUMBERS: dict[object, int] = {}


def _relaxed(program: Program, array: str, reduction: Reduction | None) -> bool:
    if reduction is None:
        return False
    whole = program.array(array).dtype in ("i32", "i64")
    return whole or reduction.operator in ("max", "min") or program.reassociate


@dataclass(frozen=True)
class _Step:
    """What one instance does; ``label`` names it (a pack's copy has none: it only moves values).

    ``starts_here``: a reduction of one term, which starts from the identity.
    """

    expr: Expr
    write: Access
    reduction: Reduction | None
    relaxed: bool
    label: tuple[object, ...] | None
    starts_here: bool = False


def _element(write: Access, values: Values) -> tuple[str, tuple[int, ...]]:
    return (write.array, tuple(s.evaluate(values) for s in write.subscripts))


def _execute(memory: Memory, reads: Memory, step: _Step, values: Values) -> None:
    value = _evaluate(step.expr, values, reads)
    if step.label is not None:
        value = _short((step.label, value))
    element = _element(step.write, values)
    if step.reduction is None or step.label is None:
        memory[element] = value
        return
    old = IDENTITY if step.starts_here else _read(memory, *element)
    is_sum = isinstance(old, tuple) and len(old) == 3 and old[0] == "sum"
    base, parts = old[1:] if is_sum else (old, ())
    added = (*parts, value)
    memory[element] = ("sum", base, tuple(sorted(added, key=repr)) if step.relaxed else added)


# ---- trees --------------------------------------------------------------------------------------
@dataclass
class _Runner:
    tree: Tree
    mode: str
    parts: Mapping[str, str]
    counts: dict[str, Counter[tuple[int, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ranges = _leaf_ranges(self.tree.body, ())
        self.reducing = {leaf.statement: self._reducing(leaf) for leaf in _leaves(self.tree.body)}
        self.mixed = dict(filter(None, map(self._mixed, _leaves(self.tree.body))))
        for s in self.tree.program.statements:
            self.counts.setdefault(s.name, Counter())

    def body(self, nodes: tuple[Node, ...], values: dict[str, int], memory: Memory) -> None:
        for node in nodes:
            self.node(node, values, memory)

    def node(self, node: Node, values: dict[str, int], memory: Memory) -> None:
        staged = [s for s in self.tree.stages if s.loop in values and _innermost(values) == s.loop
                  and s.statement in _statements(node)]  # fmt: skip
        for stage in staged:
            memory[("loaded", stage.statement)] = dict(memory)
        for leaf in _leaves((node,)) if isinstance(node, Loop) else ():
            if leaf.statement in self.mixed:
                if self.mixed[leaf.statement] == node.name:
                    self.start_all(leaf, memory)
            elif self.reducing[leaf.statement][:1] == (node.name,):
                self.start(node, leaf, values, memory)
        if isinstance(node, Loop):
            self.loop(node, values, memory)
        elif not isinstance(node, Prefetch):
            self.leaf(node, values, memory)
        for stage in staged:
            del memory[("loaded", stage.statement)]
            for key in [k for k in memory if k[:2] == ("dirty", stage.statement)]:
                memory[key[2]] = memory.pop(key)

    def _reducing(self, leaf: Leaf) -> tuple[str, ...]:
        """Return the reduction loops of a leaf that starts from the identity, outermost first."""
        if leaf.reduction is None or leaf.reduction.init != "identity":
            return ()
        path = [loop.name for loop in self.tree.path(leaf.statement)]
        place = next((b.loop for b in self.tree.buffers if b.array.name == leaf.write.array), None)
        scope = path.index(place) + 1 if place is not None else 0
        written = frozenset().union(*(s.names for s in leaf.write.subscripts), frozenset())
        return tuple(name for name in path[scope:] if name not in written)

    def _mixed(self, leaf: Leaf) -> tuple[str, str] | None:
        """Return (leaf, outermost loop) when an element is written at several places of its loops.

        Places are told apart by the loops that the write moves with.
        """
        s = self.tree.program.statement_by_name.get(leaf.statement)
        if s is None or leaf.reduction is None or leaf.reduction.init != "identity":
            return None
        path = [loop.name for loop in self.tree.path(leaf.statement)]
        if not s.reduction_indices or not path:
            return None
        if any(b.array.name == leaf.write.array for b in self.tree.buffers):
            return None
        moving = [name for name in path if name not in self.reducing[leaf.statement]]
        box = [bound for n in path for bound in (name(n) - self.ranges[n][0],
                                                 self.ranges[n][1] - name(n))]  # fmt: skip
        seen: dict[Any, tuple[int, ...]] = {}
        for values in _rows([*leaf.constraints, *box], path):
            place = tuple(values[n] for n in moving)
            if seen.setdefault(_element(leaf.write, values), place) != place:
                return leaf.statement, path[0]
        told = self.reducing[leaf.statement] and not self._leaves_results(leaf)
        return None if told else (leaf.statement, path[0])

    def _leaves_results(self, leaf: Leaf) -> bool:
        """Tell whether constraints on the loops of results allow more or fewer than there are.

        A constraint may bound them together with a loop that the write does not move with; loops
        that the write does move with may bound terms.
        """
        s = self.tree.program.statement(leaf.statement)
        reducing, binding = self.reducing[leaf.statement], dict(leaf.binding)
        kept = tuple(x for x in self.tree.path(leaf.statement) if x.name not in reducing)
        free = [c for c in s.constraints if c.names.isdisjoint(s.reduction_indices)]
        of_terms = [c.substitute(binding) for c in s.constraints if c not in free]
        of_terms = [form for form in of_terms if form.names.isdisjoint(reducing)]
        allowed = [c for c in leaf.constraints if c.names.isdisjoint(reducing)]
        wanted = [c.substitute(binding) for c in free]
        return _allow(kept, allowed, wanted) or _allow(kept, wanted, of_terms)

    def start_all(self, leaf: Leaf, memory: Memory) -> None:
        s = self.tree.program.statement(leaf.statement)
        kept = [i for i in s.indices if i not in s.reduction_indices]
        for row in _rows([c for c in s.constraints if c.names <= set(kept)], kept):
            memory[_element(s.write, row)] = IDENTITY

    def start(self, node: Loop, leaf: Leaf, values: dict[str, int], memory: Memory) -> None:
        """Give every result of a reduction below ``node`` the identity."""
        names = [loop.name for loop in self.tree.path(leaf.statement)]
        below = names[names.index(node.name) :]
        reducing = self.reducing[leaf.statement]
        kept = [name for name in below if name not in reducing]
        results = tuple(x for x in self.tree.path(leaf.statement) if x.name not in reducing)
        box = _box_of_results(leaf.constraints, results) or ()
        bounds = [*_result_constraints(leaf, self.tree), *box]
        for row in _rows([c.substitute(values) for c in bounds], kept):
            element = _element(leaf.write, {**values, **row})
            staged = ("loaded", leaf.statement) in memory
            memory[("dirty", leaf.statement, element) if staged else element] = IDENTITY

    def loop(self, loop: Loop, values: dict[str, int], memory: Memory) -> None:
        low, high = self.ranges.get(loop.name, (0, (loop.extent or 0) - 1))
        iterations = list(range(low, high + 1))
        free = loop.kind in ("parallel", "vector")
        if free and self.mode == "backward":
            iterations.reverse()
        if free and self.mode == "snapshot" and not self._has_lanes(loop):
            self._snapshot(loop, iterations, values, memory)
            return
        for i in iterations:
            self.iteration(loop, i, values, memory)

    def iteration(self, loop: Loop, i: int, values: dict[str, int], memory: Memory) -> None:
        for buffer in self.tree.buffers:
            if buffer.loop == loop.name:
                _forget(memory, buffer.array.name)
        self.body(loop.body, {**values, loop.name: i}, memory)

    def _snapshot(
        self, loop: Loop, iterations: list[int], values: dict[str, int], memory: Memory
    ) -> None:
        before = dict(memory)
        for i in iterations:
            mine = dict(before)
            self.iteration(loop, i, values, mine)
            changed = {k: v for k, v in mine.items() if before.get(k) != v}
            memory.update(changed)

    def _has_lanes(self, loop: Loop) -> bool:
        """A vector loop over a regrouped reduction: its lanes are accumulators, then folded."""
        return loop.kind == "vector" and any(
            leaf.reduction is not None
            and all(loop.name not in s.names for s in leaf.write.subscripts)
            for leaf in _leaves((loop,))
        )

    def leaf(self, leaf: Leaf, values: dict[str, int], memory: Memory) -> None:
        if any(form.evaluate(values) < 0 for form in leaf.constraints):
            return
        instance = tuple(form.evaluate(values) for _, form in leaf.binding)
        label = None
        if leaf.statement in self.counts:
            whole = self.parts.get(leaf.statement, leaf.statement)
            self.counts[whole][instance] += 1
            label = (whole, *instance)
        program = self.tree.program
        relaxed = leaf.reduction is not None and _relaxed(program, leaf.write.array, leaf.reduction)
        starts_here = leaf.reduction is not None and leaf.reduction.init == "identity"
        starts_here = starts_here and not self.reducing[leaf.statement]
        starts_here = starts_here and leaf.statement not in self.mixed
        step = _Step(leaf.expr, leaf.write, leaf.reduction, relaxed, label, starts_here)
        loaded = memory.get(("loaded", leaf.statement))
        if loaded is None:
            _execute(memory, memory, step, values)
        else:
            self._staged_leaf(leaf, step, values, memory, loaded)

    def _staged_leaf(
        self, leaf: Leaf, step: _Step, values: Values, memory: Memory, loaded: Memory
    ) -> None:
        """Work on the element as it was loaded; what changes is stored when the window closes."""
        dirty = {k[2]: v for k, v in memory.items() if k[:2] == ("dirty", leaf.statement)}
        window = {**loaded, **dirty}
        before = dict(window)
        element = (leaf.write.array, tuple(s.evaluate(values) for s in leaf.write.subscripts))
        reads = memory
        if Load(leaf.write.array, leaf.write.subscripts, "") in _own_loads(leaf.expr):
            reads = {**memory, element: window.get(element)}
        _execute(window, reads, step, values)
        for key, value in window.items():
            if key not in before or before[key] != value:
                memory[("dirty", leaf.statement, key)] = value


def _own_loads(expr: Expr) -> list[Load]:
    return [Load(node.array, node.subscripts, "") for node in walk(expr) if isinstance(node, Load)]


def _innermost(values: Mapping[str, int]) -> str:
    return list(values)[-1]


def _forget(memory: Memory, array: str) -> None:
    for key in [k for k in memory if k[0] == array]:
        del memory[key]


def _leaves(nodes: tuple[Node, ...]) -> list[Leaf]:
    found: list[Leaf] = []
    for node in nodes:
        found += [node] if isinstance(node, Leaf) else _leaves(getattr(node, "body", ()))
    return found


def _statements(node: Node) -> list[str]:
    return [leaf.statement for leaf in _leaves((node,))]


def _leaf_ranges(nodes: tuple[Node, ...], above: tuple[Loop, ...]) -> dict[str, tuple[int, int]]:
    """Return the hull of each loop's range over the leaves below it."""
    found: dict[str, tuple[int, int]] = {}
    for node in nodes:
        if isinstance(node, Loop):
            inner = _leaf_ranges(node.body, (*above, node))
        elif isinstance(node, Leaf):
            inner = _ranges_of(node.constraints, above)
            for loop, (low, high) in _result_ranges(node, above).items():
                inner[loop] = (min(low, inner[loop][0]), max(high, inner[loop][1]))
        else:
            continue
        for loop, (low, high) in inner.items():
            old = found.get(loop, (low, high))
            found[loop] = (min(low, old[0]), max(high, old[1]))
    return found


def _result_ranges(leaf: Leaf, above: tuple[Loop, ...]) -> dict[str, tuple[int, int]]:
    """Return the ranges of the loops of a reduction's results, those without terms included."""
    if leaf.reduction is None or leaf.reduction.init != "identity":
        return {}
    written = frozenset().union(*(s.names for s in leaf.write.subscripts), frozenset())
    kept = tuple(loop for loop in above if loop.name in written)
    names = {loop.name for loop in kept}
    return _ranges_of([c for c in leaf.constraints if c.names <= names], kept, wanted=False)


def _allow(kept: tuple[Loop, ...], given: Sequence[Affine], wanted: Sequence[Affine]) -> bool:
    """Tell whether loops within the given constraints break one of those wanted."""
    names = [loop.name for loop in kept]
    if not wanted or all(form.is_constant and form.const >= 0 for form in wanted):
        return False
    if any(not form.names <= set(names) for form in wanted):
        return True
    bounds = _box_of_results(given, kept)
    if bounds is None:
        return not set(wanted) <= set(given)
    rows = _rows([*given, *bounds], names)
    return any(form.evaluate(row) < 0 for row in rows for form in wanted)


def _box_of_results(given: Sequence[Affine], kept: tuple[Loop, ...]) -> list[Affine] | None:
    """Return bounds of the loops of results; None when nothing bounds one of them."""
    names = {loop.name for loop in kept}
    box = _ranges_of([c for c in given if c.names <= names], kept, wanted=False)
    if box.keys() < names:
        return None
    return [b for n, (low, high) in box.items() for b in (name(n) - low, high - name(n))]


def _result_constraints(leaf: Leaf, tree: Tree) -> list[Affine]:
    """Return what bounds the results of a reduction over the loops above it."""
    written = frozenset().union(*(s.names for s in leaf.write.subscripts), frozenset())
    path = tree.path(leaf.statement)
    outside = [loop.name for loop in path if loop.name not in written]
    kept = [loop for loop in path if loop.name in written and loop.extent is not None]
    free = [c for c in leaf.constraints if c.names.isdisjoint(outside)]
    for loop in kept:
        free += [name(loop.name), loop.extent - 1 - name(loop.name)]  # type: ignore[operator]
    return free


def rows_of(leaf: Leaf, above: tuple[Loop, ...]) -> Iterator[dict[str, int]]:
    """Yield the values of the loops above a leaf at which it runs, in order."""
    box = _ranges_of(leaf.constraints, above)
    bounds = [b for n, (low, high) in box.items() for b in (name(n) - low, high - name(n))]
    return _rows([*leaf.constraints, *bounds], [loop.name for loop in above])


def _ranges_of(
    given: Sequence[Affine], above: tuple[Loop, ...], wanted: bool = True
) -> dict[str, tuple[int, int]]:
    """Return the range of every loop; nothing when there is none and none is ``wanted``."""
    constraints: list[Affine] = list(given)
    for loop in above:
        if loop.extent is not None:
            constraints += [name(loop.name), loop.extent - 1 - name(loop.name)]
    names = [loop.name for loop in above]
    try:
        box = interval_box(constraints, names)
    except ValueError:  # no single constraint bounds a loop: along diagonals, for one
        box = _exact_box(constraints, names, wanted)
    return box if box is not None else dict.fromkeys(names, (0, -1))


def _exact_box(
    constraints: list[Affine], names: list[str], wanted: bool
) -> dict[str, tuple[int, int]] | None:
    import islpy

    def text(form: Affine) -> str:
        parts = [str(form.const)]
        for atom, c in form.terms:
            if isinstance(atom, str):
                parts.append(f"{c}*x{names.index(atom)}")
            else:
                parts.append(f"{c}*floor(({text(atom.numerator)})/{atom.divisor})")
        return " + ".join(parts)

    variables = ", ".join(f"x{n}" for n in range(len(names)))
    conditions = " and ".join(f"{text(form)} >= 0" for form in constraints)
    domain = islpy.Set(f"{{ [{variables}] : {conditions} }}")
    if domain.is_empty():
        return None
    if not wanted and not domain.is_bounded():
        return {}
    return {
        name: (domain.dim_min_val(n).to_python(), domain.dim_max_val(n).to_python())
        for n, name in enumerate(names)
    }


__all__ = [
    "MODES", "agrees", "instances_of", "program_instances", "rows_of", "run_program", "run_tree",
]  # fmt: skip
