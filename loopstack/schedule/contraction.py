"""Analytic schedules for contractions: matrix products, convolutions, most einsums.

Also triangular and in-place ones: whether their schedule is legal is for the caller to check.

    for mc (parallel): pack A        cache blocks, only where an operand outgrows its cache
      for nr: for mr:                register blocks
        for k:                       the reduction, unrolled
          rows x vectors             accumulators in registers
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loopstack.schedule.contraction_roles import Contraction
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.register_block import RegisterBlock, choose_block

UNROLL = 4
FULL_UNROLL = 8
PARALLEL_FLOPS = 1_000_000
STREAM_DEPTH = 64
VECTOR_DEPTH = 8
VECTOR_REGISTERS = 4
FEW_PASSES = 8
PAGE_BYTES = 4096
RESULT_PAGES = 48
"""Of the 64 entries of a first-level data TLB; the packed operands take the others."""
STREAMED_L2_SHARES = 4
"""A packed block of the streamed operand comes from L3: the share of one core, in units of L2."""
PACK_REUSE = 8
"""A packed panel must be read at least this many times to pay for its copy."""


def contraction_script(
    c: Contraction, hardware: Hardware, threads: int, constants: frozenset[str] = frozenset(),
    prefix: str = "",
) -> list[str]:  # fmt: skip
    """Return the script of one contraction.

    Operands in ``constants`` are packed once, at the root; names of buffers start with ``prefix``.
    """
    return Script(c, hardware, threads, constants, prefix).lines()


def is_worth_blocking(c: Contraction, hardware: Hardware) -> bool:
    """Tell whether packed panels pay for their copies: a nest of its own beats a fused one."""
    return Script(c, hardware, 1).packs_panels()


@dataclass(frozen=True)
class Script:
    """Writes the commands of one contraction."""

    c: Contraction
    hardware: Hardware
    threads: int
    constants: frozenset[str] = frozenset()
    prefix: str = ""

    # ---- sizes ------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        return self.c.shape.statement.name

    @property
    def lanes(self) -> int:
        return self.hardware.lanes(self.c.shape.item_bytes)

    def extent(self, index: str | None) -> int:
        return 1 if index is None else self.c.shape.extents[index]

    @property
    def depth(self) -> int:
        total = 1
        for index in self.c.shape.statement.reduction_indices:
            total *= self.extent(index)
        return total

    @property
    def is_product(self) -> bool:
        """One reduction index, contiguous in the repeated operand or not: a matrix product."""
        return len(self.c.shape.statement.reduction_indices) == 1 and self.c.rows is not None

    def block(self) -> RegisterBlock:
        return choose_block(
            self.extent(self.c.rows), self.extent(self.c.columns), self.depth, self.lanes,
            self.hardware.vector_registers,
        )  # fmt: skip

    def depth_block(self, block: RegisterBlock) -> int:
        """Return KC: a panel of the streamed operand about fills L1."""
        panel = block.vectors * self.hardware.vector_bytes
        most = max(self.hardware.l1_bytes // panel, 4 * UNROLL)
        pieces = max(1, round(self.depth / most))
        size = -(-self.depth // pieces)
        return -(-size // UNROLL) * UNROLL

    def rows_block(self, block: RegisterBlock, depth: int) -> int:
        """Return MC: a block of the repeated operand fills half of L2; balanced over threads.

        The rows of the result that it covers stay within the first-level TLB: the walk along the
        columns comes back to them for every register block (at 1024 cubed worth 4 %).
        """
        rows = self.extent(self.c.rows)
        fitting = self.hardware.l2_bytes // 2 // (depth * self.c.shape.item_bytes)
        most = max(min(fitting, self._rows_in_tlb()), block.rows)
        pieces = max(1, -(-rows // most))
        if self.threads > 1:
            pieces = -(-pieces // self.threads) * self.threads
        size = -(-rows // pieces)
        return -(-size // block.rows) * block.rows

    def columns_block(self, block: RegisterBlock, depth: int) -> int | None:
        """Return NC: a packed block of the streamed operand takes a few L2; None: all fits."""
        columns = self.extent(self.c.columns)
        most = STREAMED_L2_SHARES * self.hardware.l2_bytes // (depth * self.c.shape.item_bytes)
        pieces = -(-columns // most)
        width = block.vectors * self.lanes
        return None if pieces == 1 else -(-columns // (pieces * width)) * width

    def _rows_in_tlb(self) -> int:
        """Return how many rows of the result lie in the pages that translate without a miss."""
        assert self.c.rows is not None
        stride = abs(self.c.shape.write.stride(self.c.rows)) * self.c.shape.item_bytes
        return RESULT_PAGES * PAGE_BYTES // min(max(stride, 1), PAGE_BYTES)

    # ---- which form -------------------------------------------------------------------------
    @property
    def reuse(self) -> int:
        """How often a packed panel of the streamed operand is read."""
        return self.extent(self.c.rows) // self.block().rows

    @property
    def streamed_bytes(self) -> int:
        return sum(map(self.c.shape.read_bytes, self.c.streamed))

    @property
    def has_constant(self) -> bool:
        """The streamed operand never changes."""
        return len(self.c.streamed) == 1 and self.c.streamed[0].array in self.constants

    def form(self) -> Callable[[], list[str]]:
        """Return the method that writes the script.

        plain    operands are read where they lie: small, or no matrix product
        panels   one panel of the streamed operand at a time: it stays in L1, the other in L2
        packed   cache blocks of both operands
        rows     few rows, a large streamed operand: pack it block by block, in memory order
        vector   one row: walk the streamed operand once, in memory order
        """
        if not self.is_product or not self.c.streamed or not self.c.repeated:
            return self.plain
        large = self.streamed_bytes > self.hardware.l2_bytes
        if self.reuse < PACK_REUSE:
            few = self.extent(self.c.rows) == 1
            return self.vector if large and few else self.rows if large else self.plain
        return self.plain if self._panels_fit() else self.packed

    def packs_panels(self) -> bool:
        return self.is_product and self.reuse >= PACK_REUSE and not self.has_constant

    def _panels_fit(self) -> bool:
        """The panel about fits L1, and the repeated operand fits L2 or is read few times."""
        block = self.block()
        panel = len(self.c.streamed) * self.depth * block.vectors * self.hardware.vector_bytes
        repeated = self.extent(self.c.rows) * self.depth * self.c.shape.item_bytes
        passes = -(-self.extent(self.c.columns) // (block.vectors * self.lanes))
        fits = repeated <= self.hardware.l2_bytes or passes <= FEW_PASSES
        return panel <= 2 * self.hardware.l1_bytes and fits

    # ---- the script -------------------------------------------------------------------------
    def lines(self) -> list[str]:
        return self.form()()

    def plain(self) -> list[str]:
        """Register block only; the streamed operand may be packed a panel at a time."""
        block = self.block()
        name, c = self.name, self.c
        lines, outer, inner = self._register_splits(block)
        batch = [i for i in c.shape.outputs if i not in (c.columns, c.rows)]
        reduction = list(c.shape.statement.reduction_indices)
        lines.append(f"reorder {name} {' '.join(batch + outer + reduction + inner)}")
        lines += self._constant_pack()
        if self.packs_panels():
            lines += self._panel_pack(reduction[0])
        lines += self._unrolled_reduction(reduction[-1])
        lines += self._leaves(inner)
        return lines + self._parallel(batch + outer, block)

    def packed(self) -> list[str]:
        """Cache blocks with both operands packed; rows blocks run in parallel."""
        block = self.block()
        name, c = self.name, self.c
        k = c.shape.statement.reduction_indices[0]
        depth = self.depth_block(block)
        rows = self.rows_block(block, depth)
        assert c.rows is not None
        lines = [f"split {name}.{k} {depth} -> kc, ki", f"split {name}.{c.rows} {rows} -> mc, m1"]
        outer, columns = [i for i in c.shape.outputs if i not in (c.columns, c.rows)], c.columns
        if not self.has_constant and (width := self.columns_block(block, depth)):
            lines.append(f"split {name}.{columns} {width} -> nc, n1")
            outer, columns = [*outer, "nc"], "n1"
        lines += [
            f"split {name}.{columns} {block.vectors * self.lanes} -> nr, nv tail=mask",
            f"split {name}.m1 {block.rows} -> mr, mv tail=peel",
            f"reorder {name} {' '.join([*outer, 'kc', 'mc', 'nr', 'mr', 'ki', 'mv', 'nv'])}",
        ]
        place, dims = self._streamed_place()
        lines += self._streamed_packs(place, dims, "ki") + self._repeated_packs(k)
        lines += [
            f"split {name}.ki {UNROLL} -> ki, ku tail=peel",
            f"unroll {name}.ku",
            f"unroll_and_jam {name}.mv",
            f"vectorize {name}.nv",
            f"prefetch {c.shape.write.array} at {name}.mr write",
        ]
        if self._is_parallel():
            lines += (
                [] if self.has_constant else [f"parallelize {b}.nr" for b in self._streamed_names()]
            )
            lines.append(f"parallelize {name}.mc")
        return lines

    def rows(self) -> list[str]:
        """A few rows times a large matrix: every block of it is packed as it streams in."""
        block, name, c = self.block(), self.name, self.c
        k = c.shape.statement.reduction_indices[0]
        lines, outer, inner = self._register_splits(block)
        lines.insert(0, f"split {name}.{k} {STREAM_DEPTH} -> kc, ki")
        batch = [i for i in c.shape.outputs if i not in (c.columns, c.rows)]
        place, dims = self._streamed_place()
        lines.append(f"reorder {name} {' '.join([*batch, 'kc', *outer, 'ki', *inner])}")
        order = "kc ki nr nv" if self.has_constant else "ki nr nv"
        for packed in self._streamed_packs(place, dims, "ki"):
            verb, buffer = packed.split()[:2]
            if verb == "vectorize":
                lines.append(f"reorder {buffer.partition('.')[0]} {order}")
            lines.append(packed)
        lines += [
            f"split {name}.ki {UNROLL} -> ki, ku tail=peel",
            f"unroll {name}.ku",
            *self._leaves(inner),
        ]
        if self._is_parallel():
            lines += (
                [] if self.has_constant else [f"parallelize {b}.ki" for b in self._streamed_names()]
            )
            lines.append(f"parallelize {name}.nr")
        return lines

    def vector(self) -> list[str]:
        """One row times a large matrix: a few of its rows at a time, the result in cache."""
        name, c = self.name, self.c
        k = c.shape.statement.reduction_indices[0]
        width = VECTOR_REGISTERS * self.lanes
        lines = [f"split {name}.{k} {VECTOR_DEPTH} -> ki, ku"]
        outer = [i for i in c.shape.outputs if i != c.columns]
        columns = c.columns
        if self._is_parallel():
            share = -(-self.extent(columns) // self.threads)
            share = -(-share // width) * width
            lines.append(f"split {name}.{columns} {share} -> np, n1")
            outer, columns = [*outer, "np"], "n1"
        lines += [
            f"split {name}.{columns} {width} -> nr, nv tail=mask",
            f"reorder {name} {' '.join([*outer, 'ki', 'nr', 'ku', 'nv'])}",
            f"unroll {name}.ku",
            f"vectorize {name}.nv",
        ]
        return lines + ([f"parallelize {name}.np"] if self._is_parallel() else [])

    def _is_parallel(self) -> bool:
        return self.threads > 1 and self.c.shape.flops >= PARALLEL_FLOPS

    def _constant_pack(self) -> list[str]:
        """Pack a constant streamed operand into panels as wide as a register block."""
        c = self.c
        if not self.has_constant:
            return []
        operand, (buffer,) = c.streamed[0], self._streamed_names()
        walked = [i for i in c.shape.statement.indices if operand.stride(i) and i != c.columns]
        dims = ", ".join(["nr", *walked, "nv"])
        return [f"pack {operand.array} at root as {buffer}[{dims}] pad=0 align=64"]

    def _register_splits(self, block: RegisterBlock) -> tuple[list[str], list[str], list[str]]:
        """Return (commands, loops over blocks, loops inside a block)."""
        c, name = self.c, self.name
        width = block.vectors * self.lanes
        lines, outer, inner = [], [], []
        if c.rows is not None:
            lines.append(f"split {name}.{c.rows} {block.rows} -> mr, mv tail=peel")
            outer, inner = ["mr"], ["mv"]
        lines.append(f"split {name}.{c.columns} {width} -> nr, nv tail=mask")
        return lines, ["nr", *outer], [*inner, "nv"]

    def _panel_pack(self, depth: str) -> list[str]:
        return self._streamed_packs(f"{self.name}.nr", f"{depth}, nv", depth)

    # ---- packs ------------------------------------------------------------------------------
    def _streamed_names(self) -> list[str]:
        return [self._buffer("Bp", n) for n in range(len(self.c.streamed))]

    def _buffer(self, name: str, number: int) -> str:
        return f"{self.prefix}{name}{number + 1 if number else ''}"

    def _streamed_place(self) -> tuple[str, str]:
        """Return where streamed operands are packed, and the dimensions of the buffer."""
        return (
            ("root", "kc, nr, ki, nv") if self.has_constant else (f"{self.name}.kc", "nr, ki, nv")
        )

    def _streamed_packs(self, place: str, dims: str, depth: str) -> list[str]:
        """Pack every streamed operand; one that lies along the reduction is turned."""
        lines = []
        for operand, buffer in zip(self.c.streamed, self._streamed_names()):
            along = depth if self.c.is_transposed(operand) else "nv"
            lines += [
                f"pack {operand.array} at {place} as {buffer}[{dims}] pad=0 align=64",
                f"vectorize {buffer}.{along}",
            ]
        return lines

    def _repeated_packs(self, depth: str) -> list[str]:
        """Pack every repeated operand, its rows the way they lie in memory."""
        lines = []
        for number, operand in enumerate(self.c.repeated):
            assert self.c.rows is not None
            buffer = self._buffer("Ap", number)
            turned = operand.stride(self.c.rows) == 1 and operand.stride(depth) != 1
            dims, along = ("mr, ki, mv", "mv") if turned else ("mr, mv, ki", "ki")
            lines += [
                f"pack {operand.array} at {self.name}.mc as {buffer}[{dims}] pad=0 align=64",
                f"vectorize {buffer}.{along}",
            ]
        return lines

    def _unrolled_reduction(self, last: str) -> list[str]:
        """Unroll the innermost reduction loop, whole when it is short."""
        if self.extent(last) <= FULL_UNROLL:
            return [f"unroll {self.name}.{last}"]
        split = f"split {self.name}.{last} {UNROLL} -> ki, ku tail=peel"
        return [split, f"unroll {self.name}.ku"]

    def _leaves(self, inner: list[str]) -> list[str]:
        jam = [f"unroll_and_jam {self.name}.mv"] if "mv" in inner else []
        return [*jam, f"vectorize {self.name}.nv"]

    def _parallel(self, loops: list[str], block: RegisterBlock) -> list[str]:
        """Parallelise the outermost loop that gives every thread work."""
        if not self._is_parallel():
            return []
        trips = {"nr": -(-self.extent(self.c.columns) // (block.vectors * self.lanes)),
                 "mr": -(-self.extent(self.c.rows) // block.rows)}  # fmt: skip
        for loop in loops:
            if trips.get(loop, self.c.shape.extents.get(loop, 1)) >= self.threads:
                return [f"parallelize {self.name}.{loop}"]
        return []
