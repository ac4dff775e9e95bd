"""A program's NumPy twin: what a NumPy user would call.

A single contraction is one ``np.matmul`` or ``np.einsum``; everything else is the text that
``loopstack.emit`` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import Load, Op
from loopstack.ir.program import Program, Statement
from loopstack.measure.inputs import NUMPY_DTYPE, extents
from loopstack.measure.work import domain_size

Arrays = Mapping[str, "np.ndarray[Any, Any]"]
Twin = Callable[[Arrays], object]
LARGEST_BROADCAST = 50_000_000
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def agrees(program: Program, arrays: Arrays, found: object) -> bool:
    """Return whether a twin computes what the kernel did (to a few digits)."""
    outputs = [arrays[a.name] for a in program.arguments if a.role == "output"]
    results = found if isinstance(found, tuple) else (found,)
    return len(outputs) == len(results) and all(
        np.shape(b) == a.shape and np.allclose(a, b, rtol=1e-3, atol=1e-3 * float(np.abs(a).max()))
        for a, b in zip(outputs, results)
    )


def numpy_twin(program: Program) -> Twin | None:
    """Return a NumPy function of the arrays that computes a bound program's outputs."""
    return contraction_twin(program) or emitted_twin(program)


def contraction_twin(program: Program) -> Twin | None:
    """Return the twin of a program that is one sum of a product of bare accesses."""
    if len(program.statements) != 1:
        return None
    (statement,) = program.statements
    operands = _product(statement)
    subscripts = einsum_subscripts(statement, operands) if operands else None
    if operands is None or subscripts is None:
        return None
    names = [load.array for load in operands]
    result = program.array(statement.write.array)
    buffer = np.empty(extents(result), NUMPY_DTYPE[result.dtype])
    if subscripts in ("ab,bc->ac", "abc,acd->abd"):
        return lambda arrays: np.matmul(arrays[names[0]], arrays[names[1]], out=buffer)
    return lambda arrays: np.einsum(
        subscripts, *(arrays[n] for n in names), out=buffer, optimize=True
    )


def _product(statement: Statement) -> list[Load] | None:
    """Return the factors when the statement sums a product of loads from zero."""
    reduction, expr = statement.reduction, statement.expr
    if reduction is None or reduction.operator != "sum" or reduction.init != "identity":
        return None
    factors = _factors(expr)
    return factors if factors and len(factors) > 1 else None


def _factors(expr: object) -> list[Load] | None:
    if isinstance(expr, Load):
        return [expr]
    if isinstance(expr, Op) and expr.name == "mul":
        sides = [_factors(arg) for arg in expr.args]
        if all(side is not None for side in sides):
            return [load for side in sides if side is not None for load in side]
    return None


def einsum_subscripts(statement: Statement, operands: list[Load]) -> str | None:
    """Return ``ab,bc->ac`` when every subscript is a bare index, else None."""
    letters: dict[str, str] = {}

    def word(subscripts: tuple[Any, ...]) -> str | None:
        text = ""
        for form in subscripts:
            index = next((i for i in statement.indices if form == form_of(i)), None)
            if index is None:
                return None
            text += letters.setdefault(index, LETTERS[len(letters)])
        return text

    words = [word(load.subscripts) for load in operands]
    result = word(statement.write.subscripts)
    if result is None or any(w is None for w in words):
        return None
    return f"{','.join(w for w in words if w is not None)}->{result}"


def emitted_twin(program: Program) -> Twin | None:
    """Return the program as ``loopstack.emit`` writes it, where that is array operations only.

    Python loops would be no match, and a broadcast reduction holds its whole domain in memory.
    """
    from loopstack.emit.numpy_text import emit_numpy

    if max(map(domain_size, program.statements), default=0) > LARGEST_BROADCAST:
        return None
    text = emit_numpy(program, name="twin")
    if any(line.lstrip().startswith("for ") for line in text.splitlines()):
        return None
    space: dict[str, Any] = {}
    exec(compile(text, "<numpy twin>", "exec"), space)
    names = [a.name for a in program.arguments if a.role != "output"]
    return lambda arrays: space["twin"](*(arrays[name] for name in names))
