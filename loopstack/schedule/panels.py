"""Blocks of steps of a factorisation: the diagonal block, the panels beside it, what is beyond.

              columns of the block | beyond           for kb:
    rows of      diagonal block    | columns panel        the steps k of the block, inside of it
    the block   -------------------+--------------        rows panel: each row for itself
    beyond       rows panel        | products             columns panel: vectors of columns
                                                          products: packed tiles in registers

Every statement of a step k is cut where its other indices leave the block. A row of the rows panel
stays in registers and L1 for all steps of the block; four rows at once hide each other's latency.
Nothing here proves legality: the caller tries the lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from loopstack.ir.loop_tree import Tree
from loopstack.schedule.access_shape import StatementShape
from loopstack.schedule.right_looking import Factorisation

ROWS_AT_ONCE = 4
ROWS_PER_CHUNK = 128
"""Rows of a panel that share a turned copy of the diagonal block."""
COLUMN_VECTORS = 8
"""Vectors of columns that go through all steps of a block together."""


@dataclass(frozen=True)
class Panel:
    """What one statement runs beside the diagonal block.

    ``outer`` is the index that is beyond the block, ``inner`` the one inside, if there is one.
    """

    name: str
    statement: str
    outer: str
    inner: str | None


@dataclass(frozen=True)
class Panels:
    """Writes the lines of a right-looking factorisation; ``products`` names parts beyond."""

    tree: Tree
    f: Factorisation
    shapes: Mapping[str, StatementShape]
    block: int
    lanes: int
    products: Mapping[str, str]

    def lines(self) -> list[str]:
        head = self.f.steps[0]
        lines = [f"split {head}.{self.f.role[head]} {self.block} -> kb, k1"]
        for name in self.f.updates:
            lines += self._cut(name, self.f.bound_of[name], self._beyond(name))
        for panel in self.sides:
            lines += self._cut(panel.statement, panel.outer, panel.name)
        parts = [*self.f.steps, *(p.name for p in (*self.rows, *self.columns)),
                 *self.products.values()]  # fmt: skip
        lines.append(f"distribute {head}.k1 -> {', '.join(parts)}")
        lines += [f"fuse {head}.k1 {name}.k1 shift=0" for name in self.f.steps[1:]]
        return lines + self._row_lines() + self._column_lines()

    # ---- parts ------------------------------------------------------------------------------
    def _beyond(self, update: str) -> str:
        return self.products.get(update, f"{update}_after")

    def _cut(self, name: str, index: str, part: str) -> list[str]:
        """Cut a statement where ``index`` leaves the block, and part the loops around the cut."""
        lines = [f"partition {name} where {index} < {self.block}*kb + {self.block} -> {part}"]
        inside = self._inner(name)
        return lines + [f"distribute {name}.{i}" for i in reversed(inside[: inside.index(index)])]

    def _inner(self, name: str) -> list[str]:
        """Return the indices of a statement's loops below the steps."""
        return [loop.name.rpartition(".")[2] for loop in self.tree.path(name)[1:]]

    @cached_property
    def sides(self) -> list[Panel]:
        """What the statements run where an index other than their bound is beyond the block."""
        found = []
        for name in self.f.steps:
            bound = self.f.bound_of.get(name)
            others = [i for i in self._inner(name) if i != bound]
            found += [Panel(f"{name}_beside", name, i, bound) for i in others[:1]]
        return found

    @cached_property
    def _panels(self) -> list[Panel]:
        """All panels in the order of the steps, updates that are no products included."""
        afters = [Panel(self._beyond(name), name, self.f.bound_of[name], None)
                  for name in self.f.updates if name not in self.products]  # fmt: skip
        order = {name: number for number, name in enumerate(self.f.steps)}
        return sorted([*self.sides, *afters], key=lambda p: order[p.statement])

    @cached_property
    def rows(self) -> list[Panel]:
        return [p for p in self._panels if not self._walks_memory(p)]

    @cached_property
    def columns(self) -> list[Panel]:
        return [p for p in self._panels if self._walks_memory(p)]

    def _walks_memory(self, panel: Panel) -> bool:
        shape = self.shapes[panel.statement]
        steps = [read.stride(panel.outer) for read in shape.reads]
        return shape.write.stride(panel.outer) == 1 and set(steps) <= {0, 1}

    @property
    def done(self) -> set[str]:
        """The names of all parts that these lines leave nothing to do for."""
        beside = {p.name for p in self._panels}
        rests = {f"{p.name}_rest" for p in self.rows if p.inner}
        return beside | rests | set(self.products.values())

    # ---- rows -------------------------------------------------------------------------------
    def _row_lines(self) -> list[str]:
        """Every row for itself: a few steps, then their updates of the rest of the row."""
        lines: list[str] = []
        for panel in self.rows:
            lines += self._steps_of_rows(panel) + self._rest_of_rows(panel)
        head, *others = [p.name for p in self.rows] or [""]
        rests = [f"{p.name}_rest" for p in self.rows if p.inner]
        for loop in ("rc", "ro", "kq"):
            lines += [f"fuse {head}.{loop} {name}.{loop} shift=0" for name in [*others, *rests]]
        lines += [f"fuse {head}.kr {name}.kr shift=0" for name in others]
        return lines + [line for panel in self.rows for line in self._turned(panel)]

    def _steps_of_rows(self, panel: Panel) -> list[str]:
        name, inner = panel.name, panel.inner
        lines = [f"split {name}.k1 {self.lanes} -> kq, kr"]
        if inner:
            few = f"{self.block}*kb + {self.lanes}*kq + {self.lanes}"
            lines.append(f"partition {name} where {inner} < {few} -> {name}_rest")
            around = ["kq", "kr", *self._inner(panel.statement)]
            lines += [f"distribute {name}.{i}" for i in reversed(around[: around.index(inner)])]
        lines += self._rows_split(panel, name)
        order = ["rc", "ro", "kq", "kr", *([inner] if inner else []), "ri"]
        return [*lines, f"reorder {name} {' '.join(order)}", f"unroll {name}.ri"]

    def _rows_split(self, panel: Panel, name: str) -> list[str]:
        return [
            f"split {name}.{panel.outer} {ROWS_PER_CHUNK} -> rc, r1",
            f"split {name}.r1 {ROWS_AT_ONCE} -> ro, ri tail=peel",
        ]

    def _rest_of_rows(self, panel: Panel) -> list[str]:
        """Full vectors along the row; what they read of the block lies along it, or is turned."""
        if not panel.inner:
            return []
        name = f"{panel.name}_rest"
        return [
            f"skew {name}.{panel.inner} {name}.kb {-self.block}",
            f"split {name}.{panel.inner} {self.lanes} -> bq, bl",
            *self._rows_split(panel, name),
            f"reorder {name} rc ro kq bq kr ri bl",
            f"unroll_and_jam {name}.ri",
            f"vectorize {name}.bl",
        ]

    def _turned(self, panel: Panel) -> list[str]:
        """Return the packs of reads that run down the columns of the diagonal block."""
        shape, name = self.shapes[panel.statement], f"{panel.name}_rest"
        return [
            f"pack {read.array} at {name}.rc as {name}_turned[kq, kr, bq, bl]"
            for read in shape.reads
            if read.stride(panel.inner or "") > 1 and not read.stride(panel.outer)
        ]

    # ---- columns ----------------------------------------------------------------------------
    def _column_lines(self) -> list[str]:
        """Vectors of columns: all steps of the block on one of them after the other."""
        head, *others = [p.name for p in self.columns] or [""]
        lines: list[str] = []
        for panel in self.columns:
            name = panel.name
            lines.append(f"split {name}.{panel.outer} {COLUMN_VECTORS * self.lanes} -> co, cv")
            inside = [i for i in self._inner(panel.statement) if i != panel.outer]
            order = ["k1", *inside] if others else [*inside, "k1"]
            lines += [f"reorder {name} co {' '.join(order)} cv", f"vectorize {name}.cv"]
        for loop in ("co", "k1"):
            lines += [f"fuse {head}.{loop} {name}.{loop} shift=0" for name in others]
        return lines

    # ---- threads ----------------------------------------------------------------------------
    def parallel_lines(self) -> list[str]:
        """Rows, columns and tiles of products are independent."""
        loops = [f"{p.name}.rc" for p in self.rows[:1]] + [f"{p.name}.co" for p in self.columns[:1]]
        for product in self.products.values():
            loops += [f"{product}_Bp.nr", f"{product}.mc"]
        return [f"parallelize {loop}" for loop in loops]
