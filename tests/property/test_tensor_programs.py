"""Random kernels: what is stored, merged, named and inlined never changes the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from harness.tracing import evaluate
from hypothesis import given
from hypothesis import strategies as st

import loopstack as ls
from loopstack.frontend.tensor import trace
from loopstack.ir.printer import print_program
from loopstack.ir.reader import read_program

STEPS = ("add", "sub", "mul", "maximum", "where", "exp", "tanh", "sum", "mean", "max", "min",
         "cumsum", "named", "array", "argmax")  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A symbolic value and what NumPy computes for it, with one axis per index (1 if absent)."""

    symbol: Any
    array: np.ndarray


def bounded(p: Pair) -> Pair:
    return Pair(ls.tanh(p.symbol), np.tanh(p.array))


class Machine:
    """Apply random steps to values; run once on symbols and arrays side by side."""

    def __init__(self, steps, x: Pair, y: Pair, axes: dict[int, Any]) -> None:
        self.values = [x, y]
        self.axes = axes
        for number, step in enumerate(steps):
            self.values.append(self.apply(number, *step))

    def apply(self, number: int, name: str, first: int, second: int, axis: int) -> Pair:
        a, b = (self.values[n % len(self.values)] for n in (first, second))
        if name in ("add", "sub", "mul"):
            operator = {"add": "__add__", "sub": "__sub__", "mul": "__mul__"}[name]
            return bounded(
                Pair(getattr(a.symbol, operator)(b.symbol), getattr(a.array, operator)(b.array))
            )
        if name == "maximum":
            return Pair(ls.maximum(a.symbol, b.symbol), np.maximum(a.array, b.array))
        if name == "where":
            chosen = ls.where(a.symbol > b.symbol, a.symbol, 2 * b.symbol)
            return bounded(Pair(chosen, np.where(a.array > b.array, a.array, 2 * b.array)))
        if name == "exp":
            return bounded(Pair(ls.exp(a.symbol), np.exp(a.array)))
        if name == "tanh":
            return bounded(a)
        return self.stored(number, name, a, axis)

    def stored(self, number: int, name: str, a: Pair, axis: int) -> Pair:
        full = Pair(a.symbol + self.zero.symbol, a.array + self.zero.array)
        index = self.axes[axis]
        if name == "named":
            return Pair(ls.named(f"n{number}", a.symbol), a.array)
        if name == "array":
            tensor = ls.named(f"t{number}", full.symbol, dims="j i")
            return Pair(tensor[self.axes[1], self.axes[0]], full.array)
        if name == "cumsum":
            return bounded(Pair(ls.cumsum(full.symbol, along=index), full.array.cumsum(axis)))
        if name == "argmax":
            position = ls.argmax(full.symbol, over=index)
            return bounded(Pair(position * 0.1, full.array.argmax(axis, keepdims=True) * 0.1))
        over = getattr(ls, name)(full.symbol, over=index)
        return bounded(Pair(over, getattr(np, name)(full.array, axis=axis, keepdims=True)))

    @property
    def zero(self) -> Pair:
        """A value that has both indices and adds nothing."""
        x = self.values[0]
        return Pair(x.symbol * 0.0, x.array * 0.0)


STEP = st.tuples(st.sampled_from(STEPS), st.integers(0, 99), st.integers(0, 99), st.integers(0, 1))


@given(
    st.lists(STEP, min_size=1, max_size=12), st.lists(st.integers(0, 99), min_size=2, max_size=3)
)
def test_random_kernels_agree_with_numpy(steps, results):
    rng = np.random.default_rng(len(steps))
    x, y = rng.normal(size=(3, 4)), rng.normal(size=(4, 3))
    expected: list[np.ndarray] = []

    def fn(x_: ls.f64["a b"], y_: ls.f64["b a"]):
        i, j = ls.indices("i j")
        machine = Machine(steps, Pair(x_[i, j], x), Pair(y_[j, i], y.T), {0: i, 1: j})
        chosen = [machine.values[n % len(machine.values)] for n in results]
        expected[:] = [np.broadcast_to(p.array, x.shape) for p in chosen]
        return tuple(p.symbol + machine.zero.symbol for p in chosen)

    fn.__annotations__["return"] = (ls.f64["i j"],) * len(results)
    for got, wanted in zip(evaluate(fn, x, y), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)
    program = trace(fn)
    assert read_program(print_program(program)) == program
