"""Replay a witness of an illegal schedule: do its two instances do what its text says they do?

A witness names two instances and an element. The program is asked whether both exist, touch the
element, and in which order; the tree, by listing all it runs, when each of them touches it.
Nothing here uses loopstack.poly but the statements for first values, which witnesses may name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.tree_replay import rows_of
from loopstack.ir.affine import Affine
from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Node, Tree
from loopstack.ir.program import Access, Program, Statement
from loopstack.poly.first_values import with_first_values
from loopstack.poly.legality import Violation

Values = Mapping[str, int]
Time = tuple[int, ...]
Element = tuple[str, tuple[int, ...]]
WRITES = {"flow": (True, False), "anti": (False, True), "output": (True, True)}
"""Whether source and target write."""


@dataclass(frozen=True)
class Run:
    """One instance of a leaf in the tree's order.

    ``time`` is (position, loop value, position, .., position), outermost first.
    """

    leaf: Leaf
    loops: tuple[str, ...]
    values: Values
    time: Time

    @property
    def instance(self) -> tuple[str, tuple[int, ...]]:
        binding = tuple(form.evaluate(self.values) for _, form in self.leaf.binding)
        return self.leaf.statement, binding

    def at(self, access: Sequence[Affine]) -> tuple[int, ...]:
        return tuple(form.evaluate(self.values) for form in access)


@dataclass(frozen=True)
class End:
    """One of the two instances of a witness."""

    statement: Statement
    values: Values

    def touches(self, element: Element, writes: bool) -> bool:
        if writes:
            return _element(self.statement.write, self.values) == element
        return any(_element(Access(r.array, r.subscripts), self.values) == element
                   for r in loads(self.statement.expr))  # fmt: skip


class Replay:
    """A violation, held against the tree it was found in."""

    def __init__(self, tree: Tree, violation: Violation) -> None:
        self.tree = with_first_values(tree)
        self.program = self.tree.program
        self.violation = violation
        self.source, self.target = (self._end(t) for t in (violation.source, violation.target))
        self.local = {b.array.name for b in self.tree.buffers}

    def _end(self, text: str) -> End:
        match = re.fullmatch(r"(.+)\[(.*)\]", text)
        assert match is not None, text
        pairs = [part.split("=") for part in match[2].split(", ") if part]
        return End(self._statement(match[1]), {i: int(value) for i, value in pairs})

    def _statement(self, label: str) -> Statement:
        """Return a statement of the program, or what a copy of a pack does."""
        found = self.program.statement_by_name.get(label)
        if found is not None:
            return found
        leaf = self.tree.leaves()[label]
        return Statement(label, tuple(i for i, _ in leaf.binding), (), leaf.write, leaf.expr)

    # ---- the program ------------------------------------------------------------------------
    def check(self) -> None:
        for end in (self.source, self.target):
            assert set(end.values) == set(end.statement.indices)
            assert all(form.evaluate(end.values) >= 0 for form in end.statement.constraints)
        if self._is_filled:
            self._check_local()
        elif "[" not in self.violation.element:
            self._check_private_copy()
        elif self.violation.kind == "stage":
            self._check_stage()
        else:
            self._check_pair()

    @property
    def element(self) -> Element:
        label, _, subscripts = self.violation.element[:-1].partition("[")
        return label, tuple(int(word) for word in subscripts.split(",") if word.strip())

    @property
    def _is_filled(self) -> bool:
        """The witness is about a local array, which is filled by copies or a statement."""
        return " fills an element of " in self.violation.text

    def _check_pair(self) -> None:
        kind, element = self.violation.kind, self.element
        for end, writes in zip((self.source, self.target), WRITES.get(kind, (True, True))):
            assert end.touches(element, writes), (end, element)
        if kind == "reduction":
            assert self.source.statement is self.target.statement
            assert self.source.statement.reduction is not None
        assert _time(self.program, self.source) < _time(self.program, self.target)
        self._check_swapped(self._when(self.source, element), self._when(self.target, element))

    def _check_stage(self) -> None:
        element, loop = self.element, self.violation.loop
        assert self.source.touches(element, True)
        assert any(self.target.touches(element, writes) for writes in (True, False))
        pairs = [(a, b) for a in self._when(self.source, element)
                 for b in self._when(self.target, element)]  # fmt: skip
        assert any(_same_iteration(a, b, str(loop)) for a, b in pairs)

    def _check_private_copy(self) -> None:
        array, loop = self.violation.element, str(self.violation.loop)
        element = _element(self.source.statement.write, self.source.values)
        assert element[0] == array
        update = self.target.statement.reduction is not None
        assert self.target.touches(element, False) or (
            update and self.target.touches(element, True)
        )
        assert _time(self.program, self.source) < _time(self.program, self.target)
        pairs = [(a, b) for a in self._runs(self.source) for b in self._runs(self.target)]
        assert not any(_same_iteration(a, b, loop) for a, b in pairs)

    def _check_local(self) -> None:
        array = self.violation.element
        fills = [r for r in self._runs(self.source) if r.leaf.write.array == array]
        uses = [(r, e) for r in self._runs(self.target) for e in _elements_of(r, array)]
        swapped = [self._is_swapped(a, b) for a in fills for b, element in uses
                   if a.at(a.leaf.write.subscripts) == element]  # fmt: skip
        assert any(swapped)

    # ---- the tree ---------------------------------------------------------------------------
    @cached_property
    def runs(self) -> list[Run]:
        return list(_runs(self.tree.body, (), ()))

    def _runs(self, end: End) -> list[Run]:
        wanted = (end.statement.name, tuple(end.values[i] for i in end.statement.indices))
        return [run for run in self.runs if run.instance == wanted]

    def _when(self, end: End, element: Element) -> list[Run]:
        """Return what touches an element of a program's array for an instance: it, or copies."""
        return [at for run in self._runs(end) for at in self._touches(run, element)]

    def _touches(self, run: Run, element: Element) -> Iterator[Run]:
        array, subscripts = element
        if (run.leaf.write.array, run.at(run.leaf.write.subscripts)) == element:
            yield run
        for load in loads(run.leaf.expr):
            at = run.at(load.subscripts)
            if (load.array, at) == (array, subscripts):
                yield run
            elif load.array in self.local:
                for copy in self._copies(run, load.array, at):
                    yield from self._touches(copy, element)

    def _copies(self, reader: Run, buffer: str, element: tuple[int, ...]) -> Iterator[Run]:
        """Yield what fills an element of a buffer for a reader, in one iteration of its loop."""
        place = next(b.loop for b in self.tree.buffers if b.array.name == buffer)
        for run in self.runs:
            if run.leaf.write.array != buffer or run.at(run.leaf.write.subscripts) != element:
                continue
            if place is None or _same_iteration(run, reader, place):
                yield run

    def _check_swapped(self, sources: Sequence[Run], targets: Sequence[Run]) -> None:
        assert sources
        assert targets
        assert any(self._is_swapped(a, b) for a in sources for b in targets)

    def _is_swapped(self, source: Run, target: Run) -> bool:
        """Tell whether the target runs first, or at once in the loop that is to blame."""
        loop = self.violation.loop
        if loop is None:
            return target.time < source.time
        if loop not in source.loops or loop not in target.loops:
            return False
        assert self.tree.loops()[loop].kind in ("parallel", "vector")
        depth = source.loops.index(loop)
        equal = source.time[: 2 * depth + 1] == target.time[: 2 * depth + 1]
        return equal and source.values[loop] != target.values[loop]


def _elements_of(run: Run, array: str) -> Iterator[tuple[int, ...]]:
    """Yield the elements of an array that an instance of a leaf touches."""
    if run.leaf.write.array == array:
        yield run.at(run.leaf.write.subscripts)
    for load in loads(run.leaf.expr):
        if load.array == array:
            yield run.at(load.subscripts)


def _same_iteration(a: Run, b: Run, loop: str) -> bool:
    if loop not in a.loops or loop not in b.loops:
        return False
    depth = a.loops.index(loop)
    return a.time[: 2 * depth + 2] == b.time[: 2 * depth + 2]


def _runs(
    nodes: Sequence[Node], above: tuple[Loop, ...], positions: tuple[int, ...]
) -> Iterator[Run]:
    for position, node in enumerate(nodes):
        if isinstance(node, Loop):
            yield from _runs(node.body, (*above, node), (*positions, position))
        elif isinstance(node, Leaf):
            loops = tuple(loop.name for loop in above)
            for values in rows_of(node, above):
                time = [part for place, n in zip(positions, loops) for part in (place, values[n])]
                yield Run(node, loops, values, (*time, position))


def _element(access: Access, values: Values) -> Element:
    return access.array, tuple(form.evaluate(values) for form in access.subscripts)


def _time(program: Program, end: End) -> Time:
    """Return when the program runs an instance."""
    number = program.statements.index(end.statement)
    order = end.statement.order or (number, *(0 for _ in end.statement.indices))
    time = [order[0]]
    for i, place in zip(end.statement.indices, order[1:]):
        time += [end.values[i], place]
    return tuple(time)
