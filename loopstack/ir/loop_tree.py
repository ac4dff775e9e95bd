"""The loop tree: program + schedule, derived and disposable.

Schedule commands are pure edits of a tree. Loop names are qualified, ``Statement.index``, and
unique in a tree. A leaf carries its statement's accesses written over the *loops* above it, so
that a pack or a split changes leaves and nothing else. Loop bounds are not stored: lowering
derives them from leaf constraints and tile ranges (``loopstack.lower.bounds``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, Union

from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as name_form
from loopstack.ir.expr import Expr, map_subscripts
from loopstack.ir.program import Access, Array, Program, Reduction, Statement

Kind = Literal["seq", "parallel", "vector", "unroll"]
Tail = Literal["mask", "peel", "guard", "shift_inwards"]


@dataclass(frozen=True)
class Loop:
    """One loop. ``extent`` bounds a tile loop: 0 <= loop < extent; None leaves it to the domain."""

    name: str
    body: tuple[Node, ...]
    extent: int | None = None
    kind: Kind = "seq"
    tail: Tail | None = None


@dataclass(frozen=True)
class Leaf:
    """One statement below its loops.

    ``binding`` gives each statement index as a form over loops (the inverse of the time-space
    map); ``constraints`` are forms over loops, >= 0 inside the domain. ``pad`` is set on a pack's
    copy: elements of the buffer box outside the domain hold this value.
    """

    statement: str
    binding: tuple[tuple[str, Affine], ...]
    constraints: tuple[Affine, ...]
    write: Access
    expr: Expr
    reduction: Reduction | None = None
    pad: float | int | None = None


@dataclass(frozen=True)
class Prefetch:
    """Touch the cache line of ``access`` (a form over the loops above) ahead of its use."""

    access: Access
    write: bool = False


Node = Union[Loop, Leaf, Prefetch]


@dataclass(frozen=True)
class Stage:
    """Keep the elements of ``array`` that leaf ``statement`` writes below ``loop`` in a buffer."""

    statement: str
    array: str
    loop: str
    space: Literal["registers", "local"]


@dataclass(frozen=True)
class Buffer:
    """A local array made by pack, compute_at or privatize; extents in elements, alignment in bytes.

    ``loop`` is the loop once per iteration of which it is filled (None: once per call).
    ``private``: the array and its statements are the program's own, with one copy for each
    iteration of the loop.
    """

    array: Array
    loop: str | None
    align: int = 64
    private: bool = False


@dataclass(frozen=True)
class Tree:
    """A bound program (integer sizes) and its loops; what commands take and return."""

    program: Program
    body: tuple[Node, ...]
    buffers: tuple[Buffer, ...] = ()
    stages: tuple[Stage, ...] = ()
    streamed: tuple[str, ...] = field(default=())
    """Arrays written with non-temporal stores."""

    def walk(self) -> Iterator[Node]:
        """Yield every node, parents first."""
        yield from _walk(self.body)

    def loops(self) -> dict[str, Loop]:
        return {node.name: node for node in self.walk() if isinstance(node, Loop)}

    def leaves(self) -> dict[str, Leaf]:
        return {node.statement: node for node in self.walk() if isinstance(node, Leaf)}

    def path(self, name: str) -> tuple[Loop, ...]:
        """Return the loops above and including loop ``name``, or above statement ``name``.

        Raises KeyError when nothing has this name.
        """
        found = _find_path(self.body, name, ())
        if found is None:
            raise KeyError(name)
        return found

    def array(self, name: str) -> Array:
        """Return a program array or a local buffer by name."""
        for buffer in self.buffers:
            if buffer.array.name == name:
                return buffer.array
        return self.program.array(name)


def _walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if isinstance(node, Loop):
            yield from _walk(node.body)


def _find_path(
    nodes: tuple[Node, ...], name: str, above: tuple[Loop, ...]
) -> tuple[Loop, ...] | None:
    for node in nodes:
        if isinstance(node, Leaf) and node.statement == name:
            return above
        if isinstance(node, Loop):
            if node.name == name:
                return (*above, node)
            found = _find_path(node.body, name, (*above, node))
            if found is not None:
                return found
    return None


def edit(nodes: tuple[Node, ...], change: Callable[[Node], tuple[Node, ...]]) -> tuple[Node, ...]:
    """Rebuild a body bottom-up: each node is replaced by the nodes ``change`` returns."""
    result: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            body = edit(node.body, change)
            if body != node.body:
                node = replace(node, body=body)
        result.extend(change(node))
    return tuple(result)


def identity_tree(program: Program) -> Tree:
    """Return the tree that runs a bound program in its own order.

    Statements share a loop where their ``order`` says so; it is named after the first of them.
    """
    pending = [
        _Pending(s, s.order or (number, *(0 for _ in s.indices)), ())
        for number, s in enumerate(program.statements)
    ]
    return Tree(program, _in_order(pending, 0))


@dataclass(frozen=True)
class _Pending:
    """A statement whose outermost loops, ``names``, are open."""

    statement: Statement
    order: tuple[int, ...]
    names: tuple[str, ...]

    def below(self, loop: str) -> _Pending:
        return replace(self, names=(*self.names, loop))


def _in_order(pending: list[_Pending], depth: int) -> tuple[Node, ...]:
    """Group statements by position at this depth; a group shares its next loop."""
    nodes: list[Node] = []
    for position in sorted({p.order[depth] for p in pending}):
        group = [p for p in pending if p.order[depth] == position]
        first = group[0].statement
        if len(first.indices) == depth:
            assert len(group) == 1, [p.statement.name for p in group]
            nodes.append(_leaf(first, group[0].names))
            continue
        loop = f"{first.name}.{first.indices[depth]}"
        nodes.append(Loop(loop, _in_order([p.below(loop) for p in group], depth + 1)))
    return tuple(nodes)


def _leaf(s: Statement, loops: tuple[str, ...]) -> Leaf:
    binding = {i: name_form(loop) for i, loop in zip(s.indices, loops)}

    def over(form: Affine) -> Affine:
        return form.substitute(binding)

    return Leaf(
        statement=s.name,
        binding=tuple(binding.items()),
        constraints=tuple(map(over, s.constraints)),
        write=Access(s.write.array, tuple(map(over, s.write.subscripts))),
        expr=map_subscripts(s.expr, over),
        reduction=s.reduction,
    )
