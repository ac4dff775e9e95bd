"""Decide whether a loop tree computes what its program computes; if not, show where.

:func:`check` walks every pair of accesses that may touch one element, at least one of them a
write. A pair is legal when each common element is touched in program order. Plain Python proves
most pairs (:mod:`loopstack.poly.quick`); the rest go to isl as one set a pair and loop, whose
least point is the witness.

Invariants that commands keep, and that are not checked again here: every instance of every
statement is in the tree; a copy covers what its readers read.

Also checked: ``parallel`` and ``vector`` loops carry no dependence (a vector loop may carry the
updates of a relaxed reduction), local arrays are filled before they are read, and nothing else
touches a staged element while it is staged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from loopstack.ir.affine import Affine
from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Stage, Tree
from loopstack.ir.program import Access, Statement
from loopstack.poly import isl, quick
from loopstack.poly.accesses import Place, Touch, View, shared_loops, stands_before
from loopstack.poly.carried import surely_kept
from loopstack.poly.dependence import element_text, instance_text, order_condition
from loopstack.poly.fast import open_pairs
from loopstack.poly.first_values import PREFIX, with_first_values
from loopstack.poly.privacy import lost_value
from loopstack.poly.uniform import surely_apart


@dataclass(frozen=True)
class Violation:
    """Why a tree is illegal: two instances that touch ``element`` in the wrong order.

    ``source`` must come before ``target``; ``loop`` is the parallel or vector loop to blame, None
    when the order of the loops is.
    """

    text: str
    kind: str
    element: str
    source: str
    target: str
    loop: str | None = None

    def __str__(self) -> str:
        return self.text


def check(tree: Tree) -> Violation | None:
    """Return None for a legal tree, else the first violation in program order."""
    view = View(with_first_values(tree))
    return next(_violations(view), None)


def is_legal(tree: Tree, operations: int = 0) -> bool | None:
    """Tell whether a tree is legal; None when isl would need more ``operations`` to tell.

    Without any, only what plain Python proves is told.
    """
    try:
        with isl.limited(operations):
            return check(tree) is None
    except isl.TooHardError:
        return None


def _violations(view: View) -> Iterator[Violation]:
    for first, second in open_pairs(view, _conflicts(view)):
        found = _check_pair(view, first, second)
        if found is not None:
            yield found
    yield from _local_array_violations(view)
    yield from _private_copy_violations(view)
    for stage in view.tree.stages:
        found = _check_stage(view, stage)
        if found is not None:
            yield found


# ---- pairs of accesses of one array -------------------------------------------------------------
def _conflicts(view: View) -> Iterator[tuple[Touch, Touch]]:
    """Yield (earlier, later) pairs; both ways round where the program interleaves statements."""
    touches = view.touches
    for number, first in enumerate(touches):
        for second in touches[number:]:
            if first.access.array != second.access.array:
                continue
            if not (first.is_write or second.is_write):
                continue
            yield from _directions(view, first, second)


def _directions(view: View, first: Touch, second: Touch) -> Iterator[tuple[Touch, Touch]]:
    a, b = (quick.top_position(view.program, t.statement.name) for t in (first, second))
    if a <= b:
        yield first, second
    if b <= a and first is not second:
        yield second, first


def _check_pair(view: View, first: Touch, second: Touch) -> Violation | None:
    a, b = first.statement, second.statement
    if quick.runs_before(view.program, a.name, b.name):
        if quick.surely_ordered(view, first, second):
            return None
    elif a is b and _surely_self_legal(view, first, second):
        return None
    if surely_kept(view, first, second) or surely_apart(view, first, second):
        return None
    return _search(view, first, second)


def _surely_self_legal(view: View, first: Touch, second: Touch) -> bool:
    if first is second:
        return quick.surely_self_ordered(view, first.carrier, first.statement)
    write, read = (first, second) if first.is_write else (second, first)
    return quick.surely_reads_own_element(view, write, read)


# ---- the exact search ---------------------------------------------------------------------------
@dataclass(frozen=True)
class _Side:
    """One access as isl variables, one a loop, and what has to hold between them.

    ``own`` names the loops above the statement, ``carried`` those above the carrier.
    """

    touch: Touch
    own: Mapping[str, str]
    carried: Mapping[str, str]
    variables: tuple[str, ...]
    conditions: tuple[str, ...]

    @staticmethod
    def of(view: View, touch: Touch, letter: str) -> _Side:
        place = touch.chain[0]
        own = {loop.name: f"{letter}{n}" for n, loop in enumerate(place.loops)}
        names, everything = own, list(own.values())
        conditions = list(_domain(place, names))
        for reader, copy in zip(touch.chain, touch.chain[1:]):
            names, more = _copy_instance(view, reader, copy, names, f"{letter}{len(everything)}_")
            everything += [v for v in names.values() if v not in everything]
            conditions += more
        return _Side(touch, own, names, tuple(everything), tuple(conditions))

    def instance(self, point: Mapping[str, int]) -> dict[str, int]:
        """Return the statement's index values at a point."""
        values = {loop: point[variable] for loop, variable in self.own.items()}
        return {i: form.evaluate(values) for i, form in self.touch.chain[0].leaf.binding}

    def indices(self) -> list[str]:
        """Return the statement's indices as isl text."""
        return [isl.form_text(form, self.own) for _, form in self.touch.chain[0].leaf.binding]


def _domain(place: Place, names: Mapping[str, str]) -> Iterator[str]:
    for loop in place.loops:
        if loop.extent is not None:
            yield f"0 <= {names[loop.name]} < {loop.extent}"
    for form in place.leaf.constraints:
        yield f"{isl.form_text(form, names)} >= 0"


def _copy_instance(
    view: View, reader: Place, copy: Place, names: Mapping[str, str], prefix: str
) -> tuple[dict[str, str], list[str]]:
    """Return variables for the copy that fills what ``reader`` reads, and the link between both."""
    buffer = copy.leaf.write.array
    above = view.depth_of_buffer(buffer)
    mine = {
        loop.name: names[loop.name] if n < above else f"{prefix}{n}"
        for n, loop in enumerate(copy.loops)
    }
    # An expression may read the buffer several times, but a pack replaces reads of one element.
    (load,) = {load for load in loads(reader.leaf.expr) if load.array == buffer}
    linked = _equal_elements(load.subscripts, names, copy.leaf.write.subscripts, mine)
    return mine, [*_domain(copy, mine), *linked]


def _equal_elements(
    left: Sequence[Affine], names: Mapping[str, str],
    right: Sequence[Affine], other_names: Mapping[str, str],
) -> list[str]:  # fmt: skip
    return [
        f"{isl.form_text(a, names)} = {isl.form_text(b, other_names)}" for a, b in zip(left, right)
    ]


def _equal_loops(a: _Side, b: _Side, above: int) -> list[str]:
    """Return that both carriers are in one iteration of the first ``above`` loops they share."""
    shared = shared_loops(a.touch.carrier, b.touch.carrier)[:above]
    return [f"{a.carried[loop.name]} = {b.carried[loop.name]}" for loop in shared]


def _search(view: View, first: Touch, second: Touch) -> Violation | None:
    """Look for an element that ``second`` may touch before ``first``, against program order."""
    relaxed = first is second and quick.is_relaxed(view.program, first.statement)
    a, b = _Side.of(view, first, "a"), _Side.of(view, second, "b")
    base = [*a.conditions, *b.conditions, _program_order(view, a, b)]
    base += _equal_elements(first.local.subscripts, a.carried, second.local.subscripts, b.carried)
    above = view.private_depth(first.access.array)  # other iterations have copies of their own
    base += _equal_loops(a, b, above)
    for loop, late in _wrong_orders(a, b, above, relaxed):
        point = isl.first_point([*a.variables, *b.variables], isl.conjunction([*base, late]))
        if point is not None:
            return _describe(view, a, b, loop, point)
    return None


def _program_order(view: View, a: _Side, b: _Side) -> str:
    """Return the condition that a's instance comes before b's in the program."""
    ends = [(side.touch.statement, side.indices()) for side in (a, b)]
    return order_condition(view.program, ends[0], ends[1])


def _wrong_orders(
    a: _Side, b: _Side, above: int, relaxed: bool
) -> Iterator[tuple[Loop | None, str]]:
    """Yield (loop, condition): the ways in which b's carrier may run before a's, loop by loop.

    The first ``above`` shared loops are taken to be equal. ``relaxed`` updates may swap, but not
    run at once; lanes are independent accumulators unless the write itself moves with the lane.
    """
    left, right = a.touch.carrier, b.touch.carrier
    shared = shared_loops(left, right)
    mentioned = frozenset().union(*(s.names for s in a.touch.local.subscripts), frozenset())
    equal = _equal_loops(a, b, above)
    for loop in shared[above:]:
        x, y = a.carried[loop.name], b.carried[loop.name]
        at_once = loop.kind == "parallel" or (
            loop.kind == "vector" and not (relaxed and loop.name not in mentioned)
        )
        if at_once:
            yield loop, isl.conjunction([*equal, f"{x} != {y}"])
        elif not relaxed:
            yield None, isl.conjunction([*equal, f"{x} > {y}"])
        equal.append(f"{x} = {y}")
    if left is not right and not stands_before(left, right):
        yield None, isl.conjunction(equal)


# ---- local arrays -------------------------------------------------------------------------------
def _local_array_violations(view: View) -> Iterator[Violation]:
    """Check that buffers are filled before they are read, within one iteration of their loop."""
    for name in view.buffers:
        above = view.depth_of_buffer(name)
        writers = [p for p in view.places.values() if p.leaf.write.array == name]
        readers = [
            p
            for p in view.places.values()
            if any(load.array == name for load in loads(p.leaf.expr))
        ]
        for writer, reader in product(writers, readers):
            found = _check_fill(view, name, above, writer, reader)
            if found is not None:
                yield found
        for writer in writers:
            found = _check_refill(view, above, writer)
            if found is not None:
                yield found


def _check_fill(
    view: View, name: str, above: int, writer: Place, reader: Place
) -> Violation | None:
    shared = shared_loops(writer, reader)
    for load in (load for load in loads(reader.leaf.expr) if load.array == name):
        first = _plain_touch(view, writer, None)
        second = _plain_touch(view, reader, load.subscripts)
        sides = ((writer, first.local.subscripts), (reader, load.subscripts))
        known = {loop.name for loop in shared[:above]}
        same = len(quick.forced_equal(view, shared, *sides, known)) == len(shared)
        if same and stands_before(writer, reader):
            continue
        found = _search_local(view, first, second, above, relaxed=False)
        if found is not None:
            return found
    return None


def _check_refill(view: View, above: int, writer: Place) -> Violation | None:
    """A local array that compute_at made: its statement's own updates must keep their order."""
    statement = view.program.statement_by_name.get(writer.leaf.statement)
    if statement is None or quick.surely_self_ordered(view, writer, statement, above):
        return None
    touch = _plain_touch(view, writer, None)
    relaxed = quick.is_relaxed(view.program, statement)
    return _search_local(view, touch, touch, above, relaxed)


def _plain_touch(view: View, place: Place, read: tuple[Affine, ...] | None) -> Touch:
    """Return a leaf's access of a local array."""
    leaf = place.leaf
    statement = view.program.statement_by_name.get(leaf.statement) or _copy_statement(leaf)
    local = leaf.write if read is None else Access("", read)
    return Touch(statement, local, read is None, (place,), local)


def _copy_statement(leaf: Leaf) -> Statement:
    indices = tuple(i for i, _ in leaf.binding)
    return Statement(leaf.statement, indices, (), leaf.write, leaf.expr)


def _search_local(
    view: View, first: Touch, second: Touch, above: int, relaxed: bool
) -> Violation | None:
    a, b = _Side.of(view, first, "a"), _Side.of(view, second, "b")
    base = [*a.conditions, *b.conditions]
    base += _equal_elements(first.local.subscripts, a.carried, second.local.subscripts, b.carried)
    if first is second:
        base.append(_program_order(view, a, b))
    else:
        base += _equal_loops(a, b, above)
    for loop, late in _wrong_orders(a, b, above, relaxed):
        point = isl.first_point([*a.variables, *b.variables], isl.conjunction([*base, late]))
        if point is not None:
            return _describe_local(a, b, first.local.array, loop, point)
    return None


def _private_copy_violations(view: View) -> Iterator[Violation]:
    for name, buffer in view.private.items():
        lost = lost_value(view, buffer)
        if lost is not None:
            text = (
                f"flow dependence: {lost.source} writes a value of {name} that {lost.target} "
                f"reads, but each iteration of {buffer.loop} has a copy of its own"
            )
            yield Violation(text, "flow", name, lost.source, lost.target, buffer.loop)


# ---- staged elements ----------------------------------------------------------------------------
def _check_stage(view: View, stage: Stage) -> Violation | None:
    """While a statement's elements are staged, nothing else may need them in memory.

    They are staged while the part of the loop's body that holds the statement runs: loaded before
    it, stored after it. So a later read would miss the statement's write, and another write would
    be overwritten. An earlier read is safe.
    """
    owner = view.places[stage.statement]
    depth = [loop.name for loop in owner.loops].index(stage.loop) + 1
    window = owner.positions[: depth + 1]
    write = next((t for t in view.touches if t.is_write and t.carrier is owner), None)
    if write is None:
        return None
    own = (stage.statement, PREFIX + stage.statement)
    writes = [
        t
        for t in view.touches
        if t.is_write and t.statement.name in own and t.carrier.positions[: depth + 1] == window
    ]
    for other in view.touches:
        if other in writes or other.access.array != stage.array:
            continue
        if other.statement is write.statement and other.local == write.local:
            continue
        if other.carrier.positions[: depth + 1] != window:
            continue
        for mine in writes:
            found = _search_staged(view, stage, mine, other, depth)
            if found is not None:
                return found
    return None


def _search_staged(
    view: View, stage: Stage, write: Touch, other: Touch, depth: int
) -> Violation | None:
    a, b = _Side.of(view, write, "a"), _Side.of(view, other, "b")
    conditions = [*a.conditions, *b.conditions]
    conditions += _equal_elements(
        write.local.subscripts, a.carried, other.local.subscripts, b.carried
    )
    conditions += _equal_loops(a, b, depth)
    if not (other.is_write and write.statement.reduction):
        conditions.append(_program_order(view, a, b))
    point = isl.first_point([*a.variables, *b.variables], isl.conjunction(conditions))
    if point is None:
        return None
    source, target, element = _ends(a, b, point)
    verb = "writes" if other.is_write else "reads"
    text = (
        f"stage keeps {element} of {source} in a buffer below {stage.loop}, "
        f"but {target} {verb} it in memory there"
    )
    return Violation(text, "stage", element, source, target, stage.loop)


# ---- words --------------------------------------------------------------------------------------
def _ends(a: _Side, b: _Side, point: Mapping[str, int]) -> tuple[str, str, str]:
    first = a.instance(point)
    source = instance_text(a.touch.statement, first)
    target = instance_text(b.touch.statement, b.instance(point))
    return source, target, element_text(a.touch.access.array, a.touch.access.subscripts, first)


def _describe(
    view: View, a: _Side, b: _Side, loop: Loop | None, point: Mapping[str, int]
) -> Violation:
    source, target, element = _ends(a, b, point)
    updates = a.touch is b.touch and a.touch.statement.reduction is not None
    kind = "reduction" if updates else _kind(a.touch, b.touch)
    if updates:
        fact = f"{source} and then {target} update {element}"
    else:
        fact = f"{source} {_verb(a.touch)} {element} before {target} {_verb(b.touch)} it"
    text = f"{kind} dependence: {fact}, but {_reason(view, a, b, loop, target)}"
    return Violation(text, kind, element, source, target, loop.name if loop else None)


def _describe_local(
    a: _Side, b: _Side, array: str, loop: Loop | None, point: Mapping[str, int]
) -> Violation:
    source = instance_text(a.touch.statement, a.instance(point))
    target = instance_text(b.touch.statement, b.instance(point))
    verb = "reads" if a.touch is not b.touch else "fills"
    fact = f"{source} fills an element of {array} that {target} {verb}"
    text = f"flow dependence: {fact}, but {_order_reason(loop, target)}"
    return Violation(text, "flow", array, source, target, loop.name if loop else None)


def _kind(first: Touch, second: Touch) -> str:
    if first.is_write:
        return "output" if second.is_write else "flow"
    return "anti"


def _verb(touch: Touch) -> str:
    return "writes" if touch.is_write else "reads"


def _reason(view: View, a: _Side, b: _Side, loop: Loop | None, target: str) -> str:
    reason = _order_reason(loop, target)
    if loop is None:
        for touch, what in ((b.touch, "reads it earlier"), (a.touch, "reads it later")):
            if len(touch.chain) > 1:
                return f"pack {touch.carrier.leaf.statement} {what}"
    if loop is None or a.touch is not b.touch or a.touch.statement.reduction is None:
        return reason
    if loop.kind == "parallel":
        return f"{reason}; `rfactor {loop.name} -> ...` makes partial results first"
    return f"{reason}; lanes regroup the sum, which needs reassociate=True"


def _order_reason(loop: Loop | None, target: str) -> str:
    if loop is None:
        return f"the schedule runs {target} first"
    if loop.kind == "parallel":
        return f"loop {loop.name} runs them in parallel"
    return f"loop {loop.name} runs them as lanes of one vector"
