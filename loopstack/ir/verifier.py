"""Well-formedness of a program.

Invariants checked, for every program that leaves a frontend or a reader:

* array, statement and size names are unique; ranks of accesses fit; every array named exists;
* a statement's forms mention its own indices and the program's sizes only;
* temporaries are written, inputs and scalars never are; scalars have rank 0;
* every operator gets the operands its row in ``ir/operators.py`` asks for, the dtype of a node
  is what that row gives, and a statement's expression has the dtype of the array it writes;
* a reduction has an operator that exists and does not read a bool; one that starts from the
  identity starts each element once: its subscripts tell every index they mention;
* ``order`` is empty or has one entry more than there are indices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from loopstack.errors import InternalError
from loopstack.ir.affine import Affine
from loopstack.ir.expr import DTYPES, Const, Expr, IndexValue, Load, Op, walk
from loopstack.ir.injective import loops_told, spread_within
from loopstack.ir.operators import OPERATORS, REDUCTIONS, result_dtype
from loopstack.ir.program import Program, Requirement, Statement


def verify(program: Program) -> Program:
    """Return ``program`` if it is well-formed; raise InternalError with every problem if not."""
    found = problems(program)
    if found:
        from loopstack.ir.printer import print_program

        lines = "\n".join(f"  {problem}" for problem in found)
        message = f"program {program.name} is not well-formed:\n{lines}"
        raise InternalError(message, reproducer=print_program(program))
    return program


def problems(program: Program) -> list[str]:
    """Return every violated invariant, as one sentence each."""
    found = list(_name_problems(program))
    found += _array_problems(program)
    for statement in program.statements:
        prefix = f"statement {statement.name}: "
        found += [prefix + text for text in _statement_problems(program, statement)]
    return found


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _name_problems(program: Program) -> Iterator[str]:
    sizes = [*program.sizes, *(d.name for d in program.derived)]
    groups = {
        "array": [a.name for a in program.arrays],
        "statement": [s.name for s in program.statements],
        "size": sizes,
    }
    for what, names in groups.items():
        for name in _repeated(names):
            yield f"two {what}s are named {name}"
    known = {f"${size}" for size in program.sizes}
    for size in program.derived:
        yield from _unknown(f"derived size {size.name}", size.forms, known)
        known.add(f"${size.name}")
    for requirement in program.requirements:
        yield from _unknown("a requirement", _forms_of(requirement), known)


def _forms_of(requirement: Requirement) -> tuple[Affine, ...]:
    return (requirement.left, requirement.right, *requirement.when)


def _size_names(program: Program) -> set[str]:
    return {f"${s}" for s in program.sizes} | {f"${d.name}" for d in program.derived}


def _unknown(where: str, forms: Iterable[Affine], known: set[str]) -> Iterator[str]:
    for form in forms:
        for name in sorted(form.names - known):
            yield f"{where} mentions {name}, which is not declared"


def _array_problems(program: Program) -> Iterator[str]:
    sizes = _size_names(program)
    written = {s.write.array for s in program.statements}
    for array in program.arrays:
        if array.dtype not in DTYPES:
            yield f"array {array.name} has unknown dtype {array.dtype}"
        if array.role == "scalar" and array.shape:
            yield f"scalar {array.name} has rank {len(array.shape)}, expected 0"
        if array.role in ("input", "scalar") and array.name in written:
            yield f"{array.role} {array.name} is written"
        if array.role in ("output", "temporary") and array.name not in written:
            yield f"{array.role} {array.name} is never written"
        yield from _unknown(f"the shape of {array.name}", array.shape, sizes)


def _statement_problems(program: Program, s: Statement) -> Iterator[str]:
    known = _size_names(program) | set(s.indices)
    for name in _repeated(s.indices):
        yield f"two indices are named {name}"
    if s.order and len(s.order) != len(s.indices) + 1:
        yield f"order has {len(s.order)} entries, expected {len(s.indices) + 1}"
    yield from _unknown("a constraint", s.constraints, known)
    yield from _access_problems(program, s.write.array, s.write.subscripts, known)
    for node in walk(s.expr):
        yield from _node_problems(program, node, known)
    yield from _result_problems(program, s)


def _result_problems(program: Program, s: Statement) -> Iterator[str]:
    array = program.array_by_name.get(s.write.array)
    if array is not None and s.expr.dtype != array.dtype:
        yield f"a {s.expr.dtype} expression is written to {array.name}, which is {array.dtype}"
    if s.reduction is not None:
        if s.reduction.operator not in REDUCTIONS:
            yield f"unknown reduction {s.reduction.operator}"
        if s.expr.dtype == "bool_":
            yield "a reduction over bool_ is not defined"
        if s.reduction.init == "identity":
            kept = set(s.indices) - set(s.reduction_indices)
            told = loops_told(s.write.subscripts, spread_within(s.constraints))
            for index in sorted(kept - told):
                yield f"its sum starts anew for each {index}, which {s.write} does not tell"


def _access_problems(
    program: Program, array: str, subscripts: tuple[Affine, ...], known: set[str]
) -> Iterator[str]:
    declared = program.array_by_name.get(array)
    if declared is None:
        yield f"array {array} is not declared"
    elif len(declared.shape) != len(subscripts):
        yield f"{array} has rank {len(declared.shape)}, found {len(subscripts)} subscripts"
    yield from _unknown(f"a subscript of {array}", subscripts, known)


def _node_problems(program: Program, node: Expr, known: set[str]) -> Iterator[str]:
    if isinstance(node, Load):
        yield from _access_problems(program, node.array, node.subscripts, known)
        declared = program.array_by_name.get(node.array)
        if declared is not None and declared.dtype != node.dtype:
            yield f"{node} is read as {node.dtype}, but {node.array} is {declared.dtype}"
    elif isinstance(node, IndexValue):
        yield from _unknown("an index value", (node.form,), known)
    elif isinstance(node, Const) and node.dtype not in DTYPES:
        yield f"constant {node} has an unknown dtype"
    elif isinstance(node, Op):
        yield from _operator_problems(node)


def _operator_problems(node: Op) -> Iterator[str]:
    try:
        expected = result_dtype(node.name, [a.dtype for a in node.args], node.dtype)
    except ValueError as error:
        yield str(error)
        return
    if not OPERATORS[node.name].is_primitive:
        yield f"{node.name} is not a primitive operator; it has to be expanded"
    if expected != node.dtype:
        yield f"{node.name} gives {expected}, found {node.dtype}"
