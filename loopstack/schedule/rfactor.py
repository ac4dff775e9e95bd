"""Split a reduction into partial results and their combination: rfactor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import Load, map_subscripts
from loopstack.ir.loop_tree import Leaf, Loop, Node, Tree
from loopstack.ir.program import Access, Array, Program, Reduction, Statement
from loopstack.poly.dependence import source_order
from loopstack.poly.intervals import Interval
from loopstack.poly.projection import eliminate
from loopstack.poly.quick import is_relaxed, top_position
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import (
    Path,
    check_new_statement,
    find_leaf,
    find_loop,
    index_of,
    is_copy,
    leaves_below,
    new_loop_name,
)
from loopstack.schedule.ranges import constant_range
from loopstack.schedule.rewrite import (
    body_at,
    rename_references,
    substitute,
    with_body,
)
from loopstack.schedule.words import Words

Forms = tuple[Affine, ...]


@dataclass(frozen=True)
class Rfactor(Command):
    """Give every iteration of a reduction loop its own partial result, combined afterwards.

    The partial results are a new statement and array with the given name; it takes over the nest
    (``S.k`` becomes ``P.k``), and no dependence is left on the factored loop. ``S`` becomes the
    combination, with loops of its own.
    Requires: the reduction may be regrouped (reassociate=True, or max, min, integers).
    Before: ``for m: for ko: for ki: S[m] += e``
    After:  ``for P.m: for P.ko: for P.ki: P[ko, m] += e``
            ``for S.m: for S.ko: S[m] += P[ko, m]``
    Raises: ArgumentError when the loop is no reduction loop of the statement, or is shared.
    """

    keyword: ClassVar[str] = "rfactor"
    loop: str
    name: str

    @classmethod
    def parse(cls, words: Words) -> Rfactor:
        loop = words.loop()
        words.expect("->")
        name = words.name("a name for the partial results")
        words.end()
        return cls(loop, name)

    def __str__(self) -> str:
        return f"rfactor {self.loop} -> {self.name}"

    def apply(self, tree: Tree) -> Tree:
        check_new_statement(tree, self.name)
        path = find_loop(tree, self.loop)
        statement = self._reduction_below(tree, path)
        above, leaf = find_leaf(tree, statement.name)
        own = _own_loops(tree, above)
        shared = above[: len(above) - len(own)]
        self._check_loops(path[-1], statement, leaf, shared, own)
        return _Factoring(tree, self, statement, leaf, shared, own, path).tree()

    def _reduction_below(self, tree: Tree, path: Path) -> Statement:
        loop = path[-1].name
        below = [leaf for leaf in leaves_below(path[-1].body) if not is_copy(tree, leaf)]
        if len(below) != 1:
            names = ", ".join(leaf.statement for leaf in below)
            raise ArgumentError(f"rfactor needs one statement below {loop}, found {names}")
        statement = tree.program.statement(below[0].statement)
        if statement.reduction is None or any(loop in s.names for s in below[0].write.subscripts):
            raise ArgumentError(f"rfactor needs a reduction loop, but {loop} is none of "
                                f"{statement.name}")  # fmt: skip
        if not is_relaxed(tree.program, statement):
            raise ArgumentError(
                f"rfactor regroups the {statement.reduction.operator} of {statement.name}, which "
                f"needs reassociate=True"
            )
        self._check_statement(tree, statement)
        return statement

    def _check_statement(self, tree: Tree, statement: Statement) -> None:
        array = statement.write.array
        if any(s.statement == statement.name for s in tree.stages):
            raise ArgumentError(f"rfactor {self.loop} before staging {statement.name}")
        if any(b.array.name == array for b in tree.buffers):
            raise ArgumentError(f"rfactor {self.loop} before placing {statement.name}")
        position = top_position(tree.program, statement.name)
        others = [s for s in tree.program.statements if s is not statement]
        beside = [s.name for s in others if top_position(tree.program, s.name) == position]
        if beside or any(load.array == array for load in statement.reads):
            raise ArgumentError(
                f"rfactor needs {statement.name} to share no source loop and not to read {array}"
            )

    def _check_loops(
        self, loop: Loop, statement: Statement, leaf: Leaf, shared: Path, own: Path
    ) -> None:
        mentioned = _names(leaf.write.subscripts)
        outside = [loop.name for loop in shared if loop.name not in mentioned]
        if outside or loop not in own:
            name = outside[0] if outside else loop.name
            raise ArgumentError(f"rfactor needs reduction loops that {statement.name} has for "
                                f"itself, but it shares {name}")  # fmt: skip
        reducing = frozenset(loop.name for loop in own if loop.name not in mentioned)
        for index, form in leaf.binding:
            if form.names & reducing and not form.names <= reducing:
                raise ArgumentError(
                    f"rfactor cannot part index {index} of {statement.name}: {form}"
                )
        _refuse_linked_loops(leaf, reducing)


def _refuse_linked_loops(leaf: Leaf, reducing: frozenset[str]) -> None:
    """Refuse loops that no index tells, and that follow loops of results."""
    told = _names([form for _, form in leaf.binding])
    for form in leaf.constraints:
        linked = sorted((form.names & reducing) - told)
        if linked and not form.names <= reducing:
            raise ArgumentError(
                f"rfactor cannot part {leaf.statement}: its loop {linked[0]} follows other loops"
            )


def _names(forms: Sequence[Affine]) -> frozenset[str]:
    return frozenset().union(*(f.names for f in forms), frozenset())


def _own_loops(tree: Tree, above: Path) -> Path:
    """Return the loops that hold one statement and its copies only."""
    for depth, loop in enumerate(above):
        statements = [leaf for leaf in leaves_below(loop.body) if not is_copy(tree, leaf)]
        if len(statements) == 1:
            return above[depth:]
    return ()


@dataclass(frozen=True)
class _Factoring:
    """The parts of one rfactor, found and checked."""

    old: Tree
    command: Rfactor
    statement: Statement
    leaf: Leaf
    shared: Path
    own: Path
    path: Path

    @property
    def factored(self) -> Loop:
        return self.path[-1]

    @property
    def reducing(self) -> list[Loop]:
        mentioned = _names(self.leaf.write.subscripts)
        return [loop for loop in self.own if loop.name not in mentioned]

    def tree(self) -> Tree:
        low, high = self._range()
        new_names = {
            loop.name: new_loop_name(self.old, self.command.name, index_of(loop))
            for loop in self.own
        }
        combine = self._combination(low)
        partial = self._partial_nest(low, new_names)
        nodes: list[Node] = []
        for node in body_at(self.old, self.shared):
            nodes += [partial, combine] if node is self.own[0] else [node]
        tree = with_body(self.old, self.shared, tuple(nodes))
        for old, new in new_names.items():
            tree = rename_references(tree, old, new)
        array = self.old.program.array(self.statement.write.array)
        count = Affine((), max(high - low + 1, 0))
        made = Array(self.command.name, array.dtype, (count, *array.shape), "temporary")
        return replace(tree, program=self._program(low, made))

    # ---- the partial results ----------------------------------------------------------------
    def _partial_nest(self, low: int, new_names: dict[str, str]) -> Node:
        """Return the old nest, its loops renamed, writing partial results."""
        write = (form_of(self.factored.name) - low, *self.leaf.write.subscripts)
        leaf = replace(
            self.leaf,
            constraints=self._partial_constraints(self.leaf.constraints),
            statement=self.command.name,
            binding=tuple((i, form_of(loop.name)) for loop, i in self._indices().items()),
            write=Access(self.command.name, write),
            reduction=self._partial_reduction(),
        )

        def visit(node: Node) -> Node:
            if isinstance(node, Loop):
                name = new_names.get(node.name, node.name)
                return replace(node, name=name, body=tuple(map(visit, node.body)))
            return leaf if node is self.leaf else node

        values = {old: form_of(new) for old, new in new_names.items()}
        return substitute((visit(self.own[0]),), values)[0]

    def _partial_constraints(self, constraints: Sequence[Affine]) -> Forms:
        """Add what the constraints imply for the elements written: nobody need project them."""
        return tuple(dict.fromkeys((*constraints, *self._without_reducing(constraints))))

    def _partial_reduction(self) -> Reduction | None:
        assert self.statement.reduction is not None
        if len(self.reducing) == 1:
            return None
        return Reduction(self.statement.reduction.operator, "identity")

    def _indices(self) -> dict[Loop, str]:
        """Return an index name for every loop above the statement."""
        found: dict[Loop, str] = {}
        for loop in (*self.shared, *self.own):
            name = index_of(loop)
            found[loop] = name if name not in found.values() else loop.name.replace(".", "_")
        return found

    # ---- the combination --------------------------------------------------------------------
    def _combination(self, low: int) -> Node:
        loop = self.factored
        kept = [loop for loop in self.own if loop not in self.reducing] + [loop]
        read = (form_of(loop.name) - low, *self.leaf.write.subscripts)
        reduced = set(self.statement.reduction_indices)
        binding = [(i, f) for i, f in self.leaf.binding if i not in reduced]
        node: Node = replace(
            self.leaf,
            binding=(*binding, (self._factored_index(), form_of(loop.name))),
            constraints=self._without_reducing(self.leaf.constraints),
            expr=Load(self.command.name, read, self._dtype()),
        )
        for loop in reversed(kept):
            node = Loop(loop.name, (node,), loop.extent)
        return node

    def _range(self) -> Interval:
        """Return the range of the factored loop over all partial results."""
        loose = replace(self.leaf, constraints=self._without_reducing(self.leaf.constraints))
        tree = with_body(self.old, self.path, (loose,))
        return constant_range(tree, find_loop(tree, self.factored.name), "rfactor")

    def _dtype(self) -> str:
        return self.old.program.array(self.statement.write.array).dtype

    def _factored_index(self) -> str:
        index = index_of(self.factored)
        return index if index not in self._kept_indices() else f"{index}_part"

    def _kept_indices(self) -> tuple[str, ...]:
        reduced = set(self.statement.reduction_indices)
        return tuple(i for i in self.statement.indices if i not in reduced)

    def _without_reducing(self, constraints: Sequence[Affine]) -> Forms:
        """Project the reduction loops out of ``constraints``, but for the factored one."""
        gone = [loop for loop in self.reducing if loop is not self.factored]
        shadow = eliminate([*constraints, *_extent_constraints(gone)], [loop.name for loop in gone])
        if not shadow.exact:
            raise ArgumentError(
                f"rfactor cannot tell which elements of {self.command.name} are written: the "
                f"domain of {self.statement.name} has no exact shadow on {self.factored.name}"
            )
        return shadow.constraints

    # ---- the program ------------------------------------------------------------------------
    def _program(self, low: int, made: Array) -> Program:
        program = self.old.program
        position = program.statements.index(self.statement)
        both = [self._partial_statement(low), self._combining_statement(low)]
        statements = program.statements
        if any(s.order for s in statements):
            orders = [source_order(program, n) for n in range(len(statements))]
            statements = tuple(
                replace(s, order=(2 * o[0], *o[1:])) for s, o in zip(statements, orders)
            )
            top = statements[position].order[0]
            both = [
                replace(s, order=(top + n, *(0 for _ in s.indices))) for n, s in enumerate(both)
            ]
        statements = (*statements[:position], *both, *statements[position + 1 :])
        return replace(program, arrays=(*program.arrays, made), statements=statements)

    def _partial_statement(self, low: int) -> Statement:
        indices = self._indices()
        values = {loop.name: form_of(index) for loop, index in indices.items()}

        def over(form: Affine) -> Affine:
            return form.substitute(values)

        binding = {i: over(form) for i, form in self.leaf.binding}
        everything = [*self.leaf.constraints, *_extent_constraints(list(indices))]
        constraints = self._partial_constraints(everything)
        write = (form_of(self.factored.name) - low, *self.leaf.write.subscripts)
        return Statement(
            self.command.name,
            tuple(indices.values()),
            tuple(map(over, constraints)),
            Access(self.command.name, tuple(map(over, write))),
            map_subscripts(self.statement.expr, lambda form: form.substitute(binding)),
            self._partial_reduction(),
        )

    def _combining_statement(self, low: int) -> Statement:
        reduced = set(self.statement.reduction_indices)
        index = self._factored_index()
        loops = {i: form for i, form in self.leaf.binding if i in reduced}
        own = {loop.name for loop in self.reducing}
        system = [c.substitute(loops) for c in self.statement.constraints]
        system += [c for c in self.leaf.constraints if c.names and c.names <= own]
        system += _extent_constraints([self.factored])
        rename = {self.factored.name: form_of(index)}
        constraints = [c.substitute(rename) for c in self._without_reducing(system)]
        read = (form_of(index) - low, *self.statement.write.subscripts)
        return replace(
            self.statement,
            indices=(*self._kept_indices(), index),
            constraints=tuple(constraints),
            expr=Load(self.command.name, read, self._dtype()),
            order=(),
        )


def _extent_constraints(loops: Sequence[Loop]) -> list[Affine]:
    found = []
    for loop in loops:
        if loop.extent is not None:
            found += [form_of(loop.name), loop.extent - 1 - form_of(loop.name)]
    return found
