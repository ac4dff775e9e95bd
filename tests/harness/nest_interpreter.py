"""What a nest means: its text run top to bottom, one NumPy scalar at a time.

Every operator rounds once to its dtype; nothing is contracted, nothing is reordered. Elements of
register arrays and workspaces are undefined until written, private ones anew in each iteration of
an outermost parallel loop: reading one then is an error.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from emulator import exact

from harness import nest_reader as text
from harness.nest_reader import DTYPES, Access, Array, Branch, Form, Loop, Nest, Node, Reduce, Store

Variables = dict[str, int]
Value = Callable[[Variables], Any]
Step = Callable[[Variables], None]


class UndefinedElement(Exception):
    """A nest reads an element that nothing has written, or one outside of its array."""


class Cells(dict[int, Any]):
    """The elements of one array that a run touched; ``initial`` gives an argument's others."""

    def __init__(self, array: Array, initial: Callable[[int], Any] | None = None) -> None:
        super().__init__()
        self.array, self.written = array, False
        self._initial = initial

    def __missing__(self, index: int) -> Any:
        if self._initial is None:
            raise UndefinedElement(f"{self.array.name}[{index}] is read before it is written")
        value = self[index] = self._initial(index)
        return value


def interpret(nest: Nest, initial: Callable[[Array, int], Any]) -> dict[str, Cells]:
    """Run a nest on argument arrays that hold ``initial(array, index)``; return all arrays."""
    run = _Builder(nest, initial)
    body = run.block(nest.body)
    with np.errstate(all="ignore"):
        body({})
    for cells in run.cells.values():
        _check_room(nest, cells)
    return run.cells


def _check_room(nest: Nest, cells: Cells) -> None:
    """Raise UndefinedElement when a subscript was negative or left the array's space."""
    array, size = cells.array, np.dtype(DTYPES[cells.array.dtype]).itemsize
    shared, private = nest.workspace
    rooms = {
        "register": array.place,
        "shared": (shared - array.place) // size,
        "private": (private - array.place) // size,
    }
    for index in (min(cells, default=0), max(cells, default=0)):
        if index < 0 or (cells and index >= rooms.get(array.space, math.inf)):
            raise UndefinedElement(f"{array.name}[{index}] is outside of the array")


class _Builder:
    """Turns nodes, expressions and forms into closures over the loop variables."""

    def __init__(self, nest: Nest, initial: Callable[[Array, int], Any]) -> None:
        self.cells = {a.name: Cells(a) for a in nest.arrays}
        for a in nest.arrays:
            if a.space == "argument":
                self.cells[a.name] = Cells(a, lambda index, a=a: initial(a, index))
        self._private = [c for c in self.cells.values() if c.array.space == "private"]
        self._inside_parallel = False

    # ---- nodes -----------------------------------------------------------------------------
    def block(self, nodes: tuple[Node, ...]) -> Step:
        steps = [self.node(node) for node in nodes]
        if len(steps) == 1:
            return steps[0]

        def run(variables: Variables) -> None:
            for step in steps:
                step(variables)

        return run

    def node(self, node: Node) -> Step:
        if isinstance(node, Loop):
            return self.loop(node)
        return self.store(node) if isinstance(node, Store) else self.branch(node)

    def loop(self, loop: Loop) -> Step:
        is_outermost_parallel = loop.kind == "parallel" and not self._inside_parallel
        self._inside_parallel |= is_outermost_parallel
        forget = self._private if is_outermost_parallel else []
        name, body = loop.variable, self.block(loop.body)
        lower, upper = ([self.form(f) for f in forms] for forms in (loop.lower, loop.upper))
        self._inside_parallel &= not is_outermost_parallel

        def run(variables: Variables) -> None:
            first, end = max(f(variables) for f in lower), min(f(variables) for f in upper)
            for variables[name] in range(first, end):
                for cells in forget:
                    cells.clear()
                body(variables)

        return run

    def branch(self, branch: Branch) -> Step:
        tests = [(self.form(form), is_zero) for form, is_zero in branch.conditions]
        then, otherwise = self.block(branch.then), self.block(branch.otherwise)

        def run(variables: Variables) -> None:
            values = ((form(variables), is_zero) for form, is_zero in tests)
            holds = all(v == 0 if is_zero else v >= 0 for v, is_zero in values)
            (then if holds else otherwise)(variables)

        return run

    def store(self, store: Store) -> Step:
        cells = self.cells[store.target.array]
        subscript, value = self.form(store.target.subscript), self.expr(store.value)
        dtype = DTYPES[cells.array.dtype]

        def run(variables: Variables) -> None:
            result = value(variables)
            assert type(result) is dtype, f"{cells.array.name}: {type(result)}"
            cells[subscript(variables)] = result
            cells.written = True

        return run

    # ---- forms -----------------------------------------------------------------------------
    def form(self, form: Form) -> Callable[[Variables], int]:
        constant = form.constant
        if not form.terms:
            return lambda variables: constant
        variables_only = all(isinstance(what, str) for _, what in form.terms)
        if variables_only and len(form.terms) == 1:
            ((scale, name),) = form.terms
            return lambda variables: constant + scale * variables[name]
        parts = [(scale, self.atom(what)) for scale, what in form.terms]
        return lambda variables: constant + sum(c * value(variables) for c, value in parts)

    def atom(self, what: Any) -> Callable[[Variables], int]:
        if isinstance(what, str):
            return operator.itemgetter(what)
        dividend, divisor = self.form(what.dividend), what.divisor
        return lambda variables: dividend(variables) // divisor

    # ---- expressions -----------------------------------------------------------------------
    def expr(self, expr: text.Expr) -> Value:
        match expr:
            case Access():
                return self.load(expr)
            case text.Literal():
                value = DTYPES[expr.dtype](expr.text)
                return lambda variables: value
            case text.Index():
                form = self.form(expr.form)
                return lambda variables: np.int64(form(variables))
            case text.Cast():
                operand, convert = self.expr(expr.operand), CASTS[expr.dtype]
                return lambda variables: convert(operand(variables))
            case Reduce():
                return self.fold(expr)
            case text.Operation():
                return self.operation(expr)

    def load(self, access: Access) -> Value:
        cells, subscript = self.cells[access.array], self.form(access.subscript)
        return lambda variables: cells[subscript(variables)]

    def fold(self, expr: Reduce) -> Value:
        cells, first = self.cells[expr.first.array], self.form(expr.first.subscript)
        combine = OPERATORS[FOLDS[expr.operator]]

        def run(variables: Variables) -> Any:
            start = first(variables)
            return reduce(combine, [cells[start + k] for k in range(expr.count)])

        return run

    def operation(self, expr: text.Operation) -> Value:
        apply = OPERATORS[expr.name]
        match [self.expr(operand) for operand in expr.operands]:
            case [a]:
                return lambda variables: apply(a(variables))
            case [a, b]:
                return lambda variables: apply(a(variables), b(variables))
            case [a, b, c]:
                return lambda variables: apply(a(variables), b(variables), c(variables))
        raise ValueError(f"{expr.name} of {len(expr.operands)} operands")


# ---- operators ---------------------------------------------------------------------------------
def _exp(x: Any) -> Any:
    """The C library's, in f64; an overflow is infinite."""
    try:
        return type(x)(math.exp(float(x)))
    except OverflowError:
        return type(x)(math.inf)


def _fma(a: Any, b: Any, c: Any) -> Any:
    if isinstance(a, np.integer):
        return a * b + c
    return exact.fma(np.array([a]), np.array([b]), np.array([c]))[0]


def _integer_cast(dtype: str) -> Callable[[Any], Any]:
    """Floats truncate; what does not fit, and NaN, becomes the least integer. Integers wrap."""
    to, limits = DTYPES[dtype], np.iinfo(DTYPES[dtype])

    def cast(x: Any) -> Any:
        if isinstance(x, np.integer):
            return x.astype(to)
        fits = math.isfinite(x) and limits.min <= int(x) <= limits.max
        return to(int(x) if fits else limits.min)

    return cast


CASTS = {
    "f32": lambda x: x.astype(np.float32),
    "f64": lambda x: x.astype(np.float64),
    "i32": _integer_cast("i32"),
    "i64": _integer_cast("i64"),
}
FOLDS = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum"}
OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floordiv": operator.floordiv,  # of NumPy: 0 when dividing by 0
    "mod": operator.mod,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "neg": operator.neg,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": _exp,
    "floor": np.floor,
    "fma": _fma,
    "select": lambda c, a, b: a if c else b,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_not": np.logical_not,
}
