"""A program as one C function (C11, no dependence but the mathematics library).

    int matmul(int64_t m, int64_t n, int64_t k,
               const float A[restrict m][k], const float B[restrict k][n], float C[restrict m][n]);

Sizes come first, then the arguments in call order, scalars by value. Arrays are row-major and
dense and declared with their shapes: compilers follow subscripts of several dimensions better than
sums of products. With ``strides=True`` they are pointers, with one element stride a dimension
behind them. The function returns 0, or 1 when there is no memory for a temporary array.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from loopstack.emit.bounds import Bounds
from loopstack.emit.c_expressions import (
    FUNCTIONS,
    HELPERS,
    INCLUDES,
    CText,
    c_operator,
    fill_in,
    literal,
    nested,
)
from loopstack.emit.loops import Assign, Fill, For, Guard, Node, program_loops
from loopstack.ir import operators
from loopstack.ir.affine import Affine
from loopstack.ir.expr import Op
from loopstack.ir.program import Access, Array, Program, Statement


def emit_c(program: Program, *, name: str | None = None, strides: bool = False) -> str:
    """Return C text of a program in program order; ``name`` is the function's.

    Raises ValueError for an index without bounds.
    """
    text = _Text(program, strided=strides)
    text.body(program_loops(program, fill_inside=True), 1)
    lines = [*_derived(text), *_allocations(text), *text.lines, *_releases(text)]
    body = "\n".join(lines) + "\n"
    head = f"{_head(text, name)} {{\n"
    constants = [text.name(f"${d.name}") for d in program.derived]
    unused = [p for p in text.parameters if not re.search(rf"\b{p}\b", body)]
    marks = "".join(f"  (void){p};\n" for p in unused)
    body += "".join(f"  (void){p};\n" for p in constants if len(re.findall(rf"\b{p}\b", body)) == 1)
    body += "  return 0;\n"
    helpers = "".join(f"{t}\n" for n, t in HELPERS.items() if f"{n}(" in head + body)
    return f"{INCLUDES}\n{helpers}{head}{marks}{body}}}\n"


def function_head(program: Program, *, name: str | None = None) -> tuple[str, list[str]]:
    """Return what stands before the body of :func:`emit_c`, and the names of the arguments."""
    text = _Text(program)
    head = _head(text, name)
    return head, [text.array_name(array.name) for array in program.arguments]


def _head(text: _Text, name: str | None) -> str:
    function = text.identifier(name or text.program.name, ())
    return f"int {function + '_' * (function in FUNCTIONS)}({_signature(text)})"


# ---- names and the signature --------------------------------------------------------------------
@dataclass
class _Text(CText):
    """The text of one function under construction."""

    strided: bool = False
    parameters: list[str] = field(default_factory=list)

    # ---- statements ------------------------------------------------------------------------
    def body(self, nodes: Sequence[Node], depth: int) -> None:
        for node in nodes:
            if isinstance(node, For):
                index = self.name(node.index)
                low, high = self.range(node.ranges)
                self.line(depth, f"for (int64_t {index} = {low}; {index} < {high}; ++{index}) {{")
                self.body(node.body, depth + 1)
                self.line(depth, "}")
            elif isinstance(node, Guard):
                tests = " && ".join(f"{self.form(f)} >= 0" for f in node.nonnegative)
                self.line(depth, f"if ({tests}) {{")
                self.body(node.body, depth + 1)
                self.line(depth, "}")
            else:
                self.assignment(node, depth)

    def assignment(self, node: Assign | Fill, depth: int) -> None:
        statement = node.statement
        target = self.element(statement.write)
        dtype = self.program.array(statement.write.array).dtype
        if isinstance(node, Fill):
            self.line(depth, f"{target} = {_identity(statement, dtype)};")
            return
        first = len(self.lines)
        expr = statement.expr
        if statement.reduction is not None:
            combine = operators.REDUCTIONS[statement.reduction.operator].combine
            if combine == "add" and isinstance(expr, Op) and expr.name == "neg":
                combine, expr = "sub", expr.args[0]
            text = c_operator(combine, dtype)
            value = self.value(expr, depth)
            value = fill_in(text, (target, self.named(value, expr, text, depth, "b")))
        else:
            value = self.value(expr, depth)
        self.assign(target, value, first, depth)

    def range(self, ranges: Sequence[Bounds]) -> tuple[str, str]:
        lows = [nested("max_of", [self.form(f) for f in r.lowers]) for r in ranges]
        highs = [nested("min_of", [self.form(f) for f in r.uppers]) for r in ranges]
        return nested("min_of", list(dict.fromkeys(lows))), nested(
            "max_of", list(dict.fromkeys(highs))
        )

    # ---- expressions -----------------------------------------------------------------------
    def element(self, access: Access) -> str:
        array = self.program.array(access.array)
        label = self.array_name(array.name)
        if array.role == "scalar" or (not array.shape and not array.is_argument):
            return label
        if not array.shape:
            return f"{label}[0]"
        if not self.takes_strides(array):
            return label + "".join(f"[{self.form(s)}]" for s in access.subscripts)
        steps = self.strides(array)
        parts = [self.scaled(s, step) for s, step in zip(access.subscripts, steps)]
        parts = [p for p in parts if p != "0"] or ["0"]
        return f"{label}[{' + '.join(parts)}]"

    def scaled(self, subscript: Affine, step: str) -> str:
        text = self.form(subscript)
        if text == "0":
            return text
        return f"{text} * {step}" if re.fullmatch(r"\w+", text) else f"({text}) * {step}"

    def takes_strides(self, array: Array) -> bool:
        return self.strided and array.is_argument and array.role != "scalar"

    def strides(self, array: Array) -> list[str]:
        return [f"{self.array_name(array.name)}_stride_{d}" for d in range(len(array.shape))]

    def extents(self, array: Array) -> list[str]:
        """Return the text of every extent, over the sizes that are parameters."""
        return [self.extent(form) for form in array.shape]

    def extent(self, form: Affine) -> str:
        """A size that follows from the others has no name yet where parameters are declared."""
        text = self.form(form)
        for size in self.program.derived:
            value = nested("min_of", [self.form(each) for each in size.forms])
            value = value if len(size.forms) > 1 or re.fullmatch(r"\w+", value) else f"({value})"
            text = re.sub(rf"\b{self.name(f'${size.name}')}\b", value, text)
        return text


def _signature(text: _Text) -> str:
    parts = []
    for size in text.program.sizes:
        text.parameters.append(text.name(f"${size}"))
        parts.append(f"int64_t {text.parameters[-1]}")
    steps: list[str] = []
    for array in text.program.arguments:
        ctype = operators.C_TYPE[array.dtype]
        text.parameters.append(text.array_name(array.name))
        constant = "const " if array.role in ("input", "scalar") else ""
        parts.append(f"{constant}{ctype} {_declarator(text, array)}")
        if text.takes_strides(array):
            steps += text.strides(array)
    text.parameters += steps
    return ", ".join([*parts, *(f"int64_t {s}" for s in steps)]) or "void"


def _declarator(text: _Text, array: Array) -> str:
    name = text.array_name(array.name)
    if array.role == "scalar":
        return name
    if text.takes_strides(array) or not array.shape:
        return f"*restrict {name}"
    first, *inner = text.extents(array)
    return f"{name}[restrict {first}]" + "".join(f"[{extent}]" for extent in inner)


def _derived(text: _Text) -> list[str]:
    """Return a constant for every size that follows from the others and is used."""
    lines = []
    for size in text.program.derived:
        value = nested("min_of", [text.form(form) for form in size.forms])
        lines.append(f"  const int64_t {text.name(f'${size.name}')} = {value};")
    return lines


def _temporaries(text: _Text) -> list[Array]:
    return [a for a in text.program.arrays if not a.is_argument]


def _allocations(text: _Text) -> list[str]:
    lines = []
    held: list[str] = []
    for array in _temporaries(text):
        name, ctype = text.array_name(array.name), operators.C_TYPE[array.dtype]
        if not array.shape:
            lines.append(f"  {ctype} {name};")
            continue
        extents = [text.form(extent) for extent in array.shape]
        inner = "".join(f"[{extent}]" for extent in extents[1:])
        pointer = f"(*restrict {name}){inner}" if inner else f"*restrict {name}"
        bytes_ = f"(size_t)({_product(extents)}) * sizeof({ctype}) + 1"
        lines.append(f"  {ctype} {pointer} = malloc({bytes_});")
        release = "".join(f"free({other}); " for other in held)
        lines.append(f"  if (!{name}) {{ {release}return 1; }}")
        held.append(name)
    return lines


def _releases(text: _Text) -> list[str]:
    return [f"  free({text.array_name(a.name)});" for a in reversed(_temporaries(text)) if a.shape]


def _identity(statement: Statement, dtype: str) -> str:
    assert statement.reduction is not None
    operator = statement.reduction.operator
    if dtype == "bool_":
        return "1" if operator in ("min", "prod") else "0"
    return literal(operators.identity(operator, dtype), dtype)


def _product(texts: Sequence[str]) -> str:
    factors = [t if re.fullmatch(r"\w+", t) else f"({t})" for t in texts if t != "1"]
    return " * ".join(factors) or "1"
