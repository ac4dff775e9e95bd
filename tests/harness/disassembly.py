"""The instructions of generated x86-64 code and the loops they form."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import iced_x86 as iced

from loopstack import _loopnest

_NAMES = {
    value: name.lower() for name, value in vars(iced.Mnemonic).items() if isinstance(value, int)
}


@dataclass(frozen=True)
class Line:
    offset: int
    name: str
    text: str
    target: int | None  # of a conditional branch


@dataclass(frozen=True)
class MachineLoop:
    """An innermost loop: ``body`` ends with the conditional branch back to its first line."""

    body: tuple[Line, ...]

    def __str__(self) -> str:
        return "\n".join(f"{line.offset:6x}  {line.text}" for line in self.body)


def disassemble(code: _loopnest.Code) -> list[Line]:
    text = code.bytes[: code.text_size_bytes]
    return [_line(instruction) for instruction in iced.Decoder(64, text, ip=0)]


def innermost_loops(lines: list[Line]) -> list[MachineLoop]:
    """Return the stretches between a backward branch and its target that hold no other such."""
    places = {line.offset: place for place, line in enumerate(lines)}
    spans = [
        (places[line.target], end)
        for end, line in enumerate(lines)
        if line.target is not None and line.target <= line.offset
    ]
    first_spans = spans[:1] + [span for before, span in pairwise(spans) if span[0] > before[1]]
    return [MachineLoop(tuple(lines[start : end + 1])) for start, end in first_spans]


def _line(instruction: iced.Instruction) -> Line:
    is_branch = instruction.flow_control == iced.FlowControl.CONDITIONAL_BRANCH
    target = instruction.near_branch_target if is_branch else None
    return Line(instruction.ip, _NAMES[instruction.mnemonic], str(instruction), target)
