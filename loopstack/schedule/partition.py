"""Index-set splitting: one loop becomes two, each with its part of a statement's domain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Leaf, Loop, Node, Tree
from loopstack.ir.program import Program, Statement
from loopstack.poly.intervals import interval
from loopstack.poly.ranges import box_ranges
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import (
    Path,
    check_new_statement,
    find_leaf,
    index_of,
    is_copy,
    leaves_below,
)
from loopstack.schedule.rewrite import references, replace_at, substitute
from loopstack.schedule.words import Words

RELATIONS = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class Partition(Command):
    """Cut a statement's domain in two: the loop runs where the condition holds, a copy elsewhere.

    The cut loop is the innermost one that the condition names; outer loops it names make the cut
    move with them, as the diagonal of a triangle does. The part with the lower values of that loop
    comes first, so the order stays the same.
    Requires: the statement stands alone below the cut loop. No dependence forbids it.
    Before: ``partition S where k < 4*t -> R`` of ``for t: for k: S(t, k)``
    After:  ``for t: { for k < 4*t: S(t, k);  for k >= 4*t: R(t, k) }``
    Raises: ArgumentError for an unknown loop, another statement below the cut loop, or a reduction
    that starts from its identity: which part would start it? ``decompose`` makes that a statement.
    Source: Griebl, Feautrier, Lengauer, "Index Set Splitting", 2000.
    """

    keyword: ClassVar[str] = "partition"
    statement: str
    left: Affine
    relation: str
    right: Affine
    name: str

    @classmethod
    def parse(cls, words: Words) -> Partition:
        statement = words.dotted("a statement")
        words.expect("where")
        left = words.form()
        relation = words.choice("<", ">")
        if words.accept("="):
            relation += "="
        right = words.form()
        words.expect("->")
        return cls(statement, left, relation, right, words.name())

    def __str__(self) -> str:
        condition = f"{self.left} {self.relation} {self.right}"
        return f"partition {self.statement} where {condition} -> {self.name}"

    def apply(self, tree: Tree) -> Tree:
        check_new_statement(tree, self.name)
        above, leaf = find_leaf(tree, self.statement)
        inside = self._inside(above)
        depth = max(n for n, loop in enumerate(above) if loop.name in inside.names)
        path = above[: depth + 1]
        _check(tree, path, leaf)
        first = _with_leaf(path[-1], _bounded(leaf, above, inside))
        other = replace(_bounded(leaf, above, -1 - inside), statement=self.name)
        second = _renamed(_with_leaf(path[-1], other), self.name)
        parts = (first, second) if inside.coefficient(path[-1].name) < 0 else (second, first)
        cut = replace_at(tree, path, parts)
        return replace(cut, program=_with_part(tree.program, self.statement, self.name))

    def _inside(self, above: Path) -> Affine:
        """Return the condition as a form over loops that is >= 0 where it holds."""
        sides = {"<": self.right - self.left - 1, "<=": self.right - self.left,
                 ">": self.left - self.right - 1, ">=": self.left - self.right}  # fmt: skip
        known = {index_of(loop): form_of(loop.name) for loop in above}
        form = sides[self.relation]
        unknown = sorted(form.names - known.keys())
        if unknown or not form.names:
            found = unknown[0] if unknown else "none"
            raise ArgumentError(
                f"partition needs loops of {self.statement} ({', '.join(known)}), found {found}"
            )
        return form.substitute(known)


def _check(tree: Tree, path: Path, leaf: Leaf) -> None:
    loop = path[-1]
    below = leaves_below(loop.body)
    if len(below) > 1:
        others = ", ".join(other.statement for other in below if other is not leaf)
        raise ArgumentError(
            f"partition needs {leaf.statement} alone below {loop.name}, found {others} there"
        )
    if is_copy(tree, leaf):
        raise ArgumentError(f"partition needs a statement of the program, found {leaf.statement}")
    if leaf.reduction is not None and leaf.reduction.init == "identity":
        raise ArgumentError(
            f"partition would leave open which part of {leaf.statement} starts its reduction; "
            f"decompose {leaf.statement} first"
        )
    placed = references(tree, loop.name)
    if placed:
        raise ArgumentError(f"partition would copy {placed[0]}; partition first")


def _bounded(leaf: Leaf, above: Path, form: Affine) -> Leaf:
    """Add ``form >= 0``; drop the constraints between loops that it implies within their ranges.

    In the part of a triangle beside its diagonal tiles, what made it a triangle is implied.
    """
    ranges = box_ranges(above, leaf.constraints)
    kept = [c for c in leaf.constraints
            if len(c.terms) < 2 or interval(c - form, ranges)[0] < 0]  # fmt: skip
    return replace(leaf, constraints=(*kept, form))


def _with_leaf(loop: Loop, leaf: Leaf) -> Loop:
    """Return the loop around another leaf."""

    def visit(node: Node) -> Node:
        if isinstance(node, Loop):
            return replace(node, body=tuple(map(visit, node.body)))
        return leaf if isinstance(node, Leaf) else node

    return replace(loop, body=tuple(map(visit, loop.body)))


def _renamed(loop: Loop, owner: str) -> Loop:
    """Return a copy of a nest whose loops belong to ``owner``."""
    old = _names(loop)
    new = {name: f"{owner}.{name.rpartition('.')[2]}" for name in old}
    values = {name: form_of(label) for name, label in new.items()}

    def visit(node: Node) -> Node:
        if isinstance(node, Loop):
            return replace(node, name=new[node.name], body=tuple(map(visit, node.body)))
        return substitute((node,), values)[0]

    return visit(loop)  # type: ignore[return-value]


def _names(node: Node) -> list[str]:
    if not isinstance(node, Loop):
        return []
    return [node.name, *(name for child in node.body for name in _names(child))]


def _with_part(program: Program, whole: str, part: str) -> Program:
    """Return the program with a second statement of the same kind and place in the order.

    Both keep the whole domain: which instances each runs is the tree's affair.
    """
    statements: list[Statement] = []
    for number, s in enumerate(program.statements):
        s = replace(s, order=s.order or (number, *(0 for _ in s.indices)))
        statements.append(s)
        if s.name == whole:
            statements.append(replace(s, name=part))
    return replace(program, statements=tuple(statements))
