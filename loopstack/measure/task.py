"""What a worker is told: everything that decides what is measured, as plain values.

User code never travels: the program goes as text, data as a seed (or as the path of an ``.npz``
file where the user registered a function of their own).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopstack.ir.program import Program

Strides = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class MeasureTask:
    """A program with sizes, and how it is to be run.

    ``program`` is the text of the unbound program, ``strides`` are in elements (absent: C order),
    ``inputs`` the path of an ``.npz`` file that replaces default data, ``peak_gflops`` only
    decorates timings.
    """

    program: str
    sizes: Mapping[str, int]
    isa: str
    threads: int = 1
    seed: int = 0
    strides: Strides = field(default_factory=dict)
    inputs: str | None = None
    peak_gflops: float = 0.0

    @cached_property
    def bound(self) -> Program:
        """The program with its sizes filled in."""
        from loopstack.ir.reader import read_program

        return read_program(self.program).bind(dict(self.sizes))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> MeasureTask:
        strides = {name: tuple(steps) for name, steps in value["strides"].items()}
        return MeasureTask(**{**value, "strides": strides})
