"""Nest text (what lowering makes, csrc/nest/GRAMMAR.md) as one C function.

    void matmul(void *const *arguments, char *shared, char *private);

The function runs the nest as written, on one thread: parallel and vector loops become plain ones.
``shared`` and ``private`` are the two workspaces, as large as the nest says. It exists to read
schedules as C, and to run what lowering made without the code generator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from loopstack.emit.c_expressions import HELPERS, INCLUDES, CText, c_operator, fill_in, nested
from loopstack.ir import operators
from loopstack.ir.affine import Affine
from loopstack.ir.program import Access, Array, Program
from loopstack.ir.reader import read_affine, read_expr

_ARRAY = re.compile(r"array (\S+) (\S+) (argument|shared|private|register) (\d+)$")
_FOR = re.compile(r"for (\S+) = (.+) \.\. (.+?)( parallel| vector| unroll| seq)?( tail=\w+)? \{$")
_IF = re.compile(r"if (.+) \{$")
_PREFETCH = re.compile(r"prefetch (\S+?)\[(.*)\](?: (write|l2))?$")
_ASSIGN = re.compile(r"([^\s\[]+)\[([^\]]*)\] = (.+?)( stream)?$")
_FOLD = re.compile(r"reduce\.(\w+)\(([^\s\[]+)\[([^\]]*)\], (\d+)\)")


def emit_nest_c(text: str, *, name: str | None = None) -> str:
    """Return C text of a nest; ``name`` is the function's. Raises ValueError for an odd line."""
    nest = _Nest.read(text)
    for line in nest.body:
        nest.statement(line)
    body = "\n".join([*nest.declarations(), *nest.lines]) + "\n"
    unused = [p for p in ("arguments", "shared", "private") if not re.search(rf"\b{p}\b", body)]
    marks = "".join(f"  (void){p};\n" for p in unused)
    helpers = "".join(f"{t}\n" for n, t in HELPERS.items() if f"{n}(" in body)
    function = nest.identifier(name or nest.program.name, ())
    head = f"void {function}(void *const *arguments, char *shared, char *private) {{\n"
    return f"{INCLUDES}\n{helpers}{head}{marks}{body}}}\n"


@dataclass
class _Nest(CText):
    body: tuple[str, ...] = ()
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    depth: int = 1
    folds: int = 0

    @staticmethod
    def read(text: str) -> _Nest:
        lines = [stripped for line in text.splitlines() if (stripped := line.strip())]
        lines = [line for line in lines if not line.startswith("#")]
        start = lines.index("{")
        arrays, places = [], {}
        for line in lines[:start]:
            match = _ARRAY.match(line)
            if match:
                label, dtype, space, place = match.groups()
                arrays.append(Array(label, dtype, (Affine(),), "inout"))
                places[label] = (space, int(place))
        title = lines[0].removeprefix("nest ")
        program = Program(title, (), tuple(arrays), ())
        return _Nest(program, body=tuple(lines[start + 1 : -1]), places=places)

    # ---- arrays ----------------------------------------------------------------------------
    def declarations(self) -> list[str]:
        return [self.declaration(array) for array in self.program.arrays]

    def declaration(self, array: Array) -> str:
        space, place = self.places[array.name]
        name, ctype = self.array_name(array.name), operators.C_TYPE[array.dtype]
        if space == "register":
            return f"  {ctype} {name}[{place}];"
        source = f"arguments[{place}]" if space == "argument" else f"(void *)({space} + {place})"
        # An argument that only carries a shape is declared all the same.
        return f"  {ctype} *restrict {name} = {source};\n  (void){name};"

    def element(self, access: Access) -> str:
        (subscript,) = access.subscripts
        return f"{self.array_name(access.array)}[{self.form(subscript)}]"

    # ---- lines -----------------------------------------------------------------------------
    def statement(self, line: str) -> None:
        if line == "}":
            self.close("}")
        elif line == "} else {":
            self.close("} else {")
            self.depth += 1
        elif match := _FOR.match(line):
            self.open_loop(*match.groups()[:3])
        elif match := _IF.match(line):
            self.line(self.depth, f"if ({self.condition(match[1])}) {{")
            self.depth += 1
        elif match := _PREFETCH.match(line):
            target = self.element(Access(match[1], (read_affine(match[2]),)))
            self.line(self.depth, f"__builtin_prefetch(&{target}, {int(match[3] == 'write')});")
        elif match := _ASSIGN.match(line):
            self.assignment(*match.groups()[:3])
        else:
            raise ValueError(f"not a line of a nest: {line}")

    def close(self, text: str) -> None:
        self.depth -= 1
        self.line(self.depth, text)

    def open_loop(self, variable: str, lower: str, upper: str) -> None:
        index = self.name(variable)
        low, high = self.bound(lower, "max"), self.bound(upper, "min")
        self.line(self.depth, f"for (int64_t {index} = {low}; {index} < {high}; ++{index}) {{")
        self.depth += 1

    def bound(self, text: str, function: str) -> str:
        inner = text.removeprefix(f"{function}(") if text.startswith(f"{function}(") else ""
        forms = _split(inner[:-1]) if inner else [text]
        return nested(f"{function}_of", [self.form(read_affine(form)) for form in forms])

    def condition(self, text: str) -> str:
        tests = []
        for test in text.split(" && "):
            form, relation, zero = test.rsplit(" ", 2)
            tests.append(f"{self.form(read_affine(form))} {relation} {zero}")
        return " && ".join(tests)

    def assignment(self, array: str, subscript: str, value: str) -> None:
        first = len(self.lines)
        dtypes = {a.name: a.dtype for a in self.program.arrays}
        value = _FOLD.sub(lambda match: self.fold(match, dtypes), value)
        expr = read_expr(value, dtypes)
        target = self.element(Access(array, (read_affine(subscript),)))
        self.assign(target, self.value(expr, self.depth), first, self.depth)

    def fold(self, match: re.Match[str], dtypes: dict[str, str]) -> str:
        """Fold lanes into a local array of one element; return its nest text."""
        operator, array, form, count = match.groups()
        combine = c_operator(operators.REDUCTIONS[operator].combine, dtypes[array])
        self.folds += 1
        label = f"fold{self.folds}"
        dtypes[label] = dtypes[array]
        local = self.array_name(label)
        source = self.array_name(array)
        start = self.form(read_affine(form))
        step = fill_in(combine, (f"{local}[0]", f"{source}[{start} + lane]"))
        self.line(
            self.depth, f"{operators.C_TYPE[dtypes[array]]} {local}[1] = {{{source}[{start}]}};"
        )
        self.line(self.depth, f"for (int lane = 1; lane < {count}; ++lane) {local}[0] = {step};")
        return f"{label}[0]"


def _split(text: str) -> list[str]:
    """Split at commas outside parentheses."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]
