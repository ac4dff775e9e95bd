"""Scalar expressions, names and literals as C text: what every C emitter shares."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from loopstack.emit.loops import fresh
from loopstack.emit.names import Scope, bare
from loopstack.ir import operators
from loopstack.ir.expr import Const, Expr, IndexValue, Load
from loopstack.ir.program import Access

_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int
long main register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while
"""
_LIBRARY = """
abort abs atexit atof atoi atol bsearch calloc div exit floor_div free getenv labs ldiv llabs lldiv
malloc max_of min_of qsort rand realloc srand system
"""
_MATHEMATICS = """
acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim
floor fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb
lrint lround modf nan nearbyint nextafter nexttoward pow remainder remquo rint round scalbln scalbn
sin sinh sqrt tan tanh tgamma trunc
"""
_COMPILER = """
asm bool double_t false float_t i386 linux nullptr size_t static_assert thread_local true typeof
unix wchar_t div_t ldiv_t lldiv_t NULL NAN INFINITY RAND_MAX alloca signbit
fpclassify isfinite isinf isnan isnormal math_errhandling
"""
_SHAPES = re.compile(
    r"__.*|_[A-Z].*|u?int(_fast|_least)?(8|16|32|64|max|ptr)_t"
    r"|U?INT(_FAST|_LEAST)?(8|16|32|64|MAX|PTR)_(C|MAX|MIN)|(SIZE|PTRDIFF|WCHAR|WINT)_(MAX|MIN)"
    r"|(SIG_ATOMIC|HUGE_VAL|EXIT|FP|M|MATH|MB|FD)_\w+|HUGE_VAL[FL]?|\w+_ENDIAN|BYTE_ORDER"
    r"|W(CONTINUED|EXITED|NOHANG|NOWAIT|STOPPED|UNTRACED)"
)
"""Types and macros of the headers, and names that belong to the implementation."""
_RESERVED = frozenset(
    [*_KEYWORDS.split(), *_LIBRARY.split(), *_COMPILER.split()]
    + [name + suffix for name in _MATHEMATICS.split() for suffix in ("", "f", "l")]
)
_EXTENSIONS = """
a64l drem gamma initstate j0 j1 jn random scalb select setstate signgam significand srandom valloc
y0 y1 yn
"""
FUNCTIONS = frozenset(_EXTENSIONS.split())
"""What a header declares beyond the standard: variables may hide these, no function can be one."""
INCLUDES = "#include <math.h>\n#include <stdint.h>\n#include <stdlib.h>\n"
HELPERS = {
    "floor_div": """static inline int64_t floor_div(int64_t a, int64_t d) {
  return a >= 0 ? a / d : -((d - 1 - a) / d);
}
""",
    "max_of": """static inline int64_t max_of(int64_t a, int64_t b) {
  return a > b ? a : b;
}
""",
    "min_of": """static inline int64_t min_of(int64_t a, int64_t b) {
  return a < b ? a : b;
}
""",
}


@dataclass
class CText(Scope):
    """Lines of one C function under construction."""

    reserved = _RESERVED
    reserved_shapes = _SHAPES

    lines: list[str] = field(default_factory=list)
    locals_made: int = 0

    def line(self, depth: int, text: str) -> None:
        self.lines.append("  " * depth + text)

    def quotient(self, numerator: str, divisor: int) -> str:
        return f"floor_div({numerator}, {divisor})"

    def element(self, access: Access) -> str:
        """Return the C lvalue of one element."""
        raise NotImplementedError

    def assign(self, target: str, value: str, first: int, depth: int) -> None:
        """Write an assignment; locals named since line ``first`` get a scope of their own."""
        self.line(depth, f"{target} = {bare(value)};")
        if len(self.lines) > first + 1:
            indent = "  " * depth
            inner = [f"  {text}" for text in self.lines[first:]]
            self.lines[first:] = [f"{indent}{{", *inner, f"{indent}}}"]
        self.locals_made = 0

    def value(self, expr: Expr, depth: int) -> str:
        """Return C text of ``expr``; operands used twice are named in lines before it."""
        if isinstance(expr, Const):
            return literal(expr.value, expr.dtype)
        if isinstance(expr, Load):
            return self.element(Access(expr.array, expr.subscripts))
        if isinstance(expr, IndexValue):
            return f"({operators.C_TYPE[expr.dtype]})({self.form(expr.form)})"
        operands = [self.value(arg, depth) for arg in expr.args]
        key = expr.dtype if expr.name in ("cast", "select") else expr.args[0].dtype
        text = c_operator(expr.name, key)
        named = (
            self.named(o, a, text, depth, letter)
            for o, a, letter in zip(operands, expr.args, "abc")
        )
        return fill_in(text, tuple(named))

    def named(self, operand: str, expr: Expr, template: str, depth: int, letter: str) -> str:
        if isinstance(expr, (Const, Load)) or len(re.findall(rf"\b{letter}\b", template)) < 2:
            return operand
        self.locals_made += 1
        local = fresh(f"t{self.locals_made}", tuple(self.names.values()))
        self.line(depth, f"const {operators.C_TYPE[expr.dtype]} {local} = {bare(operand)};")
        return local


# ---- pieces of text -----------------------------------------------------------------------------
def literal(value: float | int | bool, dtype: str) -> str:
    """Return a C literal of exactly this value."""
    if dtype == "bool_":
        return str(int(value))
    if dtype in operators.INTEGERS:
        return _integer(int(value), dtype)
    number = float(value)
    if math.isnan(number):
        return "NAN" if dtype == "f32" else "(double)NAN"
    if math.isinf(number):
        sign = "-" if number < 0 else ""
        return f"({sign}INFINITY)" if dtype == "f32" else f"({sign}(double)INFINITY)"
    text = str(np.float32(number)) if dtype == "f32" else repr(number)
    text = text if any(c in text for c in ".e") else f"{text}.0"
    text += "f" if dtype == "f32" else ""
    return f"({text})" if text.startswith("-") else text


def _integer(value: int, dtype: str) -> str:
    if value == operators.INTEGER_RANGE[dtype][0]:
        return f"({_integer(value + 1, dtype)} - 1)"
    text = f"INT64_C({abs(value)})" if dtype == "i64" else str(abs(value))
    return f"(-{text})" if value < 0 else text


_UNSIGNED = {
    "add": "(%t)((%u)a + (%u)b)",
    "sub": "(%t)((%u)a - (%u)b)",
    "mul": "(%t)((%u)a * (%u)b)",
    "neg": "(%t)(0 - (%u)a)",
    "abs": "(a < 0 ? (%t)(0 - (%u)a) : a)",
}


def c_operator(name: str, dtype: str) -> str:
    """Return the table's text; integers that may wrap around do so in unsigned arithmetic."""
    if dtype in operators.INTEGERS and name in _UNSIGNED:
        ctype = operators.C_TYPE[dtype]
        return _UNSIGNED[name].replace("%t", ctype).replace("%u", f"u{ctype}")
    return operators.c_text(name, dtype)


def fill_in(template: str, operands: Sequence[str]) -> str:
    values = dict(zip("abc", operands))
    return re.sub(r"\b[abc]\b", lambda match: values[match.group()], template)


def nested(function: str, texts: Sequence[str]) -> str:
    result = texts[0]
    for text in texts[1:]:
        result = f"{function}({result}, {text})"
    return result
