"""Slots of statements without operand reuse: maps, folds along rows or columns.

    batch ...                    the other indices, any of them parallel
      split vector index         a strip of a few native vectors
        jam a second index       more independent work in flight

The vector index may be a reduction index (lanes of partial results) where regrouping is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from autoscheduler.space.slots import Choice, Slot
from loopstack.schedule.access_shape import StatementShape
from loopstack.schedule.hardware import Hardware

STRIPS = (None, 1, 2, 4, 8)
JAMS = (1, 2, 3, 4, 6, 8)


@dataclass(frozen=True)
class Nest:
    """A statement on its own nest; ``shared`` loops belong to a fused nest: left as they are."""

    shape: StatementShape
    hardware: Hardware
    threads: int
    shared: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.shape.statement.name

    @property
    def own(self) -> list[str]:
        return [i for i in self.shape.statement.indices if i not in self.shared]

    @cached_property
    def slots(self) -> list[Slot]:
        """Return the slots of this statement."""
        parallel = ["none", *self.shape.outputs] if self.threads > 1 else ["none"]
        return [
            self._slot("vector", ("none", *self.vector_choices()), False, self._best_vector()),
            self._slot("strip", STRIPS),
            self._slot("jam", ("none", *self.own), False),
            self._slot("by", JAMS),
            self._slot("outer", tuple(self.own) or ("none",), False),
            self._slot("fold", ("as written", "inside"), False, "inside"),
            self._slot("parallel", tuple(parallel), False, self._outermost_result()),
        ]

    def _slot(
        self, name: str, choices: Sequence[Choice], ordered: bool = True, default: Choice = None
    ) -> Slot:
        return Slot(f"{self.name}: {name}", tuple(choices), ordered, default)

    def vector_choices(self) -> tuple[str, ...]:
        """Indices with a unit stride somewhere, most of them first."""
        accesses = (*self.shape.reads, self.shape.write)
        hits = {i: sum(a.stride(i) == 1 for a in accesses) for i in self.own}
        return tuple(sorted((i for i in self.own if hits[i]), key=lambda i: -hits[i]))

    def _best_vector(self) -> str:
        return next(iter(self.vector_choices()), "none")

    def _outermost_result(self) -> str:
        return next((i for i in self.shape.outputs if i != self._best_vector()), "none")

    def lines(self, chosen: Mapping[str, Choice]) -> list[str]:
        """Return the commands of an assignment. Answers that others exclude are overruled."""
        ask = {slot.name.split(": ", 1)[1]: chosen[slot.name] for slot in self.slots}
        vector, jam = ask["vector"], ask["jam"]
        jam = "none" if jam == vector or ask["by"] == 1 else jam
        parts = {index: [index] for index in self.own}
        lines = self._strip(parts, vector, ask["strip"]) + self._jam(parts, jam, ask["by"])
        order = self._order(parts, vector, ask["outer"], ask["fold"])
        lines += [f"reorder {self.name} {' '.join(order)}"] if len(order) > 1 else []
        if len(parts.get(jam, ())) > 1:
            lines.append(f"unroll_and_jam {self.name}.{parts[jam][1]}")
        lines += [f"vectorize {self.name}.{parts[vector][-1]}"] if vector != "none" else []
        wanted = ask["parallel"] if ask["parallel"] != vector else "none"
        parallel = parts.get(wanted, [wanted])[0]
        return lines + ([f"parallelize {self.name}.{parallel}"] if parallel != "none" else [])

    def _order(
        self, parts: Mapping[str, list[str]], vector: str, outer: str, fold: str
    ) -> list[str]:
        """Return all loops: heads, then what is jammed, then the vector."""
        indices = sorted(self.own, key=lambda i: (i == vector, i != outer))
        if fold == "inside":
            indices.sort(key=lambda i: i in self.shape.statement.reduction_indices)
        heads = [parts[i][0] for i in indices if i != vector or len(parts[i]) > 1]
        tails = [parts[i][1] for i in indices if i != vector and len(parts[i]) > 1]
        return [*heads, *tails, *([parts[vector][-1]] if vector != "none" else [])]

    def _strip(self, parts: dict[str, list[str]], vector: str, registers: int | None) -> list[str]:
        """Cut the vector index into strips of some native registers; return the commands."""
        width = (registers or 0) * self.hardware.lanes(self.shape.item_bytes)
        if vector == "none" or not 0 < width < self.shape.extents[vector]:
            return []
        parts[vector] = [f"{vector}_o", f"{vector}_v"]
        return [f"split {self.name}.{vector} {width} -> {vector}_o, {vector}_v tail=mask"]

    def _jam(self, parts: dict[str, list[str]], index: str, by: int) -> list[str]:
        """Cut the index that is jammed; return the commands."""
        if index == "none" or by >= self.shape.extents[index]:
            return []
        parts[index] = [f"{index}_j", f"{index}_u"]
        return [f"split {self.name}.{index} {by} -> {index}_j, {index}_u tail=peel"]
