"""Large constants of a bound program as sizes again.

Scheduling algorithms solve integer programs over the constants of a program: with sizes in the
thousands they take long, and what they find hangs on accidents of the numbers. A program in which
a size stands for 1000, and another one for all of 1998 .. 2000, covers the bound one: what is
legal for all values of the sizes is legal for these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import map_subscripts
from loopstack.ir.program import Access, Program, Statement

LEAST = 4
"""Constants below this stay: extents of small kernels, distances of stencils."""
NEAR = 1
"""Constants this close belong to one size: ``n``, ``n - 1``."""


def with_symbols(program: Program) -> tuple[Program, dict[str, int]]:
    """Return a program with sizes in the place of large constants, and the values they had."""
    symbols = _symbols(program)

    def free(form: Affine) -> Affine:
        known = symbols.get(abs(form.const))
        if known is None:
            return form
        symbol, value = known
        sign = 1 if form.const > 0 else -1
        return form - sign * value + form_of(f"${symbol}") * sign

    values = dict(sorted(symbols.values()))
    statements = tuple([_with_forms(s, free) for s in program.statements])
    return replace(program, sizes=tuple(values), statements=statements), values


def _with_forms(s: Statement, free: Callable[[Affine], Affine]) -> Statement:
    return replace(
        s,
        constraints=tuple(map(free, s.constraints)),
        write=Access(s.write.array, tuple(map(free, s.write.subscripts))),
        expr=map_subscripts(s.expr, free),
    )


def _symbols(program: Program) -> dict[int, tuple[str, int]]:
    """Return (size, its value) for every large constant."""
    forms = [f for s in program.statements for f in (*s.constraints, *s.write.subscripts)]
    forms += [f for s in program.statements for read in s.reads for f in read.subscripts]
    values = sorted({abs(f.const) for f in forms if abs(f.const) >= LEAST}, reverse=True)
    found: dict[int, tuple[str, int]] = {}
    top = last = 0
    for value in values:
        if last - value > NEAR or not found:
            top = value
        found[value] = (f"n{top}", top)
        last = value
    return found
