"""Forms as a user writes them: ``2*i + k``, ``i // 3``, ``i % 4``, sizes without ``$``."""

from __future__ import annotations

from loopstack.frontend.graph import display
from loopstack.frontend.ranges import split_remainders
from loopstack.ir.affine import Affine, Atom


def form_text(form: Affine) -> str:
    """Return a form in Python's notation."""
    rest, remainders = split_remainders(form)
    parts = [_signed(_atom(atom), c) for atom, c in rest.terms]
    parts += [_signed(f"{_inner(r.numerator)} % {r.divisor}", r.factor) for r in remainders]
    # A sum reads better when it does not begin with a minus.
    parts.sort(key=lambda part: part[0] == "-")
    if rest.const or not parts:
        constant = ("-" if rest.const < 0 else "+", str(abs(rest.const)))
        first = bool(parts) and parts[0][0] == "-" and rest.const > 0
        parts.insert(0 if first else len(parts), constant)
    text = " ".join(f"{sign} {body}" for sign, body in parts)
    return text[2:] if text.startswith("+") else "-" + text[2:]


def _signed(text: str, coefficient: int) -> tuple[str, str]:
    sign = "-" if coefficient < 0 else "+"
    if abs(coefficient) == 1:
        return sign, text
    return (
        sign,
        f"{abs(coefficient)}*{text}" if text.isidentifier() else f"{abs(coefficient)}*({text})",
    )


def _atom(atom: Atom) -> str:
    if isinstance(atom, str):
        name = atom.rpartition(".")[2] if atom.startswith("#") else atom
        return display(name).lstrip("$#")
    return f"{_inner(atom.numerator)} // {atom.divisor}"


def _inner(form: Affine) -> str:
    text = form_text(form)
    return text if text.isidentifier() else f"({text})"
