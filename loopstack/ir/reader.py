"""Text -> Program, Expr, Affine: the inverse of ``loopstack.ir.printer``.

A hand-written scanner (one regular expression) and a recursive-descent parser. Errors are
:class:`ProgramSyntaxError` with line and column. Forms also accept ``//``, ``%`` and parentheses,
so that a dimension such as ``(N+1)//2`` in a type annotation is read by the same code.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from loopstack.errors import LoopStackError
from loopstack.ir.affine import Affine, affine, name
from loopstack.ir.expr import DTYPES, Const, Expr, IndexValue, Load, Op
from loopstack.ir.operators import OPERATORS, result_dtype
from loopstack.ir.program import (
    Access,
    Array,
    DerivedSize,
    Program,
    Reduction,
    Requirement,
    Statement,
)

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\#[^\n]*)
      | (?P<newline>\n)
      | (?P<number>\d+(\.\d*)?([eE][+-]?\d+)?)
      | (?P<name>[$@]?[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<string>"(\\.|[^"\\])*")
      | (?P<mark>//|==|>=|[-+*%()\[\],;:=])""",
    re.VERBOSE,
)
_ROLES = ("input", "output", "inout", "scalar", "temporary")


class ProgramSyntaxError(LoopStackError):
    """Program text does not parse; ``line`` and ``column`` are 1-based."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column


def read_program(text: str) -> Program:
    """Return the program that ``print_program`` printed. Raises ProgramSyntaxError."""
    return _Parser(text).program()


def read_affine(text: str, rename: Callable[[str], str] | None = None) -> Affine:
    """Return a form; ``rename`` maps every name in it (``N`` to ``$N``, say)."""
    parser = _Parser(text)
    form = parser.form()
    parser.end()
    return form.map_names(rename) if rename else form


def read_expr(text: str, dtypes: dict[str, str]) -> Expr:
    """Return an expression; ``dtypes`` gives the element dtype of every array it may read."""
    parser = _Parser(text)
    parser.dtypes = dtypes
    expr = parser.expr()
    parser.end()
    return expr


class _Parser:
    """Tokens with one of lookahead; a method per construct of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._scan(text)
        self.position = 0
        self.dtypes: dict[str, str] = {}

    def _scan(self, text: str) -> list[tuple[str, str, int]]:
        tokens: list[tuple[str, str, int]] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._error(f"unexpected character {text[at]!r}", at)
            if match.lastgroup is None or match.lastgroup != "space":
                tokens.append((match.lastgroup or "", match.group(), at))
            at = match.end()
        tokens.append(("end", "", len(text)))
        return tokens

    # ---- tokens -------------------------------------------------------------------------------
    def _error(self, message: str, at: int) -> ProgramSyntaxError:
        line = self.text.count("\n", 0, at) + 1
        return ProgramSyntaxError(message, line, at - (self.text.rfind("\n", 0, at) + 1) + 1)

    def fail(self, message: str) -> ProgramSyntaxError:
        return self._error(message, self.tokens[self.position][2])

    def peek(self) -> str:
        return self.tokens[self.position][1]

    def following(self) -> str:
        return self.tokens[min(self.position + 1, len(self.tokens) - 1)][1]

    def kind(self) -> str:
        return self.tokens[self.position][0]

    def advance(self) -> str:
        text = self.tokens[self.position][1]
        self.position += 1
        return text

    def take(self, text: str) -> bool:
        if self.kind() in ("mark", "name") and self.peek() == text:
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise self.fail(f"expected {text!r}, found {self.found()}")

    def found(self) -> str:
        return {"end": "the end", "newline": "the end of the line"}.get(
            self.kind(), repr(self.peek())
        )

    def name(self) -> str:
        if self.kind() != "name":
            raise self.fail(f"expected a name, found {self.found()}")
        return self.advance()

    def integer(self) -> int:
        negative = self.take("-")
        if self.kind() != "number" or not self.peek().isdigit():
            raise self.fail(f"expected an integer, found {self.found()}")
        value = int(self.advance())
        return -value if negative else value

    def end_of_line(self) -> None:
        if self.kind() not in ("newline", "end"):
            raise self.fail(f"expected the end of the line, found {self.found()}")
        while self.kind() == "newline":
            self.position += 1

    def end(self) -> None:
        if self.kind() != "end":
            raise self.fail(f"unexpected {self.found()}")

    def listed(self, item: Callable[[], Any], close: str, separator: str = ",") -> tuple[Any, ...]:
        """Return items up to the closing mark (which is consumed)."""
        items: list[Any] = []
        while not self.take(close):
            if items:
                self.expect(separator)
            items.append(item())
        return tuple(items)

    # ---- forms --------------------------------------------------------------------------------
    def form(self) -> Affine:
        total = self.term()
        while self.peek() in ("+", "-"):
            total = total + self.term() if self.advance() == "+" else total - self.term()
        return total

    def term(self) -> Affine:
        result = self.factor()
        while self.peek() in ("*", "//", "%"):
            result = self._combine(result, self.advance(), self.factor())
        return result

    def _combine(self, left: Affine, mark: str, right: Affine) -> Affine:
        if mark == "*" and (left.is_constant or right.is_constant):
            return right * left.const if left.is_constant else left * right.const
        if mark == "*":
            raise self.fail("a product of two names is not affine")
        if not right.is_constant or right.const <= 0:
            raise self.fail("the divisor of an affine form is a positive integer")
        return left // right.const if mark == "//" else left % right.const

    def factor(self) -> Affine:
        if self.take("-"):
            return -self.factor()
        if self.take("("):
            inner = self.form()
            self.expect(")")
            return inner
        if self.kind() == "number":
            return affine(self.integer())
        if self.peek() == "floordiv" and self.following() == "(":
            self.position += 1
            return self._floordiv()
        return name(self.name())

    def _floordiv(self) -> Affine:
        self.expect("(")
        numerator = self.form()
        self.expect(",")
        divisor = self.integer()
        self.expect(")")
        if divisor <= 0:
            raise self.fail("the divisor of an affine form is a positive integer")
        return numerator // divisor

    # ---- expressions --------------------------------------------------------------------------
    def expr(self) -> Expr:
        if self.kind() == "number" or self.peek() == "-" or self.following() == ":":
            return self._const()
        label = self.name()
        if self.peek() == "[":
            return self._load(label)
        self.expect("(")
        if label == "index":
            form = self.form()
            self.expect(")")
            return IndexValue(form)
        return self._operator(label)

    def _const(self) -> Const:
        negative = self.take("-")
        text = self.advance()
        self.expect(":")
        dtype = self._dtype()
        value = _literal(text)
        if value is None:
            raise self.fail(f"expected a number, found {text!r}")
        return Const(-value if negative else value, dtype)

    def _load(self, array: str) -> Load:
        if array not in self.dtypes:
            raise self.fail(f"unknown array {array!r}")
        self.expect("[")
        return Load(array, self.listed(self.form, "]"), self.dtypes[array])

    def _operator(self, label: str) -> Op:
        head, _, cast_to = label.partition(".")
        if head not in OPERATORS:
            raise self.fail(f"unknown operator {label!r}")
        args = self.listed(self.expr, ")")
        try:
            dtype = result_dtype(head, [a.dtype for a in args], cast_to or None)
        except ValueError as error:
            raise self.fail(str(error)) from None
        return Op(head, args, dtype)

    def _dtype(self) -> str:
        dtype = self.name()
        if dtype not in DTYPES:
            raise self.fail(f"unknown dtype {dtype!r}; dtypes are {', '.join(DTYPES)}")
        return dtype

    # ---- program ------------------------------------------------------------------------------
    def program(self) -> Program:
        while self.kind() == "newline":
            self.position += 1
        self.expect("program")
        title, reassociate = self.name(), self.take("reassociate")
        self.end_of_line()
        sizes = self._sizes()
        derived = self._repeat("derived", self._derived)
        requirements = self._repeat("require", self._requirement)
        arrays = self._arrays()
        statements = self._repeat("statement", self._statement)
        self.end()
        return Program(title, sizes, arrays, statements, reassociate, derived, requirements)

    def _repeat(self, keyword: str, item: Callable[[], Any]) -> tuple[Any, ...]:
        items = []
        while self.take(keyword):
            items.append(item())
            self.end_of_line()
        return tuple(items)

    def _sizes(self) -> tuple[str, ...]:
        names: list[str] = []
        if self.take("sizes"):
            while self.kind() == "name":
                names.append(self.name())
            self.end_of_line()
        return tuple(names)

    def _derived(self) -> DerivedSize:
        title = self.name()
        for mark in ("=", "min", "("):
            self.expect(mark)
        return DerivedSize(title, self.listed(self.form, ")"))

    def _requirement(self) -> Requirement:
        left = self.form()
        relation = self.advance()
        if relation not in ("==", ">="):
            raise self.fail("expected == or >=")
        right = self.form()
        when: list[Affine] = []
        while self.take(";" if when else "when"):
            when.append(self.form())
        if self.kind() != "string":
            raise self.fail(f"expected a string, found {self.found()}")
        message = json.loads(self.advance())
        return Requirement(left, relation, right, message, tuple(when))  # type: ignore[arg-type]

    def _arrays(self) -> tuple[Array, ...]:
        arrays = []
        while self.kind() == "name" and self.peek() in _ROLES:
            role, title = self.advance(), self.name()
            self.expect(":")
            dtype = self._dtype()
            self.expect("[")
            shape = self.listed(self.form, "]")
            arrays.append(Array(title, dtype, shape, role))  # type: ignore[arg-type]
            self.dtypes[title] = dtype
            self.end_of_line()
        return tuple(arrays)

    def _statement(self) -> Statement:
        title = self.name()
        self.expect("(")
        indices = self.listed(self.name, ")")
        order = self._order() if self.take("order") else ()
        self.end_of_line()
        constraints = self._constraints()
        reduction = self._reduction()
        array = self.name()
        self.expect("[")
        write = Access(array, self.listed(self.form, "]"))
        self.expect("=")
        return Statement(title, indices, constraints, write, self.expr(), reduction, order)

    def _order(self) -> tuple[int, ...]:
        numbers = []
        while self.kind() == "number":
            numbers.append(self.integer())
        return tuple(numbers)

    def _constraints(self) -> tuple[Affine, ...]:
        if self.peek() != "where" or self.following() == "[":
            return ()
        self.position += 1
        forms = [self.form()]
        while self.take(";"):
            forms.append(self.form())
        self.end_of_line()
        return tuple(forms)

    def _reduction(self) -> Reduction | None:
        if self.peek() not in ("reduce", "update") or self.following() == "[":
            return None
        init = "identity" if self.advance() == "reduce" else "existing"
        operator = self.name()
        if operator not in ("sum", "prod", "max", "min"):
            raise self.fail(f"unknown reduction {operator!r}; expected sum, prod, max or min")
        return Reduction(operator, init)  # type: ignore[arg-type]


def _literal(text: str) -> float | int | bool | None:
    """Return a literal's value with the type its spelling shows; None when it is not one."""
    if text in ("True", "False"):
        return text == "True"
    if text in ("inf", "nan"):
        return math.inf if text == "inf" else math.nan
    if text.isdigit():
        return int(text)
    try:
        return float(text)
    except ValueError:
        return None
