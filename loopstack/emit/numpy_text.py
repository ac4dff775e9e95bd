"""A program as one Python function over NumPy.

    def outer(x, y, *, m, n):
        out = np.empty((m, n), np.float32)
        i, j = np.ix_(np.arange(0, m), np.arange(0, n))
        out[i, j] = x[i] * y[j]
        return out

Arguments that are read come first, then the sizes by keyword. Outputs are returned (several: a
tuple), inout arrays are changed in place. A statement over a box whose instances are independent
becomes array operations, every other one Python loops.
"""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import dataclass, field

from loopstack.emit.bounds import Bounds
from loopstack.emit.loops import Assign, Fill, For, Guard, Node, program_loops
from loopstack.emit.names import Scope, bare
from loopstack.ir import operators
from loopstack.ir.expr import Const, Expr, IndexValue, Load, walk
from loopstack.ir.program import Access, Program, Statement

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">",
          "ge": ">=", "eq": "==", "ne": "!="}  # fmt: skip
_RESERVED = frozenset(keyword.kwlist) | {"np", "min", "max", "range"}


def emit_numpy(program: Program, *, name: str | None = None) -> str:
    """Return the text of a Python module with one function.

    Raises ValueError for an index without bounds.
    """
    text = _Text(program)
    text.body(program_loops(program), 1)
    read = [a for a in program.arguments if a.role != "output"]
    parameters = [text.array_name(a.name) for a in read]
    sizes = [text.name(f"${s}") for s in program.sizes]
    parameters += ["*", *sizes] if sizes else []
    function = text.identifier(name or program.name, ())
    lines = [f"def {function}({', '.join(parameters)}):", *_prologue(text), *text.lines]
    results = [text.array_name(a.name) for a in program.arguments if a.role == "output"]
    if results:
        lines.append(f"    return {', '.join(results)}")
    return "import numpy as np\n\n\n" + "\n".join(lines) + "\n"


def _prologue(text: _Text) -> list[str]:
    lines = []
    for size in text.program.derived:
        value = _call("min", [text.form(form) for form in size.forms])
        lines.append(f"    {text.name(f'${size.name}')} = {value}")
    for array in text.program.arrays:
        name, dtype = text.array_name(array.name), numpy_dtype(array.dtype)
        if array.role == "scalar":
            lines.append(f"    {name} = {dtype}({name})")
        elif array.role in ("output", "temporary"):
            shape = _tuple([text.form(extent) for extent in array.shape])
            lines.append(f"    {name} = np.empty({shape}, {dtype})")
    return lines


@dataclass
class _Text(Scope):
    """The text of one function under construction."""

    reserved = _RESERVED

    lines: list[str] = field(default_factory=list)

    def quotient(self, numerator: str, divisor: int) -> str:
        return f"(({numerator}) // {divisor})"

    # ---- statements ------------------------------------------------------------------------
    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def body(self, nodes: Sequence[Node], depth: int) -> None:
        for node, following in zip(nodes, [*nodes[1:], None], strict=True):
            nest = _whole_box(node)
            if nest is not None and _is_fill_of(nest, following):
                continue
            if nest is not None and nest.loops and _independent(nest):
                self.mesh(nest, depth)
            elif isinstance(node, For):
                low, high = self.range(node.ranges)
                self.line(depth, f"for {self.name(node.index)} in range({low}, {high}):")
                self.body(node.body, depth + 1)
            elif isinstance(node, Guard):
                tests = " and ".join(f"{self.form(f)} >= 0" for f in node.nonnegative)
                self.line(depth, f"if {tests}:")
                self.body(node.body, depth + 1)
            else:
                self.assignment(node, depth)

    def assignment(self, node: Assign | Fill, depth: int) -> None:
        statement = node.statement
        target = self.element(statement.write)
        value = _identity(statement, self.program) if isinstance(node, Fill) else ""
        if isinstance(node, Assign):
            value = self.value(statement.expr)
            if statement.reduction is not None:
                combine = operators.REDUCTIONS[statement.reduction.operator].numpy
                value = f"np.{combine}({target}, {value})"
        self.line(depth, f"{target} = {bare(value)}")

    def mesh(self, nest: _Nest, depth: int) -> None:
        """Write a whole nest as array operations over an open mesh of its indices."""
        names = [self.name(loop.index) for loop in nest.loops]
        ranges = [
            f"np.arange({low}, {high})" for low, high in (self.range(n.ranges) for n in nest.loops)
        ]
        self.line(
            depth, f"{', '.join(names)}{',' * (len(names) == 1)} = np.ix_({', '.join(ranges)})"
        )
        statement = nest.leaf.statement
        target = self.element(statement.write)
        if isinstance(nest.leaf, Fill):
            self.line(depth, f"{target} = {_identity(statement, self.program)}")
            return
        value = self.value(statement.expr)
        if statement.reduction is not None:
            value = self.reduced(statement, bare(value), names, target)
        self.line(depth, f"{target} = {bare(value)}")

    def reduced(self, statement: Statement, value: str, names: Sequence[str], target: str) -> str:
        assert statement.reduction is not None
        array = self.program.array(statement.write.array)
        ufunc = operators.REDUCTIONS[statement.reduction.operator].numpy
        inside = [i for i in statement.indices if self.name(i) in names]
        axes = tuple(a for a, i in enumerate(inside) if i in statement.reduction_indices)
        start = _identity(statement, self.program)
        options = f"axis={axes}, dtype={numpy_dtype(array.dtype)}, initial={start}"
        whole = f"np.broadcast_to({value}, {_tuple([n + '.size' for n in names])})"
        keep = "" if not array.shape or len(axes) == len(inside) else ", keepdims=True"
        result = f"np.{ufunc}.reduce({whole}, {options}{keep})"
        # From the identity, folded into the reduction; else on top of what is there.
        whole_nest = len(inside) == len(statement.indices)
        if statement.reduction.init == "identity" and whole_nest:
            return result
        return f"np.{ufunc}({target}, {result})"

    def range(self, ranges: Sequence[Bounds]) -> tuple[str, str]:
        lows = [_call("max", [self.form(f) for f in r.lowers]) for r in ranges]
        highs = [_call("min", [self.form(f) for f in r.uppers]) for r in ranges]
        return _call("min", list(dict.fromkeys(lows))), _call("max", list(dict.fromkeys(highs)))

    # ---- expressions -----------------------------------------------------------------------
    def value(self, expr: Expr) -> str:
        if isinstance(expr, Const):
            return _literal(expr.value, expr.dtype)
        if isinstance(expr, Load):
            return self.element(Access(expr.array, expr.subscripts))
        if isinstance(expr, IndexValue):
            return f"np.asarray({self.form(expr.form)}, {numpy_dtype(expr.dtype)})"
        operands = [self.value(arg) for arg in expr.args]
        if expr.name in _INFIX:
            return f"({operands[0]} {_INFIX[expr.name]} {operands[1]})"
        if expr.name == "neg":
            return f"(-{operands[0]})"
        if expr.name == "cast":
            return f"np.asarray({operands[0]}).astype({numpy_dtype(expr.dtype)})"
        if expr.name == "fma":
            return f"({operands[0]} * {operands[1]} + {operands[2]})"
        return f"np.{operators.OPERATORS[expr.name].numpy}({', '.join(operands)})"

    def element(self, access: Access) -> str:
        array = self.program.array(access.array)
        if array.role == "scalar":
            return self.array_name(array.name)
        return (
            f"{self.array_name(array.name)}[{', '.join(map(self.form, access.subscripts)) or '()'}]"
        )


# ---- what becomes array operations ---------------------------------------------------------------
@dataclass(frozen=True)
class _Nest:
    loops: tuple[For, ...]
    leaf: Assign | Fill


def _whole_box(node: Node) -> _Nest | None:
    """Return a perfect nest whose bounds do not depend on its own loops, or None."""
    loops: list[For] = []
    while isinstance(node, For) and len(node.body) == 1 and len(node.ranges) == 1:
        own = {loop.index for loop in loops}
        bounds = node.ranges[0]
        if any(f.names & own for f in bounds.lowers + bounds.uppers):
            return None
        loops.append(node)
        node = node.body[0]
    return _Nest(tuple(loops), node) if isinstance(node, (Assign, Fill)) else None


def _independent(nest: _Nest) -> bool:
    """Tell whether no instance reads or overwrites what another one writes, by form alone."""
    statement, own = nest.leaf.statement, {loop.index for loop in nest.loops}
    subscripts = [f for f in statement.write.subscripts if f.names & own]
    alone = [f.terms[0][0] for f in subscripts if len(f.terms) == 1 and f.terms[0][1] == 1]
    needed = own - set(statement.reduction_indices)
    if len(alone) != len(subscripts) or set(alone) != needed:
        return False
    if isinstance(nest.leaf, Fill):
        return True
    written = [
        n for n in walk(statement.expr) if isinstance(n, Load) and n.array == statement.write.array
    ]
    same = all(load.subscripts == statement.write.subscripts for load in written)
    return not written or (same and statement.reduction is None)


def _is_fill_of(nest: _Nest, following: Node | None) -> bool:
    """Tell whether ``nest`` writes the identity that the array operation after it starts from."""
    if not isinstance(nest.leaf, Fill) or following is None:
        return False
    other = _whole_box(following)
    if other is None or isinstance(other.leaf, Fill) or not _independent(other):
        return False
    statement = other.leaf.statement
    return statement.name == nest.leaf.statement.name and len(other.loops) == len(statement.indices)


# ---- pieces of text ------------------------------------------------------------------------------
def numpy_dtype(dtype: str) -> str:
    name = operators.NUMPY_DTYPE[dtype]
    return "np.bool_" if name == "bool" else f"np.{name}"


def _literal(value: float | int | bool, dtype: str) -> str:
    if dtype == "bool_":
        return f"np.bool_({bool(value)})"
    if dtype in operators.INTEGERS:
        return f"{numpy_dtype(dtype)}({int(value)})"
    text = repr(float(value))
    return (
        f"{numpy_dtype(dtype)}({text!r})"
        if text.strip("-") in ("inf", "nan")
        else f"{numpy_dtype(dtype)}({text})"
    )


def _identity(statement: Statement, program: Program) -> str:
    assert statement.reduction is not None
    dtype = program.array(statement.write.array).dtype
    if dtype == "bool_":
        return _literal(statement.reduction.operator in ("min", "prod"), dtype)
    return _literal(operators.identity(statement.reduction.operator, dtype), dtype)


def _tuple(texts: Sequence[str]) -> str:
    return f"({', '.join(texts)}{',' * (len(texts) == 1)})"


def _call(function: str, texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{function}({', '.join(texts)})"
