"""Scalar and array expansion: a temporary gets one copy per iteration of loops around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from loopstack.errors import ArgumentError, IllegalSchedule
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import Expr, Load, rewrite
from loopstack.ir.loop_tree import Leaf, Loop, Node, Tree, identity_tree
from loopstack.ir.program import Access, Array, Program, Statement
from loopstack.poly.dependence import source_order
from loopstack.poly.expansion import carried_value
from loopstack.schedule.command import Command
from loopstack.schedule.last_values import with_last_values
from loopstack.schedule.lookup import check_new_statement, find_leaf, find_loop, leaves_below
from loopstack.schedule.ranges import constant_range
from loopstack.schedule.rewrite import with_leaves
from loopstack.schedule.words import Words

Subscripts = tuple[Affine, ...]


@dataclass(frozen=True)
class Expand(Command):
    """Give a temporary one copy per iteration of the given loops.

    Iterations then share nothing through it, and the loops may be distributed or reordered.
    Requires: every statement that uses the temporary is below the loops, which are loops of the
    source text; no value passes from one of their iterations to another.
    With ``-> name`` the uses below the loops move to a new temporary, and others keep the old one.
    So may an output array that every iteration writes anew; the values of the last one are copied
    to it behind everything.
    Before: ``expand t at A.i`` of ``for i: { t = A(i); B(i, t) }``
    After:  ``for i: { t[i] = A(i); B(i, t[i]) }``
    Raises: ArgumentError for an array that is no temporary, an output without ``-> name`` or whose
    last values are not those of the last iteration, other loops, and a writer in parts (see
    partition); IllegalSchedule with a witness when a value passes between iterations.
    Source: Feautrier, "Array Expansion", 1988.
    """

    keyword: ClassVar[str] = "expand"
    array: str
    loops: tuple[str, ...]
    name: str | None = None

    @classmethod
    def parse(cls, words: Words) -> Expand:
        array = words.dotted("an array")
        if words.peek != "at":
            words.fail("expected at")
        words.next += 1
        loops = [words.loop()]
        while words.peek and words.peek != "->":
            loops.append(words.loop())
        name = words.name() if words.accept("->") else None
        words.end()
        return cls(array, tuple(loops), name)

    def __str__(self) -> str:
        name = f" -> {self.name}" if self.name else ""
        return f"expand {self.array} at {' '.join(self.loops)}{name}"

    def apply(self, tree: Tree) -> Tree:
        array = self._array(tree)
        _refuse_parts(tree, array.name)
        if self.name is not None:
            check_new_statement(tree, self.name)
        paths = [find_loop(tree, loop) for loop in self.loops]
        loops = tuple(path[-1] for path in paths)
        users = [leaf for leaf in tree.leaves().values() if _uses(leaf, array.name)]
        if self.name is not None:
            below = leaves_below(loops[-1].body)
            users = [leaf for leaf in users if leaf in below]
        indices = _source_indices(tree, users, loops, array.name)
        _refuse_passed_values(tree, array.name, indices)
        spans = [constant_range(tree, path, "expand") for path in paths]
        shape = tuple(Affine((), max(high - low + 1, 0)) for low, high in spans)
        shape = (*shape, *array.shape)
        wider = replace(array, name=self.name or array.name, shape=shape, role="temporary")
        over_loops = tuple(form_of(x.name) - low for x, (low, _) in zip(loops, spans))

        def statement(s: Statement) -> Statement:
            if s.name not in indices:
                return s
            own = tuple(form_of(i) - low for i, (low, _) in zip(indices[s.name], spans))
            change = _Change(array.name, wider.name, own)
            return replace(s, write=change.access(s.write), expr=change.expr(s.expr))

        def leaf(old: Leaf) -> Leaf:
            if old.statement not in indices:
                return old
            change = _Change(array.name, wider.name, over_loops)
            return replace(old, write=change.access(old.write), expr=change.expr(old.expr))

        program = replace(
            tree.program,
            arrays=_arrays(tree.program.arrays, array, wider),
            statements=tuple(map(statement, tree.program.statements)),
        )
        if array.is_argument:
            program = with_last_values(tree.program, program, array, wider.name, indices)
        body = with_leaves(tree.body, leaf) + _nests(program, len(tree.program.statements))
        return replace(tree, body=body, program=program)

    def _array(self, tree: Tree) -> Array:
        array = tree.program.array_by_name.get(self.array)
        if array is None or (array.is_argument and self.name is None):
            names = [a.name for a in tree.program.arrays if not a.is_argument]
            raise ArgumentError(
                f"expand needs a temporary ({', '.join(names) or 'there is none'}), "
                f"found {self.array}"
            )
        return array


def _refuse_parts(tree: Tree, array: str) -> None:
    """Raise ArgumentError where a writer is cut in parts: the program does not say who writes what.

    Parts of one statement (``partition``) stand at the same place in the program's order.
    """
    writers = [n for n, s in enumerate(tree.program.statements) if s.write.array == array]
    places: dict[tuple[int, ...], str] = {}
    for number in writers:
        name = tree.program.statements[number].name
        other = places.setdefault(source_order(tree.program, number), name)
        if other != name:
            raise ArgumentError(f"expand {array} first: {name} is a part of {other} already")


def _nests(program: Program, first: int) -> tuple[Node, ...]:
    """Return the nests of the statements from number ``first`` on."""
    return identity_tree(replace(program, statements=program.statements[first:])).body


def _uses(leaf: Leaf, array: str) -> bool:
    found = False

    def look(node: Expr) -> Expr:
        nonlocal found
        found = found or (isinstance(node, Load) and node.array == array)
        return node

    rewrite(leaf.expr, look)
    return found or leaf.write.array == array


def _source_indices(
    tree: Tree, users: list[Leaf], loops: tuple[Loop, ...], array: str
) -> dict[str, tuple[str, ...]]:
    """Return, for every user of the array, its indices that run along ``loops``."""
    found = {}
    for leaf in users:
        above = find_leaf(tree, leaf.statement)[0]
        index_of = {form: index for index, form in leaf.binding}
        for loop in loops:
            if loop not in above:
                raise ArgumentError(
                    f"expand needs every use of {array} below {loop.name}, "
                    f"but {leaf.statement} is not"
                )
            if form_of(loop.name) not in index_of:
                raise ArgumentError(f"expand needs loops of the source text, found {loop.name}")
        found[leaf.statement] = tuple(index_of[form_of(loop.name)] for loop in loops)
    return found


def _refuse_passed_values(tree: Tree, array: str, indices: Mapping[str, tuple[str, ...]]) -> None:
    passed = carried_value(tree.program, array, indices)
    if passed is None:
        return
    distances = ", ".join(f"{i} {d}" for i, d in zip(passed.common, map(_span, passed.distances)))
    raise IllegalSchedule(
        f"{passed.kind} dependence: {passed.source} passes a value of {array} on to "
        f"{passed.target} at distance {distances}, but each iteration would have a copy of its own",
        passed,
    )


def _span(distance: tuple[int | None, int | None]) -> str:
    low, high = ("?" if bound is None else str(bound) for bound in distance)
    return low if low == high else f"{low}..{high}"


def _arrays(arrays: tuple[Array, ...], old: Array, new: Array) -> tuple[Array, ...]:
    if old.name == new.name:
        return tuple(new if a is old else a for a in arrays)
    return (*arrays, new)


@dataclass(frozen=True)
class _Change:
    """Accesses of ``old`` become accesses of ``new`` with more subscripts in front."""

    old: str
    new: str
    prefix: Subscripts

    def access(self, access: Access) -> Access:
        if access.array != self.old:
            return access
        return Access(self.new, (*self.prefix, *access.subscripts))

    def expr(self, expr: Expr) -> Expr:
        return rewrite(expr, self._load)

    def _load(self, node: Expr) -> Expr:
        if isinstance(node, Load) and node.array == self.old:
            return Load(self.new, (*self.prefix, *node.subscripts), node.dtype)
        return node
