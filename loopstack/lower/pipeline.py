"""The table of contents of the compiler above the code generator.

    Tree --split long vectors--> Tree --materialize--> nest nodes --fold, place--> --linearize-->
    --simplify, separate--> --keep scalars in registers--> Nest --print--> text for csrc

Role: derive bounds and buffers from a scheduled Tree; nothing here chooses a schedule.
Input:  a Tree over a program with integer sizes, argument strides in elements, a thread count.
Output: a Nest (csrc/nest/GRAMMAR.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from loopstack.ir.loop_tree import Tree
from loopstack.ir.program import Array
from loopstack.lower.bounds import loop_ranges
from loopstack.lower.linearize import linearize
from loopstack.lower.materialize import Materialized, materialize
from loopstack.lower.nest import Assign, Nest, NestArray, NestNode, walk
from loopstack.lower.prepack import split_off
from loopstack.lower.scalars import replace_scalars
from loopstack.lower.separate import separate
from loopstack.lower.shadows import with_shadows
from loopstack.lower.simplify import simplify
from loopstack.lower.storage import collect_uses, fold, place_buffers, row_major
from loopstack.lower.vector_loops import part_lanes, split_long_vectors
from loopstack.machine.vector_target import TARGETS
from loopstack.poly.first_values import with_mixed_first_values

Strides = Mapping[str, tuple[int, ...]]


def lower(tree: Tree, isa: str, strides: Strides | None = None, threads: int = 1) -> str:
    """Return the nest text of a scheduled tree.

    ``strides`` maps argument names to element strides (absent: dense row-major).
    """
    return str(lower_to_nest(tree, isa, strides, threads))


def lower_to_nest(tree: Tree, isa: str, strides: Strides | None = None, threads: int = 1) -> Nest:
    """Return the nest of a scheduled tree."""
    target = TARGETS[isa]
    # From here on no loop runs over results of a reduction that starts anew and over their terms.
    tree = with_mixed_first_values(tree)
    # From here on every vector loop has a small constant extent.
    ranges = loop_ranges(tree.body)
    short = split_long_vectors(tree, target, ranges)
    # From here on constraints of a leaf bound its outer loops as well as they can.
    bounded, implied = with_shadows(short)
    ranges = ranges if bounded is tree else loop_ranges(bounded.body)
    # From here on there are no leaves: bounds are explicit and no assignment carries a reduction.
    parts = materialize(bounded, target, ranges, implied)
    # From here on every temporary has its final shape, and a place.
    locals_ = _local_arrays(tree) + list(parts.locals)
    uses = collect_uses(parts.body, frozenset(a.name for a in locals_))
    scopes = {b.array.name: b.loop for b in short.buffers} | parts.scopes
    foldings = {
        a.name: fold(a, uses[a.name], parts.ranges, scopes.get(a.name))
        for a in locals_
        if a.name in uses
    }
    aligns = {b.array.name: b.align for b in tree.buffers}
    buffers, shared, private = place_buffers(list(foldings.values()), aligns)
    arrays = _arguments(tree, strides or {}) + buffers + _registers(parts)
    # From here on an access is one offset, and loops that run once are gone.
    reassociate = tree.program.reassociate
    body = linearize(parts.body, {a.name: a for a in arrays}, foldings, reassociate)
    names = frozenset(a.name for a in parts.registers)
    body = simplify(body, registers=names)
    # From here on sequential loops are cut where the set of statements they run changes.
    body = simplify(separate(body, names), registers=names)
    # From here on the iterations of a vector loop are independent.
    body = part_lanes(body, names)
    # From here on what scalar code updates repeatedly, or needs next time, is in registers.
    body, registers = replace_scalars(body, arrays, reassociate)
    arrays = _in_use(arrays + registers, body)
    return Nest(tree.program.name, threads, tuple(arrays), body, shared, private)


def lower_prepacked(
    tree: Tree, isa: str, strides: Strides | None, threads: int, constants: frozenset[str]
) -> tuple[Nest | None, Nest]:
    """Return (nest that packs constant arrays once, nest of a call), the first None if unneeded.

    In the second nest every packed buffer is an argument in the place of its constant array.
    """
    return split_off(lower_to_nest(tree, isa, strides, threads), constants)


def _local_arrays(tree: Tree) -> list[Array]:
    temporaries = [a for a in tree.program.arrays if not a.is_argument]
    return temporaries + [b.array for b in tree.buffers]


def _arguments(tree: Tree, strides: Strides) -> list[NestArray]:
    arrays = []
    for number, array in enumerate(tree.program.arguments):
        shape = tuple(extent.const for extent in array.shape)
        steps = tuple(strides.get(array.name, row_major(shape)))
        arrays.append(NestArray(array.name, array.dtype, "argument", number, shape, steps))
    return arrays


def _registers(parts: Materialized) -> list[NestArray]:
    arrays = []
    for array in parts.registers:
        shape = tuple(extent.const for extent in array.shape)
        count = 1
        for extent in shape:
            count *= extent
        arrays.append(
            NestArray(array.name, array.dtype, "register", count, shape, row_major(shape))
        )
    return arrays


def _in_use(arrays: list[NestArray], body: tuple[NestNode, ...]) -> list[NestArray]:
    """Return the arrays without registers for loops that turned out never to run."""
    written = {node.target.array for node, _ in walk(body) if isinstance(node, Assign)}
    return [a for a in arrays if a.space != "register" or a.name in written]
