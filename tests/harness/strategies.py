"""Hypothesis: random programs with integer sizes.

A program is one to three statements in a row: a first one over random subscripts (windows,
strides, floor divisions, transposes), optionally reduced; then maps and reductions of its result.
Extents include 0, 1, primes and the neighbours of vector lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from loopstack.ir.affine import Affine, affine, name
from loopstack.ir.expr import Const, Expr, IndexValue, Load, Op
from loopstack.ir.program import Access, Array, Program, Reduction, Statement
from loopstack.reference.domain import interval_box

EXTENTS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 33)
MOST_INSTANCES = 20_000
INDICES = "ijklm"
ARITHMETIC = ("add", "sub", "mul", "maximum", "minimum")


@dataclass
class _Maker:
    """What one program is made of so far."""

    draw: st.DrawFn
    dtype: str
    extents: dict[str, int]
    arrays: list[Array]

    # ---- subscripts ------------------------------------------------------------------------
    def subscript(self, index: str) -> Affine:
        form = name(index)
        kind = self.draw(
            st.sampled_from(("bare", "bare", "bare", "shift", "stride", "half", "sum"))
        )
        if kind == "shift":
            return form + self.draw(st.integers(1, 3))
        if kind == "stride":
            return form * self.draw(st.integers(2, 3)) + self.draw(st.integers(0, 1))
        if kind == "half":
            return form // self.draw(st.integers(2, 4))
        if kind == "sum":
            return form + name(self.draw(st.sampled_from(sorted(self.extents))))
        return form

    def operand(self, label: str, must_use: list[str]) -> Load:
        """Return a read of a new input, large enough for every access."""
        count = self.draw(st.integers(min(1, len(must_use)), min(3, len(self.extents))))
        chosen = self.draw(st.permutations(sorted(self.extents)))[:count]
        subscripts = tuple(self.subscript(i) for i in dict.fromkeys([*chosen, *must_use]))
        shape = tuple(affine(self.largest(form) + 1) for form in subscripts)
        self.arrays.append(Array(label, self.dtype, shape, "input"))
        return Load(label, subscripts, self.dtype)

    def largest(self, form: Affine) -> int:
        # Every coefficient is positive, so the last point is the largest.
        return form.evaluate({i: max(n - 1, 0) for i, n in self.extents.items()})

    # ---- expressions -----------------------------------------------------------------------
    def expression(self, operands: list[Expr]) -> Expr:
        result = operands[0]
        for operand in operands[1:]:
            result = Op(self.draw(st.sampled_from(ARITHMETIC)), (result, operand), self.dtype)
        kind = self.draw(
            st.sampled_from(("plain", "plain", "scaled", "selected", "negated", "index"))
        )
        if kind == "scaled":
            return Op("mul", (result, self.constant()), self.dtype)
        if kind == "selected":
            condition = Op("lt", (result, self.constant()), "bool_")
            return Op("select", (condition, operands[0], self.constant()), self.dtype)
        if kind == "negated":
            return Op("neg", (Op("abs", (result,), self.dtype),), self.dtype)
        if kind == "index":
            index = IndexValue(name(self.draw(st.sampled_from(sorted(self.extents)))))
            value = index if self.dtype == "i64" else Op("cast", (index,), self.dtype)
            return Op("add", (result, value), self.dtype)
        return result

    def constant(self) -> Const:
        value = self.draw(st.integers(-3, 3))
        return Const(float(value) if self.dtype[0] == "f" else value, self.dtype)

    def reduction(self, reduced: list[str]) -> Reduction | None:
        if not reduced:
            return None
        empty = any(self.extents[i] == 0 for i in reduced)
        operators = ("sum", "prod") if empty else ("sum", "sum", "max", "min", "prod")
        return Reduction(self.draw(st.sampled_from(operators)))

    def statement(
        self, label: str, kept: list[str], reduced: list[str], expr: Expr, position: int
    ) -> Statement:
        indices = tuple(self.draw(st.permutations([*kept, *reduced])))
        constraints = []
        for index in indices:
            constraints += [name(index), affine(self.extents[index]) - 1 - name(index)]
        order = (position, *[0] * len(indices))
        write = Access(label, tuple(map(name, kept)))
        reduction = self.reduction(reduced)
        return Statement(label, indices, tuple(constraints), write, expr, reduction, order)


@st.composite
def random_programs(
    draw: st.DrawFn, dtypes: tuple[str, ...] = ("f32", "f64", "i32", "i64")
) -> Program:
    """Draw a program of one to three statements over small boxes."""
    rank, depth = draw(st.integers(0, 3)), draw(st.integers(0, 2))
    labels = list(INDICES[: max(rank + depth, 1)])
    rank = min(rank if rank + depth else 1, len(labels))
    extents: dict[str, int] = {}
    for label in labels:
        room = MOST_INSTANCES // max(int(np.prod(list(extents.values()))), 1)
        extents[label] = draw(st.sampled_from([e for e in EXTENTS if e <= max(room, 1)]))
    kept, reduced = labels[:rank], labels[rank:]
    maker = _Maker(draw, draw(st.sampled_from(dtypes)), extents, [])
    operands: list[Expr] = [
        maker.operand(f"x{n}", labels if n == 0 else []) for n in range(draw(st.integers(1, 3)))
    ]
    shape = tuple(affine(extents[i]) for i in kept)
    statements = [maker.statement("S", kept, reduced, maker.expression(operands), 0)]
    results = [Array("S", maker.dtype, shape, "output")]
    if draw(st.booleans()):
        _second(maker, kept, statements, results)
    inputs = tuple(maker.arrays)
    results[:-1] = [Array(a.name, a.dtype, a.shape, "temporary") for a in results[:-1]]
    return Program("random_program", (), (*inputs, results[-1], *results[:-1]), tuple(statements))


def _second(
    maker: _Maker, kept: list[str], statements: list[Statement], results: list[Array]
) -> None:
    """Append a statement that reads the first one's result: a map, or a reduction of it."""
    maker.extents = {i: maker.extents[i] for i in kept} or {"i": 3}
    if not kept:
        first: Expr = Load("S", (), maker.dtype)
        kept = ["i"]
    else:
        first = Load("S", tuple(map(name, kept)), maker.dtype)
    split = maker.draw(st.integers(0, len(kept)))
    outer, reduced = (kept[:split], kept[split:]) if split else (kept, [])
    operands = [first, maker.operand("y", [])] if maker.draw(st.booleans()) else [first]
    expr = maker.expression(operands)
    statements.append(maker.statement("T", outer, reduced, expr, 1))
    shape = tuple(affine(maker.extents[i]) for i in outer)
    results.append(Array("T", maker.dtype, shape, "output"))


def instances(program: Program) -> int:
    """Return how many statement instances a bound program has, at most."""
    total = 0
    for statement in program.statements:
        box = interval_box(statement.constraints, statement.indices)
        total += int(
            np.prod(
                [high - low + 1 for low, high in (box or {"": (1, 0)}).values()], dtype=np.int64
            )
        )
    return total
