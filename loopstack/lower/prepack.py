"""Split a nest whose constant operands are packed at the root into "once" and "every call".

    { Bp = pack(B); C = f(A, Bp) }   ->   { Bp = pack(B) }  with B, Bp as arguments
                                          { C = f(A, Bp) }  with Bp as an argument in B's place

A part moves when it writes nothing but buffers and reads nothing but constant arrays.
"""

from __future__ import annotations

from dataclasses import replace

from loopstack.ir.expr import Load
from loopstack.ir.expr import walk as walk_expr
from loopstack.lower.nest import Assign, Nest, NestArray, NestNode, walk


def split_off(nest: Nest, constants: frozenset[str]) -> tuple[Nest | None, Nest]:
    """Return (packing nest or None, calling nest)."""
    once = tuple(node for node in nest.body if _is_packing(node, nest, constants))
    if not once:
        return None, nest
    rest = tuple(node for node in nest.body if node not in once)
    packed = {a.name: a for a in nest.arrays if a.name in _written(once)}
    still_read = _read(rest)
    sources = [a for a in nest.arrays if a.name in constants and a.name in _read(once)]
    packing = _with_arguments(nest, once, [*sources, *packed.values()], f"{nest.name}.pack")
    kept = [a for a in nest.arrays if a.name not in packed
            and not (a.name in constants and a.name not in still_read)]  # fmt: skip
    arguments = [a for a in kept if a.space == "argument"]
    others = [a for a in kept if a.space != "argument"]
    calling = _with_arguments(nest, rest, [*arguments, *packed.values()], nest.name, others)
    return packing, calling


def _with_arguments(
    nest: Nest, body: tuple[NestNode, ...], arguments: list[NestArray], name: str,
    others: list[NestArray] | None = None,
) -> Nest:  # fmt: skip
    numbered = [replace(a, space="argument", place=i) for i, a in enumerate(arguments)]
    return replace(nest, name=name, body=body, arrays=tuple(numbered + (others or [])))


def _is_packing(node: NestNode, nest: Nest, constants: frozenset[str]) -> bool:
    """Writes only buffers nothing else writes, and reads constants and nothing else."""
    local = {a.name for a in nest.arrays if a.space == "shared"}
    others = _written(tuple(n for n in nest.body if n is not node))
    written, read = _written((node,)), _read((node,))
    return bool(read) and read <= constants and written <= local - others


def _written(nodes: tuple[NestNode, ...]) -> set[str]:
    return {node.target.array for node, _ in walk(nodes) if isinstance(node, Assign)}


def _read(nodes: tuple[NestNode, ...]) -> set[str]:
    return {
        load.array
        for node, _ in walk(nodes)
        if isinstance(node, Assign)
        for load in walk_expr(node.expr)
        if isinstance(load, Load)
    }
