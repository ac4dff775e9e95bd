"""Hints to the memory system: prefetch, stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import ITEM_SIZE_BYTES, loads
from loopstack.ir.loop_tree import Kind, Leaf, Loop, Node, Prefetch, Tree
from loopstack.ir.program import Access
from loopstack.schedule.command import Command
from loopstack.schedule.lookup import Path, find_leaf, find_loop, index_of, leaves_below
from loopstack.schedule.rewrite import replace_at
from loopstack.schedule.words import Words

LINE_BYTES = 64
MOST_UNROLLED = 64


@dataclass(frozen=True)
class PrefetchCommand(Command):
    """Touch the cache lines of an array that a later iteration of a loop will use.

    ``ahead`` counts iterations (1 when absent); ``write`` asks for the lines to be owned.
    Requires: nothing; a prefetch never changes results.
    Before: ``for mr: for mv: for nv: C[6*mr + mv, nv] ..``
    After:  ``for mr: { prefetch the rows of C for mr + ahead; for mv: .. }``
    Raises: ArgumentError when the statement does not use the array, or an inner loop of the access
    has no constant extent.
    """

    keyword: ClassVar[str] = "prefetch"
    array: str
    loop: str
    ahead: int | None = None
    write: bool = False

    @classmethod
    def parse(cls, words: Words) -> PrefetchCommand:
        array = words.dotted("an array")
        words.expect("at")
        loop = words.loop()
        options: dict[str, Any] = {}
        if words.accept("ahead"):
            words.expect("=")
            options["ahead"] = words.integer("a number of iterations")
        options["write"] = words.accept("write")
        words.end()
        return cls(array, loop, **options)

    def __str__(self) -> str:
        ahead = "" if self.ahead is None else f" ahead={self.ahead}"
        return f"prefetch {self.array} at {self.loop}{ahead}{' write' if self.write else ''}"

    def apply(self, tree: Tree) -> Tree:
        path = find_loop(tree, self.loop)
        loop = path[-1]
        if loop.kind == "vector":
            raise ArgumentError(f"prefetch needs a loop that is not vectorised, found {loop.name}")
        leaf = self._user(loop)
        inside = find_leaf(tree, leaf.statement)[0][len(path) :]
        ahead = {loop.name: form_of(loop.name) + (1 if self.ahead is None else self.ahead)}
        nests = []
        for number, access in enumerate(_lines_apart(leaf, self.array)):
            moved = Access(access.array, tuple(s.substitute(ahead) for s in access.subscripts))
            nests.append(self._nest(tree, leaf, inside, moved, number))
        return replace_at(tree, path, (replace(loop, body=(*nests, *loop.body)),))

    def _user(self, loop: Loop) -> Leaf:
        """Return the leaf whose access is prefetched: the addressed statement if it uses it."""
        users = [leaf for leaf in leaves_below(loop.body) if _lines_apart(leaf, self.array)]
        named = [leaf for leaf in users if leaf.statement == self.loop.rpartition(".")[0]]
        if not users:
            raise ArgumentError(
                f"prefetch needs an array used below {loop.name}, found {self.array}"
            )
        return (named or users)[0]

    def _nest(self, tree: Tree, leaf: Leaf, inside: Path, access: Access, number: int) -> Node:
        """Return loops over the lines that one iteration touches."""
        lanes = LINE_BYTES // ITEM_SIZE_BYTES[tree.array(self.array).dtype]
        used = frozenset().union(*(s.names for s in access.subscripts), frozenset())
        values: dict[str, Affine] = {}
        loops: list[Loop] = []
        for loop in (loop for loop in inside if loop.name in used):
            if loop.extent is None:
                raise ArgumentError(
                    f"prefetch needs constant extents below {self.loop}, but {loop.name} has none; "
                    f"split it first"
                )
            name = _free_name(tree, leaf.statement, f"{self.array}{number}", index_of(loop))
            step = lanes if _walks_line(access, loop.name) else 1
            values[loop.name] = form_of(name) * step
            loops.append(Loop(name, (), -(-loop.extent // step)))
        kind: Kind = (
            "unroll" if prod(loop.extent or 1 for loop in loops) <= MOST_UNROLLED else "seq"
        )
        subscripts = tuple(s.substitute(values) for s in access.subscripts)
        node: Node = Prefetch(Access(access.array, subscripts), self.write)
        for loop in reversed(loops):
            node = replace(loop, body=(node,), kind=kind)
        return node


def _lines_apart(leaf: Leaf, array: str) -> list[Access]:
    """Return accesses of ``array``; of those a constant apart in the last subscript, one."""
    accesses = [leaf.write, *(Access(load.array, load.subscripts) for load in loads(leaf.expr))]
    found: dict[Sequence[Affine], Access] = {}
    for access in accesses:
        if access.array == array:
            *rows, last = access.subscripts or (Affine(),)
            found.setdefault((*rows, last - last.const), access)
    return list(found.values())


def _walks_line(access: Access, loop: str) -> bool:
    """Tell whether neighbouring iterations touch neighbouring elements."""
    *rows, last = access.subscripts
    return last.coefficient(loop) == 1 and all(loop not in row.names for row in rows)


def _free_name(tree: Tree, owner: str, array: str, index: str) -> str:
    taken = tree.loops()
    name = f"{owner}.{array}_{index}"
    while name in taken:
        name += "_"
    return name


@dataclass(frozen=True)
class Stream(Command):
    """Write an array with non-temporal stores, past the caches.

    Requires: nothing; results do not change. Worth it for outputs larger than the last cache.
    Before: ``C[..] = e``
    After:  ``C[..] = e``, streamed
    Raises: ArgumentError when no statement writes the array.
    """

    keyword: ClassVar[str] = "stream"
    array: str

    @classmethod
    def parse(cls, words: Words) -> Stream:
        array = words.dotted("an array")
        words.end()
        return cls(array)

    def __str__(self) -> str:
        return f"stream {self.array}"

    def apply(self, tree: Tree) -> Tree:
        written = list(dict.fromkeys(leaf.write.array for leaf in tree.leaves().values()))
        if self.array not in written:
            raise ArgumentError(
                f"stream needs a written array ({', '.join(written)}), found {self.array}"
            )
        if self.array in tree.streamed:
            return tree
        return replace(tree, streamed=(*tree.streamed, self.array))
