"""Slots of a contraction: matrix products, convolutions, matrix-vector products, most einsums.

    nc? kc? mc? (parallel)       cache blocks, each absent or a size, in one of a few orders
      pack B at kc|nc?           operands copied to panels where they are used again
      pack A at mc?
      nr mr                      register blocks
        reduction, unrolled      accumulators stay in registers
          mv x nv                MR rows, NR elements

``columns`` is the vectorised index, ``rows`` the jammed one (as in a product C = A B); the other
result indices (``batch``) run outside. Only the innermost reduction index is blocked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loopstack.schedule.access_shape import AccessShape, StatementShape
from loopstack.schedule.hardware import Hardware

from autoscheduler.space.slots import Choice, Slot

BLOCKS = (None, 16, 24, 32, 48, 64, 96, 120, 128, 192, 240, 256, 384, 512, 768, 1024)
ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14)
VECTORS = (1, 2, 3, 4, 6, 8)
UNROLLS = (1, 2, 4, 8)
ORDERS = (
    "nc kc mc nr mr",
    "nc kc mc mr nr",
    "mc nc kc nr mr",
    "mc nc kc mr nr",
    "nc mc kc nr mr",
    "nc mc kc mr nr",
    "nc mc nr mr kc",
    "mc nc mr nr kc",
)
PARALLEL = ("none", "batch", "mc", "nc", "mr", "nr")


@dataclass(frozen=True)
class Contraction:
    """One contraction statement; ``prefix`` makes its slot names and loop names its own."""

    shape: StatementShape
    hardware: Hardware
    threads: int

    @property
    def name(self) -> str:
        return self.shape.statement.name

    @property
    def lanes(self) -> int:
        return self.hardware.lanes(self.shape.item_bytes)

    # ---- the questions ----------------------------------------------------------------------
    def slots(self) -> list[Slot]:
        """Return the slots of this statement."""
        extents, registers = self.shape.extents, self.hardware.vector_registers
        widest = max(extents[i] for i in self.shape.outputs)
        depth = extents[self.shape.statement.reduction_indices[-1]]
        return [
            self._slot("columns", self.column_choices(), ordered=False),
            self._slot("rows", self.row_choices(), ordered=False),
            self._slot("mr", tuple(r for r in ROWS if r <= registers), default=6),
            self._slot("vectors", VECTORS, default=2),
            self._slot("unroll", tuple(u for u in UNROLLS if u <= max(depth, 1)), default=4),
            self._slot("kc", _below(BLOCKS, depth)),
            self._slot("mc", _below(BLOCKS, widest)),
            self._slot("nc", _below(BLOCKS, widest)),
            self._slot("order", ORDERS, ordered=False),
            self._slot("reduction", self._reduction_orders(), ordered=False),
            *(self._slot(f"pack {array}", levels, ordered=False) for array, levels in self._packs()),
            self._slot("parallel", PARALLEL if self.threads > 1 else ("none",), ordered=False),
        ]

    def _slot(
        self, name: str, choices: Sequence[Choice], ordered: bool = True, default: Choice = None
    ) -> Slot:
        return Slot(f"{self.name}: {name}", tuple(choices), ordered, default)

    def column_choices(self) -> tuple[str, ...]:
        """Result indices that are contiguous in the result, or else in an operand."""
        shape = self.shape
        first = [i for i in shape.outputs if shape.write.stride(i) == 1 and shape.extents[i] > 1]
        second = [
            i for i in shape.outputs
            if i not in first and shape.extents[i] > 1 and any(r.stride(i) == 1 for r in shape.reads)
        ]  # fmt: skip
        return (*first, *second) or shape.outputs[-1:]

    def row_choices(self) -> tuple[str, ...]:
        """Result indices that an operand does not have, widest first: reuse lies along them."""
        shape = self.shape
        reused = [i for i in shape.outputs if any(not r.stride(i) for r in shape.reads)]
        return tuple(sorted(reused or shape.outputs, key=lambda i: -shape.extents[i]))

    def _reduction_orders(self) -> tuple[str, ...]:
        """The last index innermost, or each of the others in its place."""
        indices = list(self.shape.statement.reduction_indices)
        rotated = [[j for j in indices if j != i] + [i] for i in reversed(indices)]
        return tuple(" ".join(order) for order in rotated)

    def _packs(self) -> list[tuple[str, tuple[str, ...]]]:
        """Operands read once in the expression may be packed at a cache block."""
        names = [read.array for read in self.shape.reads]
        return [(n, ("no", "kc", "mc", "nc")) for n in dict.fromkeys(names) if names.count(n) == 1]

    # ---- the script -------------------------------------------------------------------------
    def lines(self, chosen: Mapping[str, Choice]) -> list[str] | None:
        """Return the commands of an assignment, or None when its answers exclude each other."""
        answers = {slot.name.split(": ", 1)[1]: chosen[slot.name] for slot in self.slots()}
        plan = Plan.of(self, answers)
        return plan.lines() if plan is not None else None


def _below(blocks: Sequence[int | None], extent: int) -> tuple[int | None, ...]:
    return tuple(b for b in blocks if b is None or b < extent)


@dataclass(frozen=True)
class Plan:
    """A contraction with every question answered."""

    c: Contraction
    answers: Mapping[str, Choice]
    columns: str
    rows: str | None
    width: int
    """Elements of a register block's row."""

    @staticmethod
    def of(c: Contraction, answers: Mapping[str, Choice]) -> Plan | None:
        """Return a plan whose register block fits, or None."""
        columns, rows, vectors = answers["columns"], answers["rows"], answers["vectors"]
        if rows == columns:
            others = [i for i in c.row_choices() if i != columns]
            rows = others[0] if others else None
        height = answers["mr"] if rows else 1
        if height * vectors + vectors + 1 > c.hardware.vector_registers:
            return None
        plan = Plan(c, answers, columns, rows, vectors * c.lanes)
        return plan if plan.is_consistent() else None

    def is_consistent(self) -> bool:
        """A pack needs the block it is made at; a block is wider than what is inside it."""
        blocks = self.blocks()
        for slot, level in self.answers.items():
            if slot.startswith("pack ") and level != "no" and level not in blocks:
                return False
        too_small = (blocks.get("nc", math.inf) < self.width, blocks.get("mc", math.inf) < self.mr)
        return not any(too_small) and self.answers["parallel"] in self.parallel_choices()

    @property
    def mr(self) -> int:
        return min(self.answers["mr"], self.extent(self.rows)) if self.rows else 1

    def extent(self, index: str | None) -> int:
        return self.c.shape.extents[index] if index else 1

    @property
    def reductions(self) -> list[str]:
        return list(self.answers["reduction"].split())

    @property
    def batch(self) -> list[str]:
        return [i for i in self.c.shape.outputs if i not in (self.columns, self.rows)]

    def blocks(self) -> dict[str, int]:
        """Return the cache blocks that really cut something."""
        wanted = {"kc": self.reductions[-1], "mc": self.rows, "nc": self.columns}
        return {
            level: self.answers[level]
            for level, index in wanted.items()
            if self.answers[level] is not None and self.answers[level] < self.extent(index)
        }

    def parallel_choices(self) -> set[str]:
        blocked = set(self.blocks()) & {"mc", "nc"}
        return {"none", *blocked} | ({"batch"} if self.batch else set()) | {"mr", "nr"}

    # ---- printing ---------------------------------------------------------------------------
    def lines(self) -> list[str]:
        blocks, name, lines = self.blocks(), self.c.name, list[str]()
        inner_k = self._cache_split(lines, "kc", self.reductions[-1], "ki")
        inner_m = self._cache_split(lines, "mc", self.rows, "m1")
        inner_n = self._cache_split(lines, "nc", self.columns, "n1")
        nr, nv = self._register_split(lines, inner_n, self.width, "nr", "nv tail=mask")
        mr, mv = self._register_split(lines, inner_m, self.mr, "mr", "mv tail=peel")
        held = {"nr": nr, "mr": mr, **{level: level for level in blocks}}
        outer = [held.get(level) for level in self.answers["order"].split()]
        wanted = [*self.batch, *outer, *self.reductions[:-1], inner_k, mv, nv]
        order = [loop for loop in wanted if loop]
        parallel = self.batch[0] if self.answers["parallel"] == "batch" else held.get(
            self.answers["parallel"]
        )
        lines.append(f"reorder {name} {' '.join(order)}")
        lines += self._pack_lines(order, parallel)
        lines += self._leaf_lines(inner_k, mv, nv)
        return lines + ([f"parallelize {name}.{parallel}"] if parallel else [])

    def _cache_split(
        self, lines: list[str], level: str, index: str | None, inner: str
    ) -> str | None:
        """Cut an index when its block is to be; return the name of what runs inside."""
        if index is None or level not in self.blocks():
            return index
        lines.append(f"split {self.c.name}.{index} {self.blocks()[level]} -> {level}, {inner}")
        return inner

    def _register_split(
        self, lines: list[str], loop: str | None, size: int, outer: str, inner: str
    ) -> tuple[str | None, str | None]:
        """Return (loop over blocks, loop inside one); either may be missing."""
        if loop is None:
            return None, None
        if size == 1:
            return loop, None
        if size >= self.loop_extent(loop):
            return None, loop
        lines.append(f"split {self.c.name}.{loop} {size} -> {outer}, {inner}")
        return outer, inner.split()[0]

    def loop_extent(self, loop: str) -> int:
        """Return the extent of an index, or of the inside of a cache block."""
        level = {"ki": "kc", "m1": "mc", "n1": "nc"}.get(loop)
        return self.blocks()[level] if level in self.blocks() else self.extent(loop)

    def _pack_lines(self, order: Sequence[str], parallel: str | None) -> list[str]:
        lines: list[str] = []
        for read in self.c.shape.reads:
            level = self.answers.get(f"pack {read.array}", "no")
            if level == "no":
                continue
            below = order[order.index(level) + 1 :]
            panel = [loop for loop in below if read.stride(self.index_of(loop))]
            buffer = f"{read.array}_{self.c.name}"
            where = f"{self.c.name}.{level} as {buffer}[{', '.join(panel)}]"
            lines.append(f"pack {read.array} at {where} pad=0 align=64")
            lines += self._fill_lines(buffer, panel, read, shared=parallel in below)
        return lines

    def index_of(self, loop: str) -> str:
        """Return the program index a loop of this plan is a part of."""
        parts = dict.fromkeys(("kc", "ki"), self.reductions[-1])
        parts |= dict.fromkeys(("mc", "m1", "mr", "mv"), self.rows or "")
        parts |= dict.fromkeys(("nc", "n1", "nr", "nv"), self.columns)
        return loop if loop in self.c.shape.extents else parts[loop]

    def _fill_lines(
        self, buffer: str, panel: Sequence[str], read: AccessShape, shared: bool
    ) -> list[str]:
        """Vectorise the copy along the operand's contiguous direction; share it if all wait."""
        contiguous = [loop for loop in panel if read.stride(self.index_of(loop)) == 1]
        lines = [f"vectorize {buffer}.{contiguous[-1]}"] if contiguous else []
        if shared and len(panel) > 1 and panel[0] not in contiguous[-1:]:
            lines.append(f"parallelize {buffer}.{panel[0]}")
        return lines

    def _leaf_lines(self, k: str | None, mv: str | None, nv: str | None) -> list[str]:
        name, unroll = self.c.name, self.answers["unroll"]
        lines: list[str] = []
        if k and unroll > 1 and self.loop_extent(k) <= unroll:
            lines.append(f"unroll {name}.{k}")
        elif k and unroll > 1:
            lines += [f"split {name}.{k} {unroll} -> {k}o, {k}u tail=peel", f"unroll {name}.{k}u"]
        lines += [f"unroll_and_jam {name}.{mv}"] if mv else []
        return lines + ([f"vectorize {name}.{nv}"] if nv else [])
