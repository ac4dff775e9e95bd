"""Share a loop between statements, and undo it: fuse, distribute."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Loop, Node, Tree
from loopstack.schedule.command import Command, options_text
from loopstack.schedule.lookup import (
    Path,
    find_loop,
    index_of,
    leaves_below,
    new_loop_name,
    owner_of,
)
from loopstack.schedule.ranges import constant_range
from loopstack.schedule.rewrite import (
    Nodes,
    add_constraint,
    body_at,
    references,
    rename_references,
    replace_at,
    substitute,
    with_body,
)
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Fuse(Command):
    """Merge two sibling loops into one that runs both bodies in each iteration, in text order.

    The fused loop keeps the first name and stays addressable through either statement.
    With ``shift=s`` the second body runs s iterations later, and the ranges may differ.
    Requires: equal ranges (without shift); every dependence from the earlier body to the later
    one has a distance of at least 0 along the loop (at least -s with shift).
    Before: ``for A.i: A(A.i)`` and ``for B.i: B(B.i)``
    After:  ``for A.i: { A(A.i); B(A.i) }``
    Raises: ArgumentError when the loops are not siblings, or their ranges or kinds differ.
    """

    keyword: ClassVar[str] = "fuse"
    first: str
    second: str
    shift: int | None = None

    @classmethod
    def parse(cls, words: Words) -> Fuse:
        first, second = words.loop(), words.loop()
        options = words.options({"shift": lambda w: w.integer("a number of iterations")})
        return cls(first, second, **options)

    def __str__(self) -> str:
        return f"fuse {self.first} {self.second}{options_text(shift=self.shift)}"

    def apply(self, tree: Tree) -> Tree:
        path, other = find_loop(tree, self.first), find_loop(tree, self.second)
        self._check(tree, path, other)
        kept, gone = path[-1], other[-1]
        tree = _merge(tree, path[:-1], kept, gone, self.shift or 0)
        return rename_references(tree, gone.name, kept.name)

    def _check(self, tree: Tree, path: Path, other: Path) -> None:
        a, b = path[-1], other[-1]
        if a is b:
            raise ArgumentError(f"fuse needs two loops, but both names mean {a.name}")
        if len(path) != len(other) or any(x is not y for x, y in zip(path[:-1], other[:-1])):
            raise ArgumentError(f"fuse needs sibling loops, but {_where(path)} and {_where(other)}")
        if a.kind != b.kind:
            raise ArgumentError(
                f"fuse needs loops of one kind, but {a.name} is {a.kind} and {b.name} is {b.kind}"
            )
        ranges = [constant_range(tree, p, "fuse") for p in (path, other)]
        if self.shift is None and ranges[0] != ranges[1]:
            (low, high), (low2, high2) = ranges
            raise ArgumentError(
                f"fuse needs equal ranges, but {a.name} is {low}..{high} and {b.name} is "
                f"{low2}..{high2}; shift=0 fuses them all the same"
            )


def _where(path: Path) -> str:
    inside = f"inside {path[-2].name}" if len(path) > 1 else "outside all loops"
    return f"{path[-1].name} is {inside}"


def _merge(tree: Tree, above: Path, kept: Loop, gone: Loop, shift: int) -> Tree:
    """Put both bodies into one loop at the place of the one that comes first in the text."""
    body = body_at(tree, above)
    same = kept.extent == gone.extent and not shift
    mine, other = (loop.body if same else _bounded(loop) for loop in (kept, gone))
    other = substitute(other, {gone.name: form_of(kept.name) - shift})
    starts_with_kept = _position(body, kept) < _position(body, gone)
    both = mine + other if starts_with_kept else other + mine
    extent = kept.extent if same else None
    fused = replace(kept, body=both, extent=extent, tail=kept.tail or gone.tail)
    first, second = (kept, gone) if starts_with_kept else (gone, kept)
    return with_body(
        tree, above, tuple(fused if n is first else n for n in body if n is not second)
    )


def _position(body: Nodes, node: Node) -> int:
    return next(n for n, other in enumerate(body) if other is node)


def _bounded(loop: Loop) -> Nodes:
    """Return the loop's body with the extent written as constraints of the leaves."""
    if loop.extent is None:
        return loop.body
    form = form_of(loop.name)
    return add_constraint(add_constraint(loop.body, form), loop.extent - 1 - form)


@dataclass(frozen=True)
class Distribute(Command):
    """Give every part of a loop's body a loop of its own; undoes a fuse.

    The parts stand in text order, or in the order of ``-> B, A``, which names a statement of each.
    The part with the statement that the loop is named after keeps the name, the others are named
    after their first statement.
    Requires: no dependence from a later part to an earlier one is carried by the loop.
    Before: ``for A.i: { A(A.i); B(A.i) }``
    After:  ``for A.i: A(A.i)`` and ``for B.i: B(B.i)``
    Raises: ArgumentError when the body has one part, a buffer or stage is placed at the loop, or
    the order does not name each part once.
    """

    keyword: ClassVar[str] = "distribute"
    loop: str
    order: tuple[str, ...] = ()

    @classmethod
    def parse(cls, words: Words) -> Distribute:
        loop = words.loop()
        if not words.accept("->"):
            words.end()
            return cls(loop)
        order = [words.dotted("a statement")]
        while words.accept(","):
            order.append(words.dotted("a statement"))
        words.end()
        return cls(loop, tuple(order))

    def __str__(self) -> str:
        order = f" -> {', '.join(self.order)}" if self.order else ""
        return f"distribute {self.loop}{order}"

    def apply(self, tree: Tree) -> Tree:
        path = find_loop(tree, self.loop)
        loop = path[-1]
        placed = references(tree, loop.name)
        if placed:
            raise ArgumentError(f"distribute cannot part {loop.name}: {placed[0]} is placed at it")
        parts = parts_of(loop.body)
        if len(parts) < 2:
            raise ArgumentError(f"distribute needs more than one part inside {loop.name}")
        heir = _heir(loop, parts)
        ordered = in_given_order(parts, self.order, "distribute") if self.order else parts
        nodes = [_own_loop(tree, loop, part, part is heir) for part in ordered]
        return replace_at(tree, path, tuple(nodes))


def in_given_order(parts: list[Nodes], order: tuple[str, ...], command: str) -> list[Nodes]:
    """Return the parts in an order that names a statement of each. Raises ArgumentError."""
    inside = [{leaf.statement for leaf in leaves_below(part)} for part in parts]
    places = [n for name in order for n, names in enumerate(inside) if name in names]
    if sorted(places) != list(range(len(parts))) or len(places) != len(order):
        wanted = "; ".join(", ".join(sorted(names)) for names in inside)
        raise ArgumentError(
            f"{command} needs one statement of each part ({wanted}), found {', '.join(order)}"
        )
    return [parts[n] for n in places]


def _heir(loop: Loop, parts: list[Nodes]) -> Nodes:
    """Return the part that keeps the loop's name."""
    named = (p for p in parts if owner_of(loop) in [leaf.statement for leaf in leaves_below(p)])
    return next(named, parts[0])


def _own_loop(tree: Tree, loop: Loop, part: Nodes, is_heir: bool) -> Node:
    if is_heir:
        return replace(loop, body=part)
    name = new_loop_name(tree, leaves_below(part)[0].statement, index_of(loop))
    return replace(loop, name=name, body=substitute(part, {loop.name: form_of(name)}))


def parts_of(body: Nodes) -> list[Nodes]:
    """Cut a body into parts of one statement or loop each; a prefetch goes with what follows."""
    parts: list[Nodes] = []
    waiting: Nodes = ()
    for node in body:
        if not leaves_below([node]):
            waiting = (*waiting, node)
        else:
            parts.append((*waiting, node))
            waiting = ()
    if waiting and parts:
        parts[-1] += waiting
    return parts
