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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from autoscheduler.space.slots import Choice, Slot
from loopstack.schedule.access_shape import AccessShape, StatementShape
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.register_block import choose_block

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
PACK_LEVELS = ("no", "root", "kc", "mc", "nc")
INSIDE = frozenset({"ki", "mv", "nv"})
PANELS = ("as read", "as stored")
"""Layout of a packed panel: in the order of the loops that read it, or contiguous where it was."""
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
    @cached_property
    def slots(self) -> list[Slot]:
        """Return the slots of this statement."""
        extents, registers = self.shape.extents, self.hardware.vector_registers
        widest = max(extents[i] for i in self.shape.outputs)
        depth = extents[self.shape.statement.reduction_indices[-1]]
        first = self._analytic()
        return [
            self._slot("columns", self.column_choices(), ordered=False),
            self._slot("rows", self.row_choices(), ordered=False),
            self._slot("mr", tuple(r for r in ROWS if r <= registers), default=first["mr"]),
            self._slot("vectors", VECTORS, default=first["vectors"]),
            self._slot("unroll", tuple(u for u in UNROLLS if u <= max(depth, 1)), default=4),
            self._slot("kc", _below(BLOCKS, depth, first["kc"]), default=first["kc"]),
            self._slot("mc", _below(BLOCKS, widest, first["mc"]), default=first["mc"]),
            self._slot("nc", _below(BLOCKS, widest, None)),
            self._slot("order", ORDERS, ordered=False),
            self._slot("reduction", self._reduction_orders(), ordered=False),
            *(self._slot(f"pack {array}", PACK_LEVELS, ordered=False) for array in self._packs()),
            self._slot("panel", PANELS, ordered=False),
            self._slot("prefetch", ("none", "result"), ordered=False),
            self._slot("parallel", PARALLEL if self.threads > 1 else ("none",), ordered=False),
        ]

    def _slot(
        self, name: str, choices: Sequence[Choice], ordered: bool = True, default: Choice = None
    ) -> Slot:
        return Slot(f"{self.name}: {name}", tuple(choices), ordered, default)

    def column_choices(self) -> tuple[str, ...]:
        """Result indices that are contiguous in the result, or else in an operand."""
        shape = self.shape
        wide = [i for i in shape.outputs if shape.extents[i] > 1]
        first = [i for i in wide if shape.write.stride(i) == 1]
        second = [i for i in wide if any(read.stride(i) == 1 for read in shape.reads)]
        return tuple(dict.fromkeys([*first, *second])) or shape.outputs[-1:]

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

    def _packs(self) -> list[str]:
        """Operands read once in the expression may be packed at a cache block."""
        names = [read.array for read in self.shape.reads]
        return [name for name in dict.fromkeys(names) if names.count(name) == 1]

    def _analytic(self) -> dict[str, Choice]:
        """Return sizes to begin with: the cheapest register block, and panels that fit caches."""
        extents, item = self.shape.extents, self.shape.item_bytes
        columns, rows = self.column_choices()[0], self.row_choices()[0]
        depth = extents[self.shape.statement.reduction_indices[-1]]
        registers = self.hardware.vector_registers
        block = choose_block(extents[rows], extents[columns], depth, self.lanes, registers)
        kc = max(self.hardware.l1_bytes // 2 // (block.vectors * self.hardware.vector_bytes), 16)
        mc = max(self.hardware.l2_bytes // 2 // (min(kc, depth) * item), block.rows)
        big = depth * extents[columns] * item > self.hardware.l2_bytes // 4
        sizes: dict[str, Choice] = {"mr": block.rows, "vectors": block.vectors}
        return {**sizes, "kc": kc if big else None, "mc": mc if big else None}

    # ---- the script -------------------------------------------------------------------------
    def lines(self, chosen: Mapping[str, Choice]) -> list[str]:
        """Return the commands of an assignment."""
        answers = {slot.name.split(": ", 1)[1]: chosen[slot.name] for slot in self.slots}
        return Plan.of(self, answers).lines()


def _below(blocks: Sequence[int | None], extent: int, first: int | None) -> tuple[int | None, ...]:
    """Return the sizes below an extent, and the analytic one among them."""
    sizes = {b for b in (*blocks, first) if b is not None and b < extent}
    return (None, *sorted(sizes))


@dataclass(frozen=True)
class Plan:
    """A contraction with every question answered. Answers that others exclude are overruled."""

    c: Contraction
    answers: Mapping[str, Choice]
    columns: str
    rows: str | None
    vectors: int
    mr: int

    @staticmethod
    def of(c: Contraction, answers: Mapping[str, Choice]) -> Plan:
        """Return a plan whose register block fits the registers."""
        columns, rows, vectors = answers["columns"], answers["rows"], answers["vectors"]
        if rows == columns:
            rows = next((i for i in c.row_choices() if i != columns), None)
        vectors = min(vectors, max(1, -(-c.shape.extents[columns] // c.lanes)))
        fitting = (c.hardware.vector_registers - 1 - vectors) // vectors
        most = min(fitting, c.shape.extents[rows]) if rows else 1
        return Plan(c, answers, columns, rows, vectors, max(1, min(answers["mr"], most)))

    @property
    def width(self) -> int:
        """Elements of a register block's row."""
        return self.vectors * self.c.lanes

    def extent(self, index: str | None) -> int:
        return self.c.shape.extents[index] if index else 1

    @property
    def reductions(self) -> list[str]:
        return list(self.answers["reduction"].split())

    @property
    def batch(self) -> list[str]:
        return [i for i in self.c.shape.outputs if i not in (self.columns, self.rows)]

    @cached_property
    def blocks(self) -> dict[str, int]:
        """The cache blocks that cut their index: multiples of the register block inside them.

        So a block ends with a register block, and only the last of all may be a partial one.
        """
        steps = {
            "kc": (self.reductions[-1], self.answers["unroll"]),
            "mc": (self.rows, self.mr),
            "nc": (self.columns, self.width),
        }
        sizes = {
            level: (index, step * -(-self.answers[level] // step))
            for level, (index, step) in steps.items()
            if self.answers[level] is not None
        }
        return {level: n for level, (index, n) in sizes.items() if n < self.extent(index)}

    def pack_level(self, array: str) -> str | None:
        """Return the block at which an operand is packed, or None."""
        level = self.answers.get(f"pack {array}", "no")
        return level if level in self.blocks or level == "root" else None

    def parallel(self, held: Mapping[str, str | None]) -> str | None:
        """Return the loop to run in parallel, or None."""
        choice = self.answers["parallel"]
        if choice == "batch":
            return self.batch[0] if self.batch else None
        return held.get(choice)

    # ---- printing ---------------------------------------------------------------------------
    def lines(self) -> list[str]:
        name, lines = self.c.name, list[str]()
        inner_k = self._cache_split(lines, "kc", self.reductions[-1], "ki")
        inner_m = self._cache_split(lines, "mc", self.rows, "m1")
        inner_n = self._cache_split(lines, "nc", self.columns, "n1")
        nr, nv = self._register_split(lines, inner_n, self.width, "nr", "nv tail=mask")
        mr, mv = self._register_split(lines, inner_m, self.mr, "mr", "mv tail=peel")
        held = {"nr": nr, "mr": mr, **{level: level for level in self.blocks}}
        outer = [held.get(level) for level in self.answers["order"].split()]
        wanted = [*self.batch, *outer, *self.reductions[:-1], inner_k, mv, nv]
        order = [loop for loop in wanted if loop]
        parallel = self.parallel(held)
        lines.append(f"reorder {name} {' '.join(order)}")
        lines += self._pack_lines(order, parallel)
        if {mv, nv} <= {None, "mv", "nv"}:  # a whole index has no constant extent to prefetch
            lines += self._prefetch_lines([loop for loop in outer if loop])
        lines += self._leaf_lines(inner_k, mv, nv)
        return lines + ([f"parallelize {name}.{parallel}"] if parallel else [])

    def _cache_split(
        self, lines: list[str], level: str, index: str | None, inner: str
    ) -> str | None:
        """Cut an index when its block is to be; return the name of what runs inside."""
        if index is None or level not in self.blocks:
            return index
        lines.append(f"split {self.c.name}.{index} {self.blocks[level]} -> {level}, {inner}")
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
        return self.blocks[level] if level in self.blocks else self.extent(loop)

    def _pack_lines(self, order: Sequence[str], parallel: str | None) -> list[str]:
        lines: list[str] = []
        for read in self.c.shape.reads:
            level = self.pack_level(read.array)
            if level is None:
                continue
            below = order[order.index(level) + 1 :] if level != "root" else order
            panel = self._panel(read, below)
            buffer = f"{read.array}_{self.c.name}"
            where = "root" if level == "root" else f"{self.c.name}.{level}"
            box = ", ".join(panel)
            lines.append(f"pack {read.array} at {where} as {buffer}[{box}] pad=0 align=64")
            lines += self._fill_lines(buffer, panel, read, shared=parallel in below)
        return lines

    def _panel(self, read: AccessShape, below: Sequence[str]) -> list[str]:
        """Return the loops below a pack that move in the operand, in the panel's order."""
        panel = [loop for loop in below if read.stride(self.index_of(loop))]
        if self.answers["panel"] == "as stored":
            panel.sort(key=lambda loop: loop in INSIDE and self._unit(read, loop))
        return panel

    def _unit(self, read: AccessShape, loop: str) -> bool:
        return read.stride(self.index_of(loop)) == 1

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

    def _prefetch_lines(self, outer: Sequence[str]) -> list[str]:
        """Fetch the result's lines of the next register block while this one is computed."""
        if self.answers["prefetch"] == "none" or outer[-1:] not in (["nr"], ["mr"]):
            return []
        return [f"prefetch {self.c.shape.write.array} at {self.c.name}.{outer[-1]} write"]

    def _leaf_lines(self, k: str | None, mv: str | None, nv: str | None) -> list[str]:
        name, unroll = self.c.name, self.answers["unroll"]
        lines: list[str] = []
        if k and unroll > 1 and self.loop_extent(k) <= unroll:
            lines.append(f"unroll {name}.{k}")
        elif k and unroll > 1:
            lines += [f"split {name}.{k} {unroll} -> {k}o, {k}u tail=peel", f"unroll {name}.{k}u"]
        lines += [f"unroll_and_jam {name}.{mv}"] if mv else []
        return lines + ([f"vectorize {name}.{nv}"] if nv else [])
