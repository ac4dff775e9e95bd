"""Recognise a contraction, and say which part each index and operand plays in it.

    C[rows, columns] (+)= repeated[rows, k] * streamed[k, columns]

The names follow a matrix product: ``columns`` is the vectorised index of the result, ``rows`` the
index along which the vectors of the streamed operand are reused.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopstack.schedule.access_shape import AccessShape, StatementShape


@dataclass(frozen=True)
class Contraction:
    """A contraction with its roles chosen."""

    shape: StatementShape
    columns: str
    rows: str | None
    streamed: tuple[AccessShape, ...]
    """The operands that vary along columns and not along rows (B of a product)."""
    repeated: tuple[AccessShape, ...]
    """The operands that are broadcast along columns (A of a product)."""

    def is_transposed(self, operand: AccessShape) -> bool:
        """Tell whether a streamed operand lies along the reduction, not along columns."""
        return operand.stride(self.columns) != 1


def find_contraction(shape: StatementShape) -> Contraction | None:
    """Return the roles, or None when the statement has no reuse to block for."""
    reduction = shape.statement.reduction
    operands = tuple(read for read in shape.reads if any(read.strides.values()))
    if reduction is None or not shape.statement.reduction_indices or len(operands) < 2:
        return None
    for index in shape.outputs:
        if shape.write.stride(index) != 1 or shape.extents[index] < 2:
            continue
        rows = _best_rows(shape, operands, index)
        if all(_can_stream(shape, operand, index, rows) for operand in operands):
            return _with_roles(shape, operands, index, rows)
    return None


def _can_stream(
    shape: StatementShape, operand: AccessShape, columns: str, rows: str | None
) -> bool:
    """Contiguous or absent along columns, or along the one reduction index: a pack turns it."""
    if operand.stride(columns) in (0, 1):
        return True
    reduced = shape.statement.reduction_indices
    turned = len(reduced) == 1 and operand.stride(reduced[0]) == 1
    return turned and rows is not None and not operand.stride(rows)


def _with_roles(
    shape: StatementShape, operands: tuple[AccessShape, ...], columns: str, rows: str | None
) -> Contraction:
    def moves(operand: AccessShape, index: str | None) -> bool:
        return index is not None and operand.stride(index) != 0

    streamed = [r for r in operands if moves(r, columns) and not moves(r, rows)]
    repeated = [r for r in operands if not moves(r, columns)]
    return Contraction(shape, columns, rows, tuple(streamed), tuple(repeated))


def _best_rows(
    shape: StatementShape, operands: tuple[AccessShape, ...], columns: str
) -> str | None:
    """Return the output index along which most vector loads are reused.

    Of indices about as long, the one whose rows lie closest to each other.
    """
    candidates = [
        i for i in shape.outputs
        if i != columns and any(r.stride(columns) and not r.stride(i) for r in operands)
    ]  # fmt: skip
    longest = max((shape.extents[i] for i in candidates), default=0)
    near = [i for i in candidates if 2 * shape.extents[i] > longest]
    return min(near, key=lambda i: abs(shape.write.stride(i)), default=None)
