"""The tensor language against NumPy, and the programs it makes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from harness.tracing import evaluate, interpret

import loopstack as ls
from loopstack.frontend.sizes import infer_sizes
from loopstack.frontend.tensor import trace
from loopstack.ir.printer import print_program
from loopstack.ir.reader import read_program
from loopstack.ir.verifier import problems

RNG = np.random.default_rng(7)


def data(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return RNG.normal(size=shape).astype(dtype)


def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


def softmax(x: ls.f32["i j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    e = ls.exp(x[i, j] - ls.max(x[i, j], over=j))
    return e / ls.sum(e, over=j)


def conv2d(x: ls.f32["n ci h w"], w: ls.f32["co ci kh kw"]) -> ls.f32["n co oh ow"]:
    n, co, oh, ow, ci, kh, kw = ls.indices("n co oh ow ci kh kw")
    p = ls.pad(x, h=(1, 1), w=(1, 1), value=0.0)
    return ls.sum(p[n, ci, oh + kh, ow + kw] * w[co, ci, kh, kw], over=(ci, kh, kw))


def layernorm(x: ls.f32["i j"], g: ls.f32["j"], b: ls.f32["j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    d = x[i, j] - ls.mean(x[i, j], over=j)
    return d / ls.sqrt(ls.mean(d * d, over=j) + 1e-5) * g[j] + b[j]


# ---- the programs of the examples -------------------------------------------------------------
def test_matmul_program_text():
    assert print_program(trace(matmul)) == (
        "program matmul reassociate\n"
        "sizes m k n\n"
        "input A: f32[$m, $k]\n"
        "input B: f32[$k, $n]\n"
        "output C: f32[$m, $n]\n"
        "statement C(m, n, k) order 0 0 0 0\n"
        "  where m; $m - m - 1; n; $n - n - 1; k; $k - k - 1\n"
        "  reduce sum C[m, n] = mul(A[m, k], B[k, n])\n"
    )


def test_softmax_stores_the_exponential_once():
    program = trace(softmax)
    assert [s.name for s in program.statements] == ["max", "exp", "sum", "out"]
    assert [str(s.expr) for s in program.statements][1:] == [
        "exp(sub(x[i, j], max[i]))",
        "exp[i, j]",
        "div(exp[i, j], sum[i])",
    ]


def test_conv2d_pads_with_two_statements_and_infers_extents():
    program = trace(conv2d)
    assert [s.name for s in program.statements] == ["S0", "S1", "out"]
    assert [str(f) for f in program.array("out").shape] == [
        "$n", "$co", "$h - $kh + 3", "-$kw + $w + 3",
    ]  # fmt: skip


def test_examples_agree_with_numpy():
    a, b = data(3, 4), data(4, 5)
    np.testing.assert_allclose(evaluate(matmul, a, b), a @ b, rtol=1e-5)
    x = data(3, 5)
    e = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(evaluate(softmax, x), e / e.sum(1, keepdims=True), rtol=1e-5)
    g, s = data(5), data(5)
    d = x - x.mean(1, keepdims=True)
    expected = d / np.sqrt((d * d).mean(1, keepdims=True) + 1e-5) * g + s
    np.testing.assert_allclose(evaluate(layernorm, x, g, s), expected, rtol=1e-4, atol=1e-5)


def test_conv2d_agrees_with_a_direct_loop():
    x, w = data(2, 3, 5, 6), data(4, 3, 3, 3)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros((2, 4, 5, 6), np.float32)
    for kh in range(3):
        for kw in range(3):
            window = padded[:, :, kh : kh + 5, kw : kw + 6]
            expected += np.einsum("nchw,oc->nohw", window, w[:, :, kh, kw])
    np.testing.assert_allclose(evaluate(conv2d, x, w), expected, rtol=1e-4, atol=1e-5)


def test_every_example_is_well_formed_and_reads_back():
    for fn in (matmul, softmax, conv2d, layernorm):
        program = trace(fn)
        assert problems(program) == []
        assert read_program(print_program(program)) == program


# ---- elementwise ------------------------------------------------------------------------------
UNARY = {
    "exp": np.exp,
    "abs": np.abs,
    "floor": np.floor,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf),
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / np.sqrt(2))),
}


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_value(name):
    from loopstack.frontend import functions

    def fn(x: ls.f64["i"]) -> ls.f64["i"]:
        return getattr(functions, name)(x[ls.indices("i")])

    x = data(50, dtype=np.float64) * 3
    np.testing.assert_allclose(evaluate(fn, x), UNARY[name](x), rtol=1e-12, atol=1e-14)


def test_arithmetic_and_comparisons():
    def fn(x: ls.f64["i"], y: ls.f64["i"]) -> ls.f64["i"]:
        i = ls.indices("i")
        a, b = x[i], y[i]
        both = (a > 0) & ~(b >= 1.0) | (a == b)
        return ls.where(both, -a + 2 * b - 1, abs(a) / 3 + b**2 + a**-1) * +a

    x, y = data(40, dtype=np.float64), data(40, dtype=np.float64)
    both = (x > 0) & ~(y >= 1) | (x == y)
    expected = np.where(both, -x + 2 * y - 1, abs(x) / 3 + y**2 + 1 / x) * x
    np.testing.assert_allclose(evaluate(fn, x, y), expected, rtol=1e-12)


def test_integer_division_floors():
    def fn(x: ls.i32["i"], y: ls.i32["i"]) -> (ls.i32["i"], ls.i32["i"], ls.f64["i"]):
        i = ls.indices("i")
        return x[i] // y[i], x[i] % y[i], x[i] / y[i]

    x = np.array([7, -7, 7, -7, 6], np.int32)
    y = np.array([2, 2, -2, -2, 3], np.int32)
    quotient, remainder, ratio = evaluate(fn, x, y)
    assert (quotient == x // y).all()
    assert (remainder == x % y).all()
    assert (ratio == x / y).all()


def test_numpy_functions_take_symbolic_values():
    def fn(x: ls.f64["i"]) -> ls.f64["i"]:
        i = ls.indices("i")
        return np.maximum(np.exp(x[i]), np.float64(2.0) * x[i])

    x = data(9, dtype=np.float64)
    np.testing.assert_allclose(evaluate(fn, x), np.maximum(np.exp(x), 2 * x))


def test_powers():
    def fn(x: ls.f64["i"]) -> (ls.f64["i"], ls.f64["i"], ls.f64["i"], ls.f64["i"]):
        i = ls.indices("i")
        return x[i] ** 5, x[i] ** -2, x[i] ** 0.5, x[i] ** 0

    x = abs(data(9, dtype=np.float64))
    for got, exponent in zip(evaluate(fn, x), (5, -2, 0.5, 0)):
        np.testing.assert_allclose(got, x**exponent, rtol=1e-14)


def test_indices_are_values():
    def fn(x: ls.f32["i j"]) -> (ls.f32["i j"], ls.i64["i j"], ls.f32["i j"]):
        i, j = ls.indices("i j")
        triangle = ls.where(i >= j, x[i, j], 0)
        return triangle, 2 * i - j // 2 + i % 3, x[i, j] * (i * 1.5) + i * j

    x = data(4, 5)
    i, j = np.indices(x.shape)
    triangle, form, mixed = evaluate(fn, x)
    assert (triangle == np.tril(x)).all()
    assert (form == 2 * i - j // 2 + i % 3).all()
    np.testing.assert_allclose(mixed, x * (i * 1.5) + i * j, rtol=1e-6, atol=4e-6)
    assert mixed.dtype == np.float32


def test_captured_numbers_and_scalars():
    factor = 3

    def fn(x: ls.f32["i"], alpha: ls.f32) -> ls.f32["i"]:
        return alpha * x[ls.indices("i")] + factor

    x = data(6)
    np.testing.assert_allclose(evaluate(fn, x, np.float32(2)), 2 * x + 3, rtol=1e-6)
    assert trace(fn).array("alpha").role == "scalar"


# ---- reductions -------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "argmax", "argmin"])
def test_reductions_agree_with_numpy(name):
    from loopstack.frontend import functions

    def fn(x: ls.f64["i j"]):
        i, j = ls.indices("i j")
        return getattr(functions, name)(x[i, j], over=j)

    x = data(4, 6, dtype=np.float64)
    expected = getattr(np, name)(x, axis=1)
    got = evaluate(fn, x)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert got.dtype == expected.dtype


def test_reduction_over_several_indices():
    def fn(x: ls.f64["i j k"]) -> (ls.f64["j"], ls.f64[""]):
        i, j, k = ls.indices("i j k")
        return ls.mean(x[i, j, k], over=(i, k)), ls.sum(x[i, j, k], over=(i, j, k))

    x = data(2, 3, 4, dtype=np.float64)
    mean, total = evaluate(fn, x)
    np.testing.assert_allclose(mean, x.mean((0, 2)))
    np.testing.assert_allclose(total, x.sum())


def test_any_and_all_also_of_nothing():
    def fn(x: ls.f32["i j"]) -> (ls.bool_["i"], ls.bool_["i"]):
        i, j = ls.indices("i j")
        return ls.any(x[i, j] > 1, over=j), ls.all(x[i, j] > -1, over=j)

    for x in (data(6, 4), data(3, 0)):
        some, every = evaluate(fn, x)
        assert (some == (x > 1).any(1)).all()
        assert (every == (x > -1).all(1)).all()


def test_argmax_takes_the_first_of_equals_and_the_first_nan():
    def fn(x: ls.f32["i j"]) -> (ls.i64["i"], ls.i64["i"]):
        i, j = ls.indices("i j")
        return ls.argmax(x[i, j], over=j), ls.argmin(x[i, j], over=j)

    nan, inf = np.nan, np.inf
    x = np.array([[1, 3, 3, 0], [nan, 1, nan, 2], [2, nan, 5, nan], [-inf] * 4, [inf] * 4])
    x = x.astype(np.float32)
    largest, smallest = evaluate(fn, x)
    assert (largest == x.argmax(1)).all()
    assert (smallest == x.argmin(1)).all()


def test_nan_propagates_in_max_and_min():
    def fn(x: ls.f32["i j"]) -> (ls.f32["i"], ls.f32["i"]):
        i, j = ls.indices("i j")
        return ls.max(x[i, j], over=j), ls.min(x[i, j], over=j)

    x = np.array([[1, np.nan, 2], [1, 2, 3]], np.float32)
    np.testing.assert_array_equal(evaluate(fn, x), (x.max(1), x.min(1)))


@pytest.mark.parametrize("length", [0, 1, 5])
def test_cumsum(length):
    def fn(x: ls.f64["i j"]) -> ls.f64["i j"]:
        i, j = ls.indices("i j")
        return ls.cumsum(2 * x[i, j], along=j)

    x = data(3, length, dtype=np.float64)
    np.testing.assert_allclose(evaluate(fn, x), (2 * x).cumsum(1), rtol=1e-12)


def test_sums_of_integers_keep_their_dtype_and_truth_values_count():
    def fn(x: ls.i32["i"]) -> (ls.i32[""], ls.i64[""], ls.f64[""], ls.i64[""]):
        i = ls.indices("i")
        value = x[i]
        return (
            ls.sum(value, over=i),
            ls.sum(value, over=i, dtype=ls.i64),
            ls.mean(value, over=i),
            ls.sum(value > 0, over=i),
        )

    x = np.array([5, -3, 8, 2**30, 2**30], np.int32)
    total, wide, mean, count = evaluate(fn, x)
    assert total == x.sum(dtype=np.int32)
    assert (wide, mean, count) == (x.sum(), x.mean(), 4)


def test_an_index_bound_twice_has_two_scopes():
    def fn(a: ls.f64["i p"], b: ls.f64["i q"]) -> ls.f64["i"]:
        i, t = ls.indices("i t")
        return ls.sum(a[i, t], over=t) * ls.sum(b[i, t], over=t)

    a, b = data(3, 4, dtype=np.float64), data(3, 7, dtype=np.float64)
    np.testing.assert_allclose(evaluate(fn, a, b), a.sum(1) * b.sum(1))


def test_empty_sums_are_zero_and_products_one():
    def fn(x: ls.f32["i j"]) -> (ls.f32["i"], ls.f32["i"]):
        i, j = ls.indices("i j")
        return ls.sum(x[i, j], over=j), ls.prod(x[i, j], over=j)

    total, product = evaluate(fn, data(2, 0))
    assert (total == 0).all()
    assert (product == 1).all()


# ---- extents ----------------------------------------------------------------------------------
def test_a_compound_subscript_gives_the_largest_box():
    def difference(x: ls.f64["n"]) -> ls.f64["i"]:
        i = ls.indices("i")
        return x[i + 1] - x[i]

    def strided(x: ls.f64["n"], w: ls.f64["k"]) -> ls.f64["i"]:
        i, k = ls.indices("i k")
        return ls.sum(x[2 * i + k] * w[k], over=k)

    def upsampled(x: ls.f64["n"]) -> ls.f64["i"]:
        i = ls.indices("i")
        return x[i // 3]

    x, w = data(11, dtype=np.float64), data(3, dtype=np.float64)
    np.testing.assert_allclose(evaluate(difference, x), np.diff(x))
    expected = [x[2 * i : 2 * i + 3] @ w for i in range(5)]
    np.testing.assert_allclose(evaluate(strided, x, w), expected)
    np.testing.assert_allclose(evaluate(upsampled, x), np.repeat(x, 3))


def test_extents_that_only_sizes_can_order_become_a_derived_size():
    def fn(x: ls.f64["n"], w: ls.f64["k"], y: ls.f64["p"]) -> ls.f64["i"]:
        i, k = ls.indices("i k")
        return ls.sum(x[i + k] * w[k], over=k) + y[i]

    program = trace(fn)
    assert [str(d.forms[0]) for d in program.derived] == ["-$k + $n + 1"]
    x, w, short, long = (data(n, dtype=np.float64) for n in (9, 3, 4, 20))
    full = np.correlate(x, w, "valid")
    np.testing.assert_allclose(evaluate(fn, x, w, short), full[:4] + short)
    np.testing.assert_allclose(evaluate(fn, x, w, long), full + long[:7])


def test_given_extents():
    def fn(x: ls.f64["n"]) -> (ls.f64["i"], ls.f64["i"], ls.f64[""]):
        i, k = ls.indices("i k", i=3, k=4)
        return ls.sum(x[i + k], over=k), x[2 - i], ls.sum(1.0, over=k)

    x = data(8, dtype=np.float64)
    windows, backwards, four = evaluate(fn, x)
    np.testing.assert_allclose(windows, [x[i : i + 4].sum() for i in range(3)])
    np.testing.assert_allclose(backwards, x[2::-1])
    assert four == 4


def test_extent_of_an_index_and_sizes_as_values():
    def fn(x: ls.f64["i"], n: ls.size) -> (ls.f64["i"], ls.f64["i"], ls.f64[""]):
        i = ls.indices("i")
        back = x[ls.extent(i) - 1 - i]
        return back, x[i] * n, ls.sum(x[i], over=i) / ls.extent(i)

    x = data(5, dtype=np.float64)
    back, scaled, mean = evaluate(fn, x, n=7)
    np.testing.assert_allclose(back, x[::-1])
    np.testing.assert_allclose(scaled, x * 7)
    np.testing.assert_allclose(mean, x.mean())


def test_sizes_in_dimensions():
    def fn(x: ls.f64["N+1 2*M"], y: ls.f64["3 M"]) -> ls.f64["i j"]:
        i, j = ls.indices("i j")
        return x[i, 2 * j] + y[2, j]

    program = trace(fn)
    assert program.sizes == ("N", "M")
    assert infer_sizes(program, {"x": (5, 6), "y": (3, 3)}) == {"N": 4, "M": 3}
    x, y = data(5, 6, dtype=np.float64), data(3, 3, dtype=np.float64)
    np.testing.assert_allclose(evaluate(fn, x, y), x[:, ::2] + y[2])


# ---- annotations ------------------------------------------------------------------------------
def test_annotations_may_be_strings_or_objects():
    source = (
        "import loopstack as ls\n"
        "def fn(x: ls.f32['n']) -> ls.f32['i']:\n"
        "    return x[ls.indices('i')] + 1\n"
    )
    for future in ("", "from __future__ import annotations\n"):
        scope: dict = {}
        exec(future + source, scope)
        assert trace(scope["fn"]).sizes == ("n",)


def test_the_program_depends_on_nothing_but_the_function():
    assert trace(softmax) == trace(softmax)
    with pytest.raises(ls.FrontendError, match="only while a kernel is traced"):
        ls.exp(1.0)


def test_interpret_checks_shapes():
    with pytest.raises(ls.ShapeError):
        interpret(trace(matmul), {"A": data(2, 3), "B": data(4, 5)})
