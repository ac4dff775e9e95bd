"""The one program form: arrays and statements, parametric in sizes.

A statement runs once per point of its domain, in the lexicographic order of ``order`` interleaved
with its indices (the classic 2d+1 form: order[0], index[0], order[1], index[1], ..., order[d]).

    write[...]  =  expr                                   reduction is None
    write[...]  =  write[...] (+) expr                    reduction.operator over the indices that
                                                          the write subscripts do not mention

With ``reduction.init == "identity"`` the first visit of an element starts from the operator's
identity; with ``"existing"`` it continues from the value in memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from loopstack.ir.affine import Affine
from loopstack.ir.expr import (
    Const,
    Expr,
    IndexValue,
    Load,
    Op,
    loads,
    map_subscripts,
    rewrite,
    walk,
)

Role = Literal["input", "output", "inout", "scalar", "temporary"]


@dataclass(frozen=True)
class Array:
    """A named array. ``shape`` is affine in sizes (``$n``); a run-time scalar has rank 0."""

    name: str
    dtype: str
    shape: tuple[Affine, ...]
    role: Role

    @property
    def is_argument(self) -> bool:
        return self.role != "temporary"


@dataclass(frozen=True)
class Access:
    array: str
    subscripts: tuple[Affine, ...]

    def __str__(self) -> str:
        return f"{self.array}[{', '.join(map(str, self.subscripts))}]"


@dataclass(frozen=True)
class Reduction:
    operator: Literal["sum", "prod", "max", "min"]
    init: Literal["identity", "existing"] = "identity"


@dataclass(frozen=True)
class Statement:
    """One assignment over a domain.

    ``constraints`` are forms over indices and sizes that are >= 0 inside the domain. Frontend
    boxes are written ``i`` and ``$n - 1 - i``.
    """

    name: str
    indices: tuple[str, ...]
    constraints: tuple[Affine, ...]
    write: Access
    expr: Expr
    reduction: Reduction | None = None
    order: tuple[int, ...] = ()

    @cached_property
    def reduction_indices(self) -> tuple[str, ...]:
        if self.reduction is None:
            return ()
        kept = frozenset().union(*(s.names for s in self.write.subscripts), frozenset())
        return tuple(i for i in self.indices if i not in kept)

    @property
    def reads(self) -> list[Load]:
        return loads(self.expr)


@dataclass(frozen=True)
class DerivedSize:
    """A size the caller never gives: ``$name`` is the least of ``forms`` (over other sizes)."""

    name: str
    forms: tuple[Affine, ...]

    def evaluate(self, values: Mapping[str, int]) -> int:
        return min(form.evaluate(values) for form in self.forms)


@dataclass(frozen=True)
class Requirement:
    """What has to hold between sizes before a program runs, where all forms of ``when`` are >= 0.

    ``message`` is the error text; ``{left}`` and ``{right}`` in it stand for the two values.
    """

    left: Affine
    relation: Literal["==", ">="]
    right: Affine
    message: str
    when: tuple[Affine, ...] = ()

    def holds(self, values: Mapping[str, int]) -> bool:
        if any(form.evaluate(values) < 0 for form in self.when):
            return True
        left, right = self.left.evaluate(values), self.right.evaluate(values)
        return left == right if self.relation == "==" else left >= right


@dataclass(frozen=True)
class Program:
    """Arrays in call order (arguments first), statements in text order.

    ``reassociate`` allows regrouping sums and multiplying by reciprocals of invariants.
    ``derived`` sizes follow from ``sizes``, in this order; ``requirements`` are checked when sizes
    are known (``frontend.sizes.infer_sizes``).
    """

    name: str
    sizes: tuple[str, ...]
    arrays: tuple[Array, ...]
    statements: tuple[Statement, ...]
    reassociate: bool = True
    derived: tuple[DerivedSize, ...] = ()
    requirements: tuple[Requirement, ...] = ()

    @cached_property
    def array_by_name(self) -> dict[str, Array]:
        return {a.name: a for a in self.arrays}

    @cached_property
    def statement_by_name(self) -> dict[str, Statement]:
        return {s.name: s for s in self.statements}

    def array(self, name: str) -> Array:
        return self.array_by_name[name]

    def statement(self, name: str) -> Statement:
        return self.statement_by_name[name]

    @property
    def arguments(self) -> tuple[Array, ...]:
        return tuple(a for a in self.arrays if a.is_argument)

    def size_values(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return ``{"$name": value}`` for every size, the derived ones included."""
        values = {f"${name}": int(value) for name, value in sizes.items()}
        for size in self.derived:
            values[f"${size.name}"] = size.evaluate(values)
        return values

    def bind(self, sizes: Mapping[str, int]) -> Program:
        """Return this program with integer sizes: every ``$name`` is replaced by its value."""
        values = self.size_values(sizes)

        def fix(form: Affine) -> Affine:
            return form.substitute(values)

        arrays = tuple(replace(a, shape=tuple(map(fix, a.shape))) for a in self.arrays)
        statements = tuple(
            replace(
                s,
                constraints=tuple(map(fix, s.constraints)),
                write=Access(s.write.array, tuple(map(fix, s.write.subscripts))),
                expr=_fold_sizes(map_subscripts(s.expr, fix)),
            )
            for s in self.statements
        )
        bound = replace(self, sizes=(), arrays=arrays, statements=statements)
        return replace(bound, derived=(), requirements=())


def _fold_sizes(expr: Expr) -> Expr:
    """Replace index values that became constant (extents), and what is made of them alone."""
    if not any(isinstance(n, IndexValue) and n.form.is_constant for n in walk(expr)):
        return expr
    return rewrite(expr, _fold)


def _fold(node: Expr) -> Expr:
    if isinstance(node, IndexValue) and node.form.is_constant:
        return Const(node.form.const, node.dtype)
    if not isinstance(node, Op):
        return node
    values = [a.value for a in node.args if isinstance(a, Const) and a.dtype == "i64"]
    if len(values) < len(node.args):
        return node
    if node.name == "mul" and abs(math.prod(values)) < 2**63:
        return Const(math.prod(values), "i64")
    if node.name == "cast" and node.dtype in ("f32", "f64"):
        return Const(float(values[0]), node.dtype)
    return node
