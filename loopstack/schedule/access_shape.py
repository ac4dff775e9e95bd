"""What a statement's accesses look like in memory: extents, and strides of every index.

The facts that analytic rules and search templates choose blocks by. All sizes are integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loopstack.ir.affine import Affine
from loopstack.ir.expr import ITEM_SIZE_BYTES, walk
from loopstack.ir.expr import Op as OpNode
from loopstack.ir.program import Program, Statement
from loopstack.poly.intervals import UNBOUNDED, is_finite, tighten

Strides = Mapping[str, tuple[int, ...]]
TRANSCENDENTAL = frozenset({"exp"})
TRANSCENDENTAL_FLOPS = 15


@dataclass(frozen=True)
class AccessShape:
    """One access: the array and its element stride for every index of the statement."""

    array: str
    strides: Mapping[str, int]

    def stride(self, index: str) -> int:
        return self.strides.get(index, 0)


@dataclass(frozen=True)
class StatementShape:
    """A statement's extents (elements), reduction indices and accesses."""

    statement: Statement
    extents: Mapping[str, int]
    write: AccessShape
    reads: tuple[AccessShape, ...]
    item_bytes: int

    @property
    def outputs(self) -> tuple[str, ...]:
        """Indices of the result, outermost first."""
        reduced = self.statement.reduction_indices
        return tuple(i for i in self.statement.indices if i not in reduced)

    @property
    def instances(self) -> int:
        total = 1
        for extent in self.extents.values():
            total *= extent
        return total

    @property
    def flops(self) -> int:
        """Operators per instance times instances (the reduction's own counts)."""
        operators = sum(isinstance(node, OpNode) for node in walk(self.statement.expr))
        return self.instances * (operators + (self.statement.reduction is not None))

    @property
    def work(self) -> int:
        """``flops`` with transcendental operators counted at what they cost."""
        slow = sum(isinstance(n, OpNode) and n.name in TRANSCENDENTAL
                   for n in walk(self.statement.expr))  # fmt: skip
        return self.flops + TRANSCENDENTAL_FLOPS * slow * self.instances

    def read_bytes(self, access: AccessShape) -> int:
        """Bytes of the distinct elements an access touches, counting each index once."""
        size = self.item_bytes
        for index, extent in self.extents.items():
            if access.stride(index):
                size *= extent
        return size


def statement_shape(program: Program, statement: Statement, strides: Strides) -> StatementShape:
    """Return the shape of one statement of a program with integer sizes."""

    def shape_of(array: str, subscripts: tuple[Affine, ...]) -> AccessShape:
        steps = strides.get(array) or dense_strides(program, array)
        total: dict[str, int] = {}
        for form, step in zip(subscripts, steps):
            for atom, coefficient in form.terms:
                if isinstance(atom, str):
                    total[atom] = total.get(atom, 0) + coefficient * step
        return AccessShape(array, total)

    extents = {i: index_extent(statement, i) for i in statement.indices}
    item = ITEM_SIZE_BYTES[program.array(statement.write.array).dtype]
    return StatementShape(
        statement,
        extents,
        shape_of(statement.write.array, statement.write.subscripts),
        tuple(shape_of(load.array, load.subscripts) for load in statement.reads),
        item,
    )


def dense_strides(program: Program, array: str) -> tuple[int, ...]:
    """Return row-major element strides."""
    steps, step = [], 1
    for extent in reversed(program.array(array).shape):
        steps.append(step)
        step *= max(extent.const, 1)
    return tuple(reversed(steps))


def index_extent(statement: Statement, index: str) -> int:
    """Return the extent of ``index`` over the whole domain (0 when it is empty)."""
    own = [form for form in statement.constraints if form.names == {index}]
    low, high = tighten({index: UNBOUNDED}, own)[index]
    if not is_finite((low, high)):  # a corner: other indices bound it
        everything = dict.fromkeys(statement.indices, UNBOUNDED)
        low, high = tighten(everything, statement.constraints)[index]
    return max(high - low + 1, 0)
