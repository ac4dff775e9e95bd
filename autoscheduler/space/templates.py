"""A whole program's slots, and the script of an assignment.

Every statement gets the template its accesses call for; one more slot says whether neighbours are
fused along their outermost index, as the default schedule would. Statements of an affine program
share loops in ways no template foresees: its slots are known schedules and nests (space/affine.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from autoscheduler.space.affine import AffineSlots
from autoscheduler.space.contraction import Contraction
from autoscheduler.space.nests import Nest
from autoscheduler.space.slots import Choice, Slot
from autoscheduler.space.trees import TreeCache
from loopstack.errors import LoopStackError
from loopstack.ir.program import Program
from loopstack.schedule.access_shape import StatementShape, statement_shape
from loopstack.schedule.affine_default import is_affine
from loopstack.schedule.fusion import Fused, fusion_script
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.polyhedral import Algorithm, polyhedral_schedule

Template = Contraction | Nest
FUSE = "fuse"
HEADER = "schedule 1"
ALGORITHMS: tuple[Algorithm, ...] = ("pluto", "isl")


@dataclass(frozen=True)
class ProgramSpace:
    """The templates of a program with integer sizes; ``default_script`` is its default schedule."""

    program: Program
    hardware: Hardware
    threads: int
    strides: Mapping[str, tuple[int, ...]]
    default_script: str = ""

    @cached_property
    def trees(self) -> TreeCache:
        return TreeCache(self.program)

    @cached_property
    def shapes(self) -> list[StatementShape]:
        return [statement_shape(self.program, s, self.strides) for s in self.program.statements]

    @cached_property
    def fused(self) -> Fused:
        return fusion_script(self.program, self.shapes)

    @cached_property
    def apart(self) -> list[Template]:
        """Templates when no loop is shared."""
        return [self._template(shape) for shape in self.shapes]

    @cached_property
    def together(self) -> list[Template]:
        """Templates when neighbours are fused; empty when nothing can be."""
        if not self.fused.lines:
            return []
        return [
            Nest(shape, self.hardware, self.threads, frozenset(self._shared(shape)))
            for shape in self.shapes
        ]

    @cached_property
    def known(self) -> dict[str, str]:
        """Scripts of an affine program worth measuring beside the default, by name."""
        if not is_affine(self.program):
            return {}
        found = {name: self._scheduled_by(name) for name in ALGORITHMS}
        return {"original": f"{HEADER}\n", **{n: text for n, text in found.items() if text}}

    def _scheduled_by(self, algorithm: Algorithm) -> str | None:
        """Return an algorithm's script; None where it finds no schedule."""
        try:
            found = polyhedral_schedule(
                self.program, algorithm, threads=self.threads, strides=self.strides
            )
        except LoopStackError:
            return None
        return str(found)

    @property
    def starts(self) -> list[str]:
        return list(self.known.values())

    @cached_property
    def affine(self) -> AffineSlots | None:
        """The slots of a program whose statements share loops; None for others."""
        if not is_affine(self.program):
            return None
        default = {"default": self.default_script} if self.default_script else {}
        return AffineSlots(self.program, {**default, **self.known}, self.threads)

    @cached_property
    def slots(self) -> list[Slot]:
        """All slots; those of an unused template are drawn, too, and ignored."""
        if self.affine:
            return self.affine.slots
        merged = {slot.name: slot for t in (*self.apart, *self.together) for slot in t.slots}
        ways = ("yes", "no") if self.together else ("no",)
        return [Slot(FUSE, ways, ordered=False), *merged.values()]

    def active(self, chosen: Mapping[str, Choice]) -> list[Slot]:
        """Return the slots that a mutation of ``chosen`` should turn to."""
        return self.affine.active(chosen) if self.affine else self.slots

    def script(self, chosen: Mapping[str, Choice]) -> str:
        """Print an assignment."""
        if self.affine:
            return self.affine.script(chosen)
        fuse = chosen[FUSE] == "yes"
        lines = [HEADER, *(self.fused.lines if fuse else [])]
        for template in self.together if fuse else self.apart:
            lines += template.lines(self._fitting(template, chosen))
        return "\n".join(lines) + "\n"

    def _fitting(self, template: Template, chosen: Mapping[str, Choice]) -> dict[str, Choice]:
        """Answers that this template's slots know: a fused nest has fewer loops to choose from."""
        return {
            slot.name: chosen[slot.name] if chosen[slot.name] in slot.choices else slot.first()
            for slot in template.slots
        }

    def _template(self, shape: StatementShape) -> Template:
        if is_contraction(shape):
            return Contraction(shape, self.hardware, self.threads)
        return Nest(shape, self.hardware, self.threads)

    def _shared(self, shape: StatementShape) -> list[str]:
        name = shape.statement.name
        owned = [loop.split(".", 1)[1] for loop in self.fused.head_of(name)]
        return owned or ([shape.statement.indices[0]] if name in self.fused.owned else [])


def is_contraction(shape: StatementShape) -> bool:
    """A reduction of a product whose operands are read again along some result index."""
    statement = shape.statement
    if not statement.reduction_indices or len(shape.reads) < 2 or not shape.outputs:
        return False
    return any(not read.stride(i) for read in shape.reads for i in shape.outputs)
