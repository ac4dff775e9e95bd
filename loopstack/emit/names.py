"""Identifiers and affine forms as text: what the C and the NumPy emitter share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from loopstack.emit.loops import fresh
from loopstack.ir.affine import Affine, FloorDiv
from loopstack.ir.program import Program


@dataclass
class Scope:
    """The identifiers of one function: arrays and sizes keep their names where they can."""

    reserved: ClassVar[frozenset[str]] = frozenset()
    reserved_shapes: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")  # matches nothing

    program: Program
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for array in self.program.arrays:
            self.array_name(array.name)
        for size in self.program.sizes + tuple(d.name for d in self.program.derived):
            self.name(f"${size}")

    def array_name(self, array: str) -> str:
        """Return the identifier of an array."""
        return self._claim(f"array {array}", array)

    def name(self, atom: str) -> str:
        """Return the identifier of a size (``$n``) or a loop variable."""
        if atom[0] == "$":
            return self._claim(atom, atom[1:])
        clashes = self.identifier(atom, ()) in self.names.values()
        return self._claim(atom, f"i_{atom}" if clashes else atom)

    def _claim(self, key: str, wanted: str) -> str:
        if key not in self.names:
            self.names[key] = self.identifier(wanted, tuple(self.names.values()))
        return self.names[key]

    def identifier(self, wanted: str, taken: Sequence[str]) -> str:
        plain = re.sub(r"\W", "_", wanted)
        is_reserved = plain in self.reserved or self.reserved_shapes.fullmatch(plain)
        return fresh(f"{plain}_" if is_reserved or plain[0].isdigit() else plain, taken)

    def quotient(self, numerator: str, divisor: int) -> str:
        """Return the text of a floor division."""
        raise NotImplementedError

    def form(self, form: Affine) -> str:
        """Return the text of a quasi-affine form."""
        leads = form.const > 0 and all(coefficient < 0 for _, coefficient in form.terms)
        text = f" + {form.const}" if leads else ""  # 5 - i, not -i + 5
        last = 0 if leads else form.const
        for atom, coefficient in form.terms:
            if isinstance(atom, FloorDiv):
                operand = self.quotient(self.form(atom.numerator), atom.divisor)
            else:
                operand = self.name(atom)
            size = abs(coefficient)
            term = operand if size == 1 else f"{size} * {operand}"
            text += (" - " if coefficient < 0 else " + ") + term
        if last or not text:
            text += (" - " if last < 0 else " + ") + str(abs(last))
        return text[3:] if text.startswith(" + ") else "-" + text[3:]


def bare(text: str) -> str:
    """Drop one pair of parentheses that holds the whole text."""
    if not text.startswith("("):
        return text
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and position < len(text) - 1:
            return text
    return text[1:-1]
