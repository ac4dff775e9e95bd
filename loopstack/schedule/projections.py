"""Successive projections: every step makes one vector and takes it out of all columns beyond.

    for k: { make Q[:, k]
             for j > k: { R[k, j] = sum over i of Q[i, k] * A[i, j]        coefficient
                          for i: A[i, j] -= Q[i, k] * R[k, j] } }          update

Modified Gram-Schmidt is one; a step reads and writes everything beyond it. So steps run in blocks:
first on the columns of the block alone, then all of them on a few columns beyond, which stay in
the cache. There the update of a step and the coefficients of the next share one pass over rows:

    for kb: { for k in the block: { make Q[:, k];  the same for j in the block }
              for co: for k1: for i: { A[i, co] -= Q[i, k1 - 1] * R[k1 - 1, co]
                                       R[k1, co] += Q[i, k1] * A[i, co] } }

Nothing here proves legality: the caller tries the lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Tree
from loopstack.schedule.access_shape import StatementShape
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.lookup import index_of, leaves_below

LEAST_STEPS = 16
"""Steps of a block; their vectors and the columns beyond share the L2 cache."""
MOST_VECTORS = 4
"""Vectors of columns that run together: sums, coefficients and columns fit in 16 registers."""


@dataclass(frozen=True)
class Projections:
    """The two statements beyond the step, and a statement of each part of the step's body."""

    step: Loop
    parts: tuple[str, ...]
    coefficient: Leaf
    update: Leaf
    column: str
    rows: tuple[str, str]

    @property
    def statements(self) -> tuple[str, str]:
        return self.coefficient.statement, self.update.statement


def find_projections(tree: Tree) -> list[Projections]:
    """Return the outermost loops of a tree whose body ends in such a pair of statements."""
    nests = [node for node in tree.body if isinstance(node, Loop) and node.kind == "seq"]
    found = [_in_nest(tree, nest) for nest in nests]
    return [p for p in found if p is not None]


def _in_nest(tree: Tree, step: Loop) -> Projections | None:
    leaves = leaves_below([step])
    if len(leaves) < len(("vector", "coefficient", "update")) or not _projects(*leaves[-2:]):
        return None
    coefficient, update = leaves[-2:]
    paths = [tree.path(leaf.statement) for leaf in (coefficient, update)]
    if not all(_is_beyond(*pair) for pair in zip(paths, (coefficient, update))):
        return None
    (column, row), (other, other_row) = ([index_of(loop) for loop in path[1:]] for path in paths)
    if column != other:
        return None
    heads = [leaves_below([node])[0].statement for node in step.body]
    parts = tuple(name for name in heads if name not in (coefficient.statement, update.statement))
    return Projections(step, parts, coefficient, update, column, (row, other_row))


def _projects(coefficient: Leaf, update: Leaf) -> bool:
    """Tell whether a sum over what the second statement updates is what it subtracts."""
    anew = coefficient.reduction is not None and coefficient.reduction.init == "identity"
    read = {load.array for load in loads(coefficient.expr)}
    return (
        anew
        and update.write.array in read
        and coefficient.write.array in {load.array for load in loads(update.expr)}
    )


def _is_beyond(path: Sequence[Loop], leaf: Leaf) -> bool:
    """Tell whether a leaf stands below a step, a column beyond it, and a row."""
    if len(path) != len(("step", "column", "row")):
        return False
    return form_of(path[1].name) - form_of(path[0].name) - 1 in leaf.constraints


def columns_at_once(
    p: Projections, shapes: Mapping[str, StatementShape], hardware: Hardware
) -> int:
    """Return how many columns to run together: vectors that half of the L2 cache holds; maybe 0."""
    shape = shapes[p.update.statement]
    lanes = hardware.lanes(shape.item_bytes)
    vector_bytes = shape.extents[p.rows[1]] * shape.item_bytes * lanes
    vectors = min(hardware.l2_bytes // (2 * vector_bytes), MOST_VECTORS)
    return lanes * (1 << vectors.bit_length() >> 1)


def walks_memory(p: Projections, shapes: Mapping[str, StatementShape]) -> bool:
    """Tell whether columns stand side by side in memory."""
    return all(
        access.stride(p.column) in (0, 1)
        for name in p.statements
        for access in (shapes[name].write, *shapes[name].reads)
    )


def projection_lines(
    p: Projections, shapes: Mapping[str, StatementShape], columns: int, threads: int
) -> list[str]:
    """Return the lines that run blocks of steps on ``columns`` columns beyond at a time."""
    beyond = [f"{name}_beyond" for name in p.statements]
    lines = _blocks(p, beyond, max(LEAST_STEPS, columns))
    for name, beside, row in zip(p.statements, beyond, p.rows):
        whole = -(-(2 << shapes[name].extents[p.column].bit_length()) // columns) * columns
        lines += [
            f"split {beside}.{p.column} {whole} -> jc, j1",
            f"split {beside}.j1 {columns} -> co, cv",
            f"reorder {beside} jc co k1 {row} cv",
            f"vectorize {beside}.cv",
        ]
    lines += _one_pass(p, *beyond)
    for name, beside, row in zip(p.statements, beyond, p.rows):
        lines += _vectors_packed(shapes[name], p, beside, row)
    lines.append(f"stage {p.coefficient.write.array} at {beyond[0]}.k1 in registers")
    return lines + ([f"parallelize {beyond[0]}.co"] if threads > 1 else [])


def _blocks(p: Projections, beyond: Sequence[str], steps: int) -> list[str]:
    """Return the lines that part blocks of steps from the columns beyond them."""
    coefficient, update = p.statements
    start = f"{coefficient}_start"
    head, *others = inside = [*p.parts, start, coefficient, update]
    lines = [
        f"split {head}.{index_of(p.step)} {steps} -> kb, k1",
        f"decompose {coefficient} -> {start}",
        f"distribute {coefficient}.{p.column}",
    ]
    for name, beside in zip(p.statements, beyond):
        lines.append(f"partition {name} where {p.column} < {steps}*kb + {steps} -> {beside}")
    lines.append(f"distribute {head}.k1 -> {', '.join([*inside, *beyond])}")
    return lines + [f"fuse {head}.k1 {name}.k1 shift=0" for name in others]


def _one_pass(p: Projections, coefficient: str, update: str) -> list[str]:
    """Return the lines that run the update of a step with the coefficients of the next."""
    return [
        *(f"fuse {coefficient}.{loop} {update}.{loop} shift=0" for loop in ("jc", "co")),
        f"fuse {coefficient}.k1 {update}.k1 shift=1",
        f"arrange {coefficient}.k1 -> {update}, {coefficient}",
        f"fuse {update}.{p.rows[1]} {coefficient}.{p.rows[0]} shift=0",
    ]


def _vectors_packed(shape: StatementShape, p: Projections, beside: str, row: str) -> list[str]:
    """Return the packs of what a row shares between columns, where rows are far apart."""
    return [
        f"pack {read.array} at {beside}.jc as {beside}_{read.array}[k1, {row}]"
        for read in shape.reads
        if read.stride(row) > 1 and not read.stride(p.column)
    ]
