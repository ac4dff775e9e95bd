"""Program -> text. ``loopstack.ir.reader`` reads it back to an equal program.

    program softmax reassociate
    sizes i j
    derived oh = min($h + 1, $w)
    require $k == $p "index k has extents {left} and {right}"
    require $n >= 2 when $m - 1 "text"
    input x: f32[$i, $j]
    temporary max: f32[$i]
    output out: f32[$i, $j]
    statement max(i, j) order 0 0 0
      where i; $i - i - 1; j; $j - j - 1
      reduce max max[i] = x[i, j]
    statement out(i, j) order 1 0 0
      where i; $i - i - 1; j; $j - j - 1
      out[i, j] = sub(x[i, j], max[i])

One item per line; ``#`` starts a comment. ``reduce OP`` starts from the operator's identity,
``update OP`` from the value in memory. Forms in ``where`` are >= 0 inside the domain; a requirement
counts where those after ``when`` are >= 0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from loopstack.ir.program import Array, DerivedSize, Program, Requirement, Statement


def print_program(program: Program) -> str:
    """Return the text form, ending in a newline."""
    return "\n".join(_lines(program)) + "\n"


def _lines(program: Program) -> Iterator[str]:
    yield f"program {program.name}" + (" reassociate" if program.reassociate else "")
    if program.sizes:
        yield f"sizes {' '.join(program.sizes)}"
    yield from map(_derived, program.derived)
    yield from map(_requirement, program.requirements)
    yield from map(_array, program.arrays)
    for statement in program.statements:
        yield from _statement(statement)


def _derived(size: DerivedSize) -> str:
    return f"derived {size.name} = min({', '.join(map(str, size.forms))})"


def _requirement(r: Requirement) -> str:
    when = f" when {'; '.join(map(str, r.when))}" if r.when else ""
    return f"require {r.left} {r.relation} {r.right}{when} {json.dumps(r.message)}"


def _array(array: Array) -> str:
    return f"{array.role} {array.name}: {array.dtype}[{', '.join(map(str, array.shape))}]"


def _statement(s: Statement) -> Iterator[str]:
    order = f" order {' '.join(map(str, s.order))}" if s.order else ""
    yield f"statement {s.name}({', '.join(s.indices)}){order}"
    if s.constraints:
        yield f"  where {'; '.join(map(str, s.constraints))}"
    verb = ""
    if s.reduction is not None:
        kind = "reduce" if s.reduction.init == "identity" else "update"
        verb = f"{kind} {s.reduction.operator} "
    yield f"  {verb}{s.write} = {s.expr}"
