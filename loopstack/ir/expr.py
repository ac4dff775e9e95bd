"""Scalar expressions: what a statement computes at one point of its domain.

Nodes are frozen; build a changed tree with :func:`rewrite`. Every node knows its ``dtype``, one of
the names in :data:`DTYPES`.

    Const(1.5, "f32")                       a literal
    Load("A", (i, k), "f32")                one element of an array; subscripts are Affine
    IndexValue(2*i + 1)                     an index as an i64 value
    Op("mul", (a, b), "f32")                an operator of loopstack.ir.operators, a cast included
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Union

from loopstack.ir.affine import Affine

DTYPES = ("bool_", "i32", "i64", "f32", "f64")
ITEM_SIZE_BYTES = {"bool_": 1, "i32": 4, "i64": 8, "f32": 4, "f64": 8}


@dataclass(frozen=True)
class Const:
    value: float | int | bool
    dtype: str

    def __str__(self) -> str:
        return f"{self.value!r}:{self.dtype}"

    # Equality tells 0.0 from -0.0 and nan from nothing: they are different constants.
    def _key(self) -> tuple[str, str]:
        return (repr(self.value), self.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True)
class Load:
    array: str
    subscripts: tuple[Affine, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.array}[{', '.join(map(str, self.subscripts))}]"


@dataclass(frozen=True)
class IndexValue:
    form: Affine
    dtype: str = "i64"

    def __str__(self) -> str:
        return f"index({self.form})"


@dataclass(frozen=True)
class Op:
    name: str
    args: tuple[Expr, ...]
    dtype: str

    def __str__(self) -> str:
        label = f"cast.{self.dtype}" if self.name == "cast" else self.name
        return f"{label}({', '.join(map(str, self.args))})"


Expr = Union[Const, Load, IndexValue, Op]


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield every node, children before parents, left to right."""
    if isinstance(expr, Op):
        for arg in expr.args:
            yield from walk(arg)
    yield expr


def loads(expr: Expr) -> list[Load]:
    """Return the read accesses in evaluation order, repeats included."""
    return [node for node in walk(expr) if isinstance(node, Load)]


def rewrite(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """Rebuild ``expr`` bottom-up, passing every node through ``change``."""
    if isinstance(expr, Op):
        args = tuple(rewrite(arg, change) for arg in expr.args)
        if any(new is not old for new, old in zip(args, expr.args)):
            expr = Op(expr.name, args, expr.dtype)
    return change(expr)


def map_subscripts(expr: Expr, change: Callable[[Affine], Affine]) -> Expr:
    """Apply ``change`` to every affine form inside ``expr``."""

    if isinstance(expr, Op):
        return Op(expr.name, tuple([map_subscripts(arg, change) for arg in expr.args]), expr.dtype)
    if isinstance(expr, Load):
        return Load(expr.array, tuple([change(s) for s in expr.subscripts]), expr.dtype)
    if isinstance(expr, IndexValue):
        return IndexValue(change(expr.form), expr.dtype)
    return expr
