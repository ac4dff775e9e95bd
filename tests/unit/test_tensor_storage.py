"""What a tensor kernel stores: named values, pads, shared expressions, called kernels."""

from __future__ import annotations

import numpy as np
from harness.tracing import evaluate

import loopstack as ls
from loopstack.frontend.tensor import inline_call, is_symbolic, trace
from loopstack.ir.printer import print_program

RNG = np.random.default_rng(8)


def data(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return RNG.normal(size=shape).astype(dtype)


def statements(fn) -> list[str]:
    return [s.name for s in trace(fn).statements]


def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


def softmax(x: ls.f32["i j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    e = ls.exp(x[i, j] - ls.max(x[i, j], over=j))
    return e / ls.sum(e, over=j)


# ---- storage ----------------------------------------------------------------------------------
def test_pad_and_concat():
    def fn(x: ls.f64["c n"], y: ls.f64["d n"]) -> (ls.f64["c n"], ls.f64["c n"]):
        p = ls.pad(x, n=(1, 2), value=-1.0)
        return p, ls.concat([x, y, x], dim="c")

    x, y = data(2, 3, dtype=np.float64), data(4, 3, dtype=np.float64)
    padded, joined = evaluate(fn, x, y)
    np.testing.assert_array_equal(padded, np.pad(x, ((0, 0), (1, 2)), constant_values=-1))
    np.testing.assert_array_equal(joined, np.concatenate([x, y, x]))


def test_a_named_value_with_dimensions_is_an_array():
    def fn(x: ls.f64["n"]) -> ls.f64["i"]:
        i, k = ls.indices("i k", k=3)
        t = ls.named("t", ls.relu(x[i]), dims="i")
        p = ls.pad(t, i=1)
        return ls.sum(p[i + k], over=k)

    x = data(6, dtype=np.float64)
    expected = np.convolve(np.maximum(x, 0), np.ones(3), "same")
    np.testing.assert_allclose(evaluate(fn, x), expected)
    assert statements(fn) == ["t", "S0", "S1", "out"]


def test_named_gives_a_statement_and_a_returned_name_adds_no_copy():
    def fn(x: ls.f32["i"]) -> (ls.f32["i"], ls.f32["i"]):
        i = ls.indices("i")
        a = ls.named("a", x[i] + 1)
        b = ls.named("b", a * 2)
        return b, ls.named("unused", a) - b

    assert statements(fn) == ["a", "b", "unused", "out1"]


def test_equal_expressions_merge_and_cheap_ones_are_inlined():
    def fn(x: ls.f32["i j"]) -> (ls.f32["i"], ls.f32["i"]):
        i, j = ls.indices("i j")
        one = ls.sum(x[i, j] * 2, over=j)
        two = ls.sum(x[i, j] * 2, over=j)
        return one + 1, two * (x[i, i] + 1)

    program = trace(fn)
    assert [s.name for s in program.statements] == ["sum", "out0", "out1"]


def test_a_result_can_feed_another_and_be_returned_twice():
    def fn(x: ls.f32["i"]) -> (ls.f32["i"], ls.f32["i"], ls.f32["i"], ls.f32["i"]):
        i = ls.indices("i")
        e = ls.exp(x[i])
        return e, e + 1, e, x[i]

    x = data(5)
    results = evaluate(fn, x)
    for got, expected in zip(results, (np.exp(x), np.exp(x) + 1, np.exp(x), x)):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_huge_expressions_are_cut():
    def fn(x: ls.f32["i"]) -> ls.f32["i"]:
        value = x[ls.indices("i")]
        for _ in range(4):
            value = ls.gelu(value)
        return value

    program = trace(fn)
    assert 1 < len(program.statements) < 10
    assert len(print_program(program)) < 500_000


def test_a_named_array_and_its_value_returned_in_another_order():
    def fn(x: ls.f32["a b"]) -> (ls.f32["i j"], ls.f32["j i"], ls.f32["i j"], ls.f32["i j"]):
        i, j = ls.indices("i j")
        e = ls.exp(x[i, j])
        t = ls.named("t", e, dims="i j")
        again = ls.named("t", e, dims="i j")
        return t, e, t[i, j], again[i, j] + e

    x = data(2, 3)
    t, turned, copy, doubled = evaluate(fn, x)
    np.testing.assert_allclose(t, np.exp(x), rtol=1e-6)
    np.testing.assert_array_equal(turned, t.T)
    np.testing.assert_array_equal(copy, t)
    np.testing.assert_array_equal(doubled, t + t)


def test_long_chains_of_operators_are_cut():
    def fn(x: ls.f64["n"]) -> ls.f64["i"]:
        i = ls.indices("i")
        return sum((x[i + t] * (t + 1) for t in range(700)), 0.0)

    x = data(705, dtype=np.float64)
    expected = np.correlate(x, np.arange(1, 701), "valid")
    np.testing.assert_allclose(evaluate(fn, x), expected, rtol=1e-9)


def test_numpy_integers_in_subscripts():
    def fn(x: ls.f32["n"]) -> ls.f32["i"]:
        i = ls.indices("i", i=np.int64(3))
        return x[np.int64(2) * i + np.int32(1)] + x[i + np.int64(1)] + np.float32(1)

    x = data(9)
    np.testing.assert_allclose(evaluate(fn, x), x[1:7:2] + x[1:4] + 1, rtol=1e-6)


def test_outputs_are_ordered_by_the_annotation():
    def fn(x: ls.f32["a b"]) -> ls.f32["j i"]:
        i, j = ls.indices("i j")
        return x[i, j]

    x = data(2, 3)
    assert (evaluate(fn, x) == x.T).all()


def test_one_free_index_needs_no_annotation():
    def fn(x: ls.f32["n"]):
        return x[ls.indices("i")] * 2

    assert trace(fn).array("out").shape == trace(fn).array("x").shape


def test_an_output_never_takes_the_name_of_a_parameter():
    def fn(out: ls.f32["n"], sum: ls.f32["n"]) -> ls.f32[""]:
        i = ls.indices("i")
        return ls.sum(out[i] * sum[i], over=i) + 1

    assert [a.name for a in trace(fn).arrays] == ["out", "sum", "out1", "sum1"]


def test_a_named_array_read_as_a_value_first_keeps_its_order():
    def fn(x: ls.f64["a b"]) -> (ls.f64["i j"], ls.f64["i j"]):
        i, j = ls.indices("i j")
        value = x[i, j] + 1
        t = ls.named("t", value, dims="j i")
        return value, t[j, i] * 2

    x = data(3, 4, dtype=np.float64)
    first, second = evaluate(fn, x)
    np.testing.assert_array_equal(first, x + 1)
    np.testing.assert_array_equal(second, (x + 1) * 2)


# ---- composition ------------------------------------------------------------------------------
class Decorated:
    """What the decorator makes, as far as the frontend sees it."""

    def __init__(self, fn) -> None:
        self.__wrapped__ = fn
        self.program = trace(fn)

    def __call__(self, *args, **kwargs):
        assert any(map(is_symbolic, args))
        return inline_call(self, args, kwargs)


def test_a_kernel_called_inside_a_kernel_is_inlined():
    multiply, normalise = Decorated(matmul), Decorated(softmax)

    def attention(
        q: ls.f32["s d"], k: ls.f32["d s"], v: ls.f32["s e"], scale: ls.f32
    ) -> ls.f32["s e"]:
        s, t = ls.indices("s t")
        scores = multiply(q, k)
        scaled = ls.named("scaled", scores[s, t] * scale, dims="s t")
        return multiply(normalise(scaled), v)

    program = trace(attention)
    assert [s.name for s in program.statements] == [
        "C", "scaled", "max", "exp", "sum", "softmax", "out",
    ]  # fmt: skip
    q, k, v = data(4, 3), data(3, 4), data(4, 2)
    scores = (q @ k) * 0.5
    e = np.exp(scores - scores.max(1, keepdims=True))
    expected = e / e.sum(1, keepdims=True) @ v
    np.testing.assert_allclose(evaluate(attention, q, k, v, np.float32(0.5)), expected, rtol=1e-5)


def test_scalar_arguments_and_results_of_a_called_kernel():
    def norm(x: ls.f32["n"], scale: ls.f32) -> ls.f32[""]:
        i = ls.indices("i")
        return ls.sqrt(ls.sum(x[i] * x[i], over=i)) * scale

    inner = Decorated(norm)

    def fn(x: ls.f32["n"], alpha: ls.f32) -> ls.f32["i"]:
        i = ls.indices("i")
        top = ls.max(x[i], over=i)
        return x[i] / inner(x, alpha + top) + inner(x, 2)

    x = data(5)
    length = np.linalg.norm(x)
    expected = x / (length * (np.float32(0.5) + x.max())) + length * 2
    np.testing.assert_allclose(evaluate(fn, x, np.float32(0.5)), expected, rtol=1e-5)


def test_unused_results_of_a_called_kernel_are_dropped():
    def both(x: ls.f32["n"]) -> (ls.f32["i"], ls.f32["i"]):
        i = ls.indices("i")
        return x[i] + 1, x[i] * 2

    inner = Decorated(both)

    def fn(x: ls.f32["n"]) -> ls.f32["i"]:
        return inner(x)[1][ls.indices("i")]

    assert len(trace(fn).statements) == 1
