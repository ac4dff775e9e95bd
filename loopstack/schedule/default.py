"""The default schedule: an analytic rule, no search and no measurement.

Each statement is classed by its accesses and gets the script an expert would write first:

    contraction   a reduction whose operands are reused: register block, reduction unrolled,
                  cache blocks and packed panels where the operands outgrow the caches
    row fold      a reduction along the contiguous index of its operand: vector lanes of partial
                  results, a few rows jammed
    map           everything else: vectorise the contiguous index of the result

Statements that walk the same outer index one after the other are fused along it, so temporaries
stay in cache. The outermost independent loop runs in parallel when the work is worth it.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopstack.ir.program import Program
from loopstack.schedule.access_shape import StatementShape, Strides, statement_shape
from loopstack.schedule.affine_default import affine_schedule, is_affine
from loopstack.schedule.contraction import contraction_script, is_worth_blocking
from loopstack.schedule.contraction_roles import Contraction, find_contraction
from loopstack.schedule.fusion import fusion_script
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.script import Schedule

PARALLEL_FLOPS = 200_000
"""Work below this runs on one thread: waking a team costs some microseconds."""


def default_schedule(
    program: Program, isa: str, threads: int = 1, strides: Strides | None = None,
    hardware: Hardware | None = None, constants: frozenset[str] = frozenset(),
) -> Schedule:  # fmt: skip
    """Return the analytic schedule of a program with integer sizes.

    ``strides`` gives the element strides of arguments that are not dense, ``hardware`` the vector
    width, register count and cache sizes (default: ``isa`` on this machine); ``constants`` names
    arrays that never change, which may be packed at the root for good.
    """
    hardware = hardware or Hardware.of(isa)
    shapes = [statement_shape(program, s, strides or {}) for s in program.statements]
    if any(shape.instances == 0 for shape in shapes):
        return Schedule.parse("schedule 1\n")
    blocked = _blocked_contractions(shapes, hardware)
    prefix = "{}_" if len(blocked) > 1 else ""
    if is_affine(program):
        return affine_schedule(program, hardware, threads, strides)
    lines = ["schedule 1"]
    fused = fusion_script(program, shapes, alone=blocked.keys())
    lines += fused.lines
    for shape in shapes:
        name = shape.statement.name
        if name in blocked:
            lines += contraction_script(
                blocked[name], hardware, threads, constants, prefix.format(name)
            )
            continue
        lines += _statement_script(
            shape, Context(hardware, threads, fused.head_of(name), constants)
        )
    if threads > 1:
        lines += [
            f"parallelize {loop}" for loop, group in fused.groups if _is_worth(group, threads)
        ]
    return Schedule.parse("\n".join(lines) + "\n")


def _blocked_contractions(
    shapes: list[StatementShape], hardware: Hardware
) -> dict[str, Contraction]:
    """Return the contractions that get cache blocks and packs, by statement."""
    found = {}
    for shape in shapes:
        c = None if _reads_itself(shape) else find_contraction(shape)
        if c is not None and is_worth_blocking(c, hardware):
            found[shape.statement.name] = c
    return found


def _is_worth(group: list[StatementShape], threads: int) -> bool:
    """Tell whether the shared outer loop of ``group`` has work for several threads."""
    head = group[0]
    extent = head.extents[head.statement.indices[0]]
    return extent >= threads and sum(shape.work for shape in group) >= PARALLEL_FLOPS


@dataclass(frozen=True)
class Context:
    """``shared`` are loops of this statement that belong to a fused nest headed by another."""

    hardware: Hardware
    threads: int
    shared: tuple[str, ...]
    constants: frozenset[str]


def _statement_script(shape: StatementShape, context: Context) -> list[str]:
    if _reads_itself(shape):
        return []  # a recurrence: its own order is the only one known to be right
    found = None if context.shared else find_contraction(shape)
    if found is not None and not any(map(found.is_transposed, found.streamed)):
        return contraction_script(found, context.hardware, context.threads, context.constants)
    if shape.statement.reduction_indices:
        return _row_fold_script(shape, context)
    return _map_script(shape, context)


def _reads_itself(shape: StatementShape) -> bool:
    return any(read.array == shape.write.array for read in shape.reads)


# ---- folds and maps -----------------------------------------------------------------------------
def _row_fold_script(shape: StatementShape, context: Context) -> list[str]:
    """Vectorise the contiguous index: a reduction index gets lanes, an output index blocks."""
    name = shape.statement.name
    index = _contiguous_index(shape)
    lines = []
    if index in _free_indices(shape, context) and shape.extents[index] > 1:
        if index in shape.outputs:
            lines += _column_fold(shape, index, context)
        else:
            lines += [*_lanes_last(shape, index, context), f"vectorize {name}.{index}"]
    return lines + _parallel_script(shape, context, exclude=index)


def _lanes_last(shape: StatementShape, index: str, context: Context) -> list[str]:
    """Return the reorder that makes ``index`` innermost, when it is not yet."""
    free = _free_indices(shape, context)
    order = [i for i in free if i != index] + [index]
    return [] if order == free else [f"reorder {shape.statement.name} {' '.join(order)}"]


def _free_indices(shape: StatementShape, context: Context) -> list[str]:
    """Return the indices whose loops belong to this statement alone."""
    name = shape.statement.name
    return [i for i in shape.statement.indices if f"{name}.{i}" not in context.shared]


def _column_fold(shape: StatementShape, index: str, context: Context) -> list[str]:
    """A fold across rows: keep a strip of columns in registers while walking down."""
    name = shape.statement.name
    strip = 4 * context.hardware.lanes(shape.item_bytes)
    others = [i for i in _free_indices(shape, context) if i in shape.outputs and i != index]
    reduced = list(shape.statement.reduction_indices)
    if shape.extents[index] <= strip:
        return [
            f"reorder {name} {' '.join([*others, *reduced, index])}",
            f"vectorize {name}.{index}",
        ]
    outer, inner = f"{index}_o", f"{index}_v"
    return [
        f"split {name}.{index} {strip} -> {outer}, {inner} tail=mask",
        f"reorder {name} {' '.join([*others, outer, *reduced, inner])}",
        f"vectorize {name}.{inner}",
    ]


def _map_script(shape: StatementShape, context: Context) -> list[str]:
    name = shape.statement.name
    index = _contiguous_index(shape)
    lines = []
    if index in _free_indices(shape, context) and shape.extents[index] > 1:
        lines += _lanes_last(shape, index, context)
        lines.append(f"vectorize {name}.{index}")
    return lines + _parallel_script(shape, context, exclude=index)


def _contiguous_index(shape: StatementShape) -> str | None:
    """Return the index along which most bytes lie side by side; stores count twice."""

    def score(index: str) -> tuple[int, int]:
        unit = sum(shape.read_bytes(r) for r in shape.reads if r.stride(index) == 1)
        unit += 2 * shape.read_bytes(shape.write) * (shape.write.stride(index) == 1)
        return unit, shape.statement.indices.index(index)

    best = max(shape.statement.indices, key=score, default=None)
    return best if best is not None and score(best)[0] > 0 else None


def _parallel_script(shape: StatementShape, context: Context, exclude: str | None) -> list[str]:
    name = shape.statement.name
    if context.threads < 2 or shape.work < PARALLEL_FLOPS or not shape.outputs:
        return []
    outer = shape.statement.indices[0]
    if outer == exclude or outer not in shape.outputs or f"{name}.{outer}" in context.shared:
        return []
    if shape.extents[outer] < context.threads:
        return []
    return [f"parallelize {name}.{outer}"]
