"""Nest text (csrc/nest/GRAMMAR.md) as Python values; shares nothing with the generator's reader.

Well-formed text only: whether text is well formed is the generator's to say (tests/nest/errors).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

DTYPES = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64}
_TOKEN = re.compile(
    r"\s*(-?inf\b|(?:\d+\.(?!\.)\d*|\d+)(?:e[+-]?\d+)?|[A-Za-z_]\w*(?:\.\w+)*|\.\.|&&|==|>=|.)"
)
_HEADER = re.compile(r"nest|threads|array|workspace")


@dataclass(frozen=True)
class FloorDivision:
    dividend: Form
    divisor: int


@dataclass(frozen=True)
class Form:
    """The sum of ``constant`` and coefficient * (variable or floor division)."""

    constant: int = 0
    terms: tuple[tuple[int, str | FloorDivision], ...] = ()

    def plus(self, other: Form, scale: int = 1) -> Form:
        scaled = other.times(scale)
        return Form(self.constant + scaled.constant, self.terms + scaled.terms)

    def times(self, scale: int) -> Form:
        return Form(self.constant * scale, tuple((c * scale, what) for c, what in self.terms))


@dataclass(frozen=True)
class Array:
    """``space``: argument, shared, private or register; ``place``: what GRAMMAR.md gives it."""

    name: str
    dtype: str
    space: str
    place: int


@dataclass(frozen=True)
class Access:
    array: str
    subscript: Form


@dataclass(frozen=True)
class Literal:
    text: str
    dtype: str


@dataclass(frozen=True)
class Index:
    form: Form


@dataclass(frozen=True)
class Cast:
    dtype: str
    operand: Expr


@dataclass(frozen=True)
class Reduce:
    operator: str
    first: Access
    count: int


@dataclass(frozen=True)
class Operation:
    name: str
    operands: tuple[Expr, ...]


Expr = Access | Literal | Index | Cast | Reduce | Operation


@dataclass(frozen=True)
class Loop:
    variable: str
    lower: tuple[Form, ...]
    upper: tuple[Form, ...]
    kind: str
    body: tuple[Node, ...]


@dataclass(frozen=True)
class Branch:
    """Conditions: (form, whether it must be 0; else it must be >= 0)."""

    conditions: tuple[tuple[Form, bool], ...]
    then: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True)
class Store:
    target: Access
    value: Expr


Node = Loop | Branch | Store


@dataclass(frozen=True)
class Nest:
    name: str
    threads: int
    arrays: tuple[Array, ...]
    workspace: tuple[int, int]
    body: tuple[Node, ...]


def read_nest(text: str) -> Nest:
    """Read a nest; raises ValueError at the first odd token."""
    lines = [stripped for line in text.splitlines() if (stripped := line.partition("#")[0].strip())]
    return _Reader(_TOKEN.findall("\n".join(f"{line} ;" for line in lines))).nest()


class _Reader:
    """Recursive descent over tokens; ``;`` ends a line."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    # ---- tokens ----------------------------------------------------------------------------
    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def accept(self, *tokens: str) -> bool:
        if self.peek() not in tokens:
            return False
        self._at += 1
        return True

    def require(self, *tokens: str) -> None:
        for token in tokens:
            if not self.accept(token):
                self.fail(token)

    def fail(self, wanted: str) -> NoReturn:
        before = " ".join(self._tokens[max(self._at - 8, 0) : self._at])
        raise ValueError(f"expected {wanted!r} after {before!r}, found {self.peek()!r}")

    def integer(self) -> int:
        sign = -1 if self.accept("-") else 1
        return sign * int(self.take())

    # ---- the header ------------------------------------------------------------------------
    def nest(self) -> Nest:
        threads, workspace, arrays, name = 1, (0, 0), [], ""
        while _HEADER.fullmatch(self.peek()):
            match self.take():
                case "nest":
                    name = self.take()
                case "threads":
                    threads = self.integer()
                case "workspace":
                    workspace = (self.integer(), self.integer())
                case "array":
                    arrays.append(Array(self.take(), self.take(), self.take(), self.integer()))
            self.require(";")
        body = self.block()
        self.require(";")
        if self.peek():
            self.fail("the end")
        return Nest(name, threads, tuple(arrays), workspace, body)

    # ---- nodes -----------------------------------------------------------------------------
    def block(self) -> tuple[Node, ...]:
        self.require("{", ";")
        nodes: list[Node] = []
        while not self.accept("}"):
            nodes += self.node()
            self.require(";")
        return tuple(nodes)

    def node(self) -> list[Node]:
        """Return one node, or none for a prefetch: it means nothing."""
        if self.accept("for"):
            return [self.loop()]
        if self.accept("if"):
            return [self.branch()]
        if self.accept("prefetch"):
            self.access(self.take())
            self.accept("write", "l2")
            return []
        target = self.access(self.take())
        self.require("=")
        store = Store(target, self.expr())
        self.accept("stream")
        return [store]

    def loop(self) -> Loop:
        variable = self.take()
        self.require("=")
        lower = self.bounds("max")
        self.require("..")
        upper = self.bounds("min")
        kind = self.take() if self.peek() in ("seq", "parallel", "vector", "unroll") else "seq"
        if self.accept("tail"):
            self.require("=")
            self.take()
        return Loop(variable, lower, upper, kind, self.block())

    def bounds(self, word: str) -> tuple[Form, ...]:
        if not self.accept(word):
            return (self.form(),)
        self.require("(")
        forms = [self.form()]
        while self.accept(","):
            forms.append(self.form())
        self.require(")")
        return tuple(forms)

    def branch(self) -> Branch:
        conditions = [self.condition()]
        while self.accept("&&"):
            conditions.append(self.condition())
        then = self.block()
        return Branch(tuple(conditions), then, self.block() if self.accept("else") else ())

    def condition(self) -> tuple[Form, bool]:
        form, relation = self.form(), self.take()
        self.require("0")
        return form, relation == "=="

    # ---- forms -----------------------------------------------------------------------------
    def form(self) -> Form:
        total = self.product().times(-1) if self.accept("-") else self.product()
        while self.peek() in ("+", "-"):
            scale = 1 if self.take() == "+" else -1
            total = total.plus(self.product(), scale)
        return total

    def product(self) -> Form:
        result = self.factor()
        while self.accept("*"):
            other = self.factor()
            if other.terms:
                result, other = other, result
            result = result.times(other.constant)
        return result

    def factor(self) -> Form:
        token = self.take()
        if token.isdigit():
            return Form(int(token))
        if token == "(":
            inner = self.form()
            self.require(")")
            return inner
        if token == "floordiv":
            self.require("(")
            dividend = self.form()
            self.require(",")
            atom = FloorDivision(dividend, self.integer())
            self.require(")")
            return Form(terms=((1, atom),))
        return Form(terms=((1, token),))

    # ---- expressions -----------------------------------------------------------------------
    def access(self, array: str) -> Access:
        self.require("[")
        subscript = self.form()
        self.require("]")
        return Access(array, subscript)

    def expr(self) -> Expr:
        token = self.take()
        if token == "-":
            token += self.take()
        if self.accept(":"):
            return Literal(token, self.take())
        if self.peek() == "[":
            return self.access(token)
        self.require("(")
        result = self.call(token)
        self.require(")")
        return result

    def call(self, name: str) -> Expr:
        kind, _, rest = name.partition(".")
        if kind == "index":
            return Index(self.form())
        if kind == "cast":
            return Cast(rest, self.expr())
        if kind == "reduce":
            first = self.access(self.take())
            self.require(",")
            return Reduce(rest, first, self.integer())
        operands = [self.expr()]
        while self.accept(","):
            operands.append(self.expr())
        return Operation(name, tuple(operands))
