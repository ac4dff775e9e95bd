"""Copy what a loop's body reads into a dense local buffer: pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import Expr, Load, loads, rewrite
from loopstack.ir.loop_tree import Buffer, Leaf, Loop, Node, Tree
from loopstack.ir.program import Access, Array
from loopstack.poly.intervals import Interval, interval, is_finite
from loopstack.poly.ranges import box_ranges, loop_ranges, relax
from loopstack.schedule.command import Command, options_text
from loopstack.schedule.lookup import (
    ROOT,
    Path,
    check_new_statement,
    find_leaf,
    find_loop,
    index_of,
    is_copy,
    leaves_below,
    reads_array,
)
from loopstack.schedule.rewrite import (
    Nodes,
    body_at,
    replace_leaf,
    substitute_expr,
    with_body,
)
from loopstack.schedule.words import Words


@dataclass(frozen=True)
class Pack(Command):
    """Copy the elements a statement reads below a loop into a buffer laid out as it reads them.

    The copy runs once per iteration of the loop, before its body (``root``: once per call). It is
    a statement named after the buffer; its loops, ``Buffer.dim``, may be scheduled in turn.
    Requires: between the copy and each read, nothing writes the packed element.
    Before: ``for kc: for nr: for ki: C += B[f(kc, nr, ki)]``
    After:  ``for kc: { for Bp.nr: for Bp.ki: Bp[nr, ki] = B[f(kc, nr, ki)]
    ; for nr: for ki: C += Bp[nr, ki] }``   (`pack B at C.kc as Bp[nr, ki]`)
    Raises: ArgumentError when the read depends on a loop that is neither around the place nor a
    dimension, or the statement reads the array in no or more than one such way.
    """

    keyword: ClassVar[str] = "pack"
    array: str
    at: str
    name: str
    dims: tuple[str, ...]
    pad: int | float | None = None
    align: int | None = None

    @classmethod
    def parse(cls, words: Words) -> Pack:
        array = words.dotted("an array")
        words.expect("at")
        at = words.dotted("a loop such as C.kc, or root")
        if at != ROOT and "." not in at:
            words.refuse(f"expected a loop such as C.kc, or root, found {at}", words.next - 1)
        words.expect("as")
        name = words.name("a buffer name")
        words.expect("[")
        dims = words.names("a loop")
        words.expect("]")
        options = words.options({"pad": Words.number, "align": lambda w: w.integer("bytes")})
        return cls(array, at, name, dims, **options)

    def __str__(self) -> str:
        head = f"pack {self.array} at {self.at} as {self.name}[{', '.join(self.dims)}]"
        return head + options_text(pad=self.pad, align=self.align)

    def apply(self, tree: Tree) -> Tree:
        check_new_statement(tree, self.name)
        if self.align is not None and (self.align < 1 or self.align & (self.align - 1)):
            raise ArgumentError(f"pack needs an align that is a power of two, found {self.align}")
        around, reader = self._place(tree)
        above, leaf = find_leaf(tree, reader)
        inside = above[len(around) :]
        dims = [_dimension(inside, dim, reader) for dim in self.dims]
        if len({d.name for d in dims}) < len(dims):
            raise ArgumentError(f"pack names a dimension of {self.name} twice")
        load = _chosen_load(leaf, self.array, around, dims, inside)
        return _Packing(tree, self, around, above, leaf, dims, load).tree()

    def _place(self, tree: Tree) -> tuple[Path, str]:
        """Return (loops around the copy, the statement whose read is packed)."""
        statement, _, index = self.at.rpartition(".")
        if index != ROOT:
            path = find_loop(tree, self.at)
            below = leaves_below(path[-1].body)
            if statement in [leaf.statement for leaf in below]:
                return path, statement
            return path, _only_reader(below, self.array, self.at)
        if statement:
            return (), statement
        return (), _only_reader(leaves_below(tree.body), self.array, ROOT)


def _only_reader(leaves: Sequence[Leaf], array: str, at: str) -> str:
    readers = [leaf.statement for leaf in leaves if reads_array(leaf, array)]
    if len(readers) == 1:
        return readers[0]
    found = ", ".join(readers) or "none"
    hint = "; write Statement.root" if readers and at == ROOT else ""
    raise ArgumentError(
        f"pack needs one statement that reads {array} below {at}, found {found}{hint}"
    )


def _dimension(inside: Path, dim: str, reader: str) -> Loop:
    """Return the loop of the reader, inside the place, that a dimension names."""
    found = [loop for loop in inside if index_of(loop) == dim]
    if len(found) == 1:
        return found[0]
    names = ", ".join(index_of(loop) for loop in inside) or "none"
    raise ArgumentError(f"pack needs dimensions that are loops of {reader} inside the place "
                        f"({names}), found {dim}")  # fmt: skip


def _chosen_load(leaf: Leaf, array: str, around: Path, dims: Sequence[Loop], inside: Path) -> Load:
    """Return the one read of ``array`` that the dimensions and the loops around determine."""
    reads = list(dict.fromkeys(load for load in loads(leaf.expr) if load.array == array))
    if not reads:
        names = ", ".join(dict.fromkeys(load.array for load in loads(leaf.expr))) or "nothing"
        raise ArgumentError(f"pack needs a read of {array}, but {leaf.statement} reads {names}")
    outer, named = {loop.name for loop in around}, {loop.name for loop in dims}
    fitting = [r for r in reads if named <= _names(r) <= outer | named]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise ArgumentError(f"pack cannot tell {' from '.join(map(str, fitting))}: both fit")
    wanted = [index_of(loop) for loop in inside if loop.name in _names(reads[0])]
    raise ArgumentError(
        f"pack needs the loops that {reads[0]} depends on inside the place: "
        f"[{', '.join(wanted)}], found [{', '.join(index_of(loop) for loop in dims)}]"
    )


def _names(load: Load) -> frozenset[str]:
    return frozenset().union(*(s.names for s in load.subscripts), frozenset())


@dataclass(frozen=True)
class _Packing:
    """The parts of one pack, found and checked."""

    old: Tree
    command: Pack
    around: Path
    above: Path
    leaf: Leaf
    dims: Sequence[Loop]
    load: Load

    def tree(self) -> Tree:
        boxes = self._boxes
        origins = [low for low, _ in boxes]
        reader = self._reading_buffer(origins)
        inside = self.above[len(self.around) :]
        body = replace_leaf(inside, body_at(self.old, self.around), self.leaf, reader)
        loop = self.around[-1].name if self.around else None
        at = _after_leading_copies(self.old, body, loop, self.load.array)
        body = (*body[:at], self._copy(origins), *body[at:])
        shape = tuple(Affine((), high - low + 1) for low, high in boxes)
        array = Array(self.command.name, self.load.dtype, shape, "temporary")
        made = Buffer(array, loop, self.command.align or 64)
        tree = with_body(self.old, self.around, body)
        return replace(tree, buffers=(*tree.buffers, made))

    @cached_property
    def _boxes(self) -> list[Interval]:
        """Return the range of every dimension."""
        boxes = []
        for loop in self.dims:
            if loop.extent is not None:
                boxes.append((0, loop.extent - 1))
                continue
            low, high = self._ranges[loop.name]
            if not is_finite((low, high)):
                raise ArgumentError(f"pack needs constant bounds for {loop.name}")
            boxes.append((low, max(low, high)))
        return boxes

    def _reading_buffer(self, origins: Sequence[int]) -> Leaf:
        """Return the reader, loading from the buffer."""
        subscripts = tuple(form_of(d.name) - low for d, low in zip(self.dims, origins))
        local = Load(self.command.name, subscripts, self.load.dtype)

        def change(node: Expr) -> Expr:
            return local if node == self.load else node

        return replace(self.leaf, expr=rewrite(self.leaf.expr, change))

    def _copy(self, origins: Sequence[int]) -> Node:
        """Return the loops that fill the buffer."""
        name = self.command.name
        renamed = {d.name: form_of(f"{name}.{index_of(d)}") for d in self.dims}
        subscripts = tuple(renamed[d.name] - low for d, low in zip(self.dims, origins))
        node: Node = Leaf(
            statement=name,
            binding=tuple((index_of(d), renamed[d.name]) for d in self.dims),
            constraints=tuple(c.substitute(renamed) for c in self._constraints()),
            write=Access(name, subscripts),
            expr=substitute_expr(self.load, renamed),
            pad=self.command.pad,
        )
        for d in reversed(self.dims):
            node = Loop(f"{name}.{index_of(d)}", (node,), d.extent)
        return node

    def _constraints(self) -> tuple[Affine, ...]:
        """Return what bounds the copy: the reader's domain seen through the dimensions.

        Loops that are neither dimensions nor around the place take their most favourable value.
        Where that is wider than the truth, the bounds of the packed array and of the buffer are
        added: a copy never reads or writes beside them.
        """
        kept = frozenset(loop.name for loop in (*self.around, *self.dims))
        forms = relax(self.above, self.leaf.constraints, kept)
        return (*forms, *self._missing_bounds(forms))

    def _missing_bounds(self, constraints: tuple[Affine, ...]) -> list[Affine]:
        """Return bounds of array and buffer that the copy's constraints do not imply."""
        shape = self.old.array(self.load.array).shape
        bounds = [b for s, e in zip(self.load.subscripts, shape) for b in (s, _below(s, e))]
        for loop, (low, high) in zip(self.dims, self._boxes):
            if loop.extent is None:
                bounds += (form_of(loop.name) - low, high - form_of(loop.name))
        missing = [b for b in bounds if b not in constraints]
        loops = (*self.around, *self.dims)
        for ranges_of in (box_ranges, loop_ranges):
            ranges = ranges_of(loops, constraints)
            missing = [b for b in missing if interval(b, ranges)[0] < 0]
            if not missing:
                return []
        return [b for b in missing if all(interval(b - c, ranges)[0] < 0 for c in constraints)]

    @cached_property
    def _ranges(self) -> dict[str, Interval]:
        return loop_ranges(self.above, self.leaf.constraints)


def _below(form: Affine, extent: Affine) -> Affine:
    """Return ``extent - 1 - form`` for a constant extent."""
    return Affine(tuple([(a, -c) for a, c in form.terms]), extent.const - 1 - form.const)


def _after_leading_copies(tree: Tree, body: Nodes, loop: str | None, array: str) -> int:
    """Return where the copy goes: before the body, but after copies placed here earlier."""
    local = {b.array.name for b in tree.buffers if b.loop == loop}
    count = 0
    for node in body:
        leaves = leaves_below([node])
        filled = [leaf for leaf in leaves if leaf.write.array in local]
        if not leaves or len(filled) < len(leaves):
            break
        if not all(is_copy(tree, leaf) or leaf.write.array == array for leaf in filled):
            break
        count += 1
    return count
