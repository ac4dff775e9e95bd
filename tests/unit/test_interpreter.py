"""The oracle itself, against NumPy and plain Python loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from harness import programs
from harness.inputs import inputs, random_floats, small_integers, special_values
from harness.programs import access, array, box, forms, load, op

from loopstack.ir.affine import name
from loopstack.ir.expr import Const, IndexValue, Op
from loopstack.ir.program import Array, Program, Reduction, Statement
from loopstack.reference.domain import interval_box, points
from loopstack.reference.interpreter import TooManyInstances, run

MODES = ("exact", "faithful")


def one(expr, shape="n", dtype=None, arguments=(), reduction=None, write="i", domain=None):
    """Return a program with the single statement out[write] = expr over i < n."""
    statement = Statement(
        "out", ("i",), domain or box(i="n"), access("out", write), expr, reduction, (0, 0)
    )
    out = array("out", shape, "output", dtype or expr.dtype)
    return Program("one", ("n",), (*arguments, out), (statement,))


# ---- domains ----------------------------------------------------------------------------------
def test_points_of_a_triangle_are_in_lexicographic_order():
    columns = points(forms("i 3-i j i-j"), ("i", "j"))
    found = list(zip(columns["i"].tolist(), columns["j"].tolist(), strict=True))
    assert found == [(i, j) for i in range(4) for j in range(i + 1)]


def test_points_bounded_by_a_floor_division():
    # 0 <= i <= 9, j == floor(i / 3)
    j_low, j_high = name("j") - name("i") // 3, name("i") // 3 - name("j")
    columns = points((*forms("i 9-i"), j_low, j_high), ("i", "j"))
    assert columns["j"].tolist() == [i // 3 for i in range(10)]


def test_interval_box_uses_bounds_of_inner_indices():
    assert interval_box(forms("i-j j 5-i"), ("i", "j")) == {"i": (0, 5), "j": (0, 5)}
    assert interval_box(forms("i -1-i"), ("i",)) is None


def test_an_unbounded_index_is_named():
    with pytest.raises(ValueError, match="index i has no constant bounds"):
        interval_box(forms("i"), ("i",))


# ---- programs ---------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("m", "n", "k"), [(3, 5, 7), (1, 1, 1), (0, 2, 3), (2, 0, 3), (2, 3, 0)])
def test_matmul_of_small_integers_is_exact(mode, m, n, k):
    program = programs.matmul().bind({"m": m, "n": n, "k": k})
    data = inputs(program, small_integers)
    np.testing.assert_array_equal(run(program, data, mode)["C"], data["A"] @ data["B"])


def test_exact_rounds_a_sum_once():
    program = programs.matmul().bind({"m": 1, "n": 1, "k": 3})
    a = np.array([[2.0**24, 1.0, 1.0]], np.float32)
    b = np.ones((3, 1), np.float32)
    assert run(program, {"A": a, "B": b})["C"] == 2.0**24 + 2
    assert run(program, {"A": a, "B": b}, "faithful")["C"] == 2.0**24


@pytest.mark.parametrize("mode", MODES)
def test_softmax(mode):
    program = programs.softmax().bind({"i": 4, "j": 9})
    data = inputs(program)
    e = np.exp(data["x"].astype(np.float64) - data["x"].max(1, keepdims=True))
    found = run(program, data, mode)["out"]
    np.testing.assert_allclose(found, e / e.sum(1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_statements_that_share_a_time_loop(mode):
    program = programs.jacobi_1d().bind({"T": 5, "N": 12})
    data = inputs(program)
    a, b = data["A"].copy(), data["B"].copy()
    for _ in range(5):
        b[1:-1] = 0.33333 * (a[:-2] + a[1:-1] + a[2:])
        a[1:-1] = 0.33333 * (b[:-2] + b[1:-1] + b[2:])
    found = run(program, data, mode)
    np.testing.assert_allclose(found["A"], a, rtol=1e-14)
    np.testing.assert_allclose(found["B"], b, rtol=1e-14)


def test_in_place_triangular_statements():
    program = programs.lu().bind({"N": 7})
    start = inputs(program)["A"] + 8 * np.eye(7)
    a = start.copy()
    for k in range(7):
        for i in range(k + 1, 7):
            a[i, k] = a[i, k] / a[k, k]
        for i in range(k + 1, 7):
            for j in range(k + 1, 7):
                a[i, j] = a[i, j] - a[i, k] * a[k, j]
    np.testing.assert_array_equal(run(program, {"A": start}, "faithful")["A"], a)


def test_an_in_place_recurrence_runs_in_order():
    previous = load("x", "i-1", "f64")
    statement = Statement(
        "S",
        ("i",),
        forms("i-1 $n-1-i"),
        access("x", "i"),
        op("add", previous, load("x", "i", "f64")),
    )
    program = Program("scan", ("n",), (array("x", "n", "inout", "f64"),), (statement,))
    x = np.arange(10.0)
    np.testing.assert_array_equal(run(program.bind({"n": 10}), {"x": x})["x"], np.cumsum(x))
    np.testing.assert_array_equal(x, np.arange(10.0))  # arguments are never changed


def test_last_of_several_writes_wins():
    program = one(load("x", "i"), shape="", write="", arguments=(array("x", "n", "input"),))
    assert run(program.bind({"n": 4}), {"x": np.arange(4, dtype=np.float32)})["out"] == 3


def test_floor_division_in_a_subscript():
    program = programs.repeat_rows().bind({"n": 3})
    x = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(run(program, {"x": x})["out"], np.repeat(x, 2))


def test_pad_then_exp_uses_the_value_at_the_border():
    program = programs.pad_then_exp().bind({"n": 3})
    found = run(program, {"x": np.zeros(3, np.float32)})["out"]
    np.testing.assert_allclose(found, np.exp(np.array([2, 0, 0, 0, 2.0])), rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_a_reduction_over_a_triangle(mode):
    statement = Statement(
        "out", ("i", "j"), forms("i $n-1-i j i-j"), access("out", "i"), load("x", "j"),
        Reduction("sum"),
    )  # fmt: skip
    arrays = (array("x", "n", "input"), array("out", "n", "output"))
    program = Program("prefix", ("n",), arrays, (statement,)).bind({"n": 6})
    x = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(run(program, {"x": x}, mode)["out"], np.cumsum(x))


def test_an_empty_sum_is_written():
    program = programs.scaled_sum().bind({"n": 0})
    data = {"x": np.zeros(0, np.float32), "alpha": np.float32(3)}
    assert run(program, data)["out"] == 0


def test_existing_continues_from_memory():
    source = programs.matmul()
    statement = replace(source.statements[0], reduction=Reduction("sum", "existing"))
    arrays = (*source.arrays[:2], replace(source.arrays[2], role="inout"))
    program = replace(source, arrays=arrays, statements=(statement,)).bind({"m": 2, "n": 2, "k": 3})
    data = inputs(program, small_integers)
    np.testing.assert_array_equal(run(program, data)["C"], data["C"] + data["A"] @ data["B"])


def test_what_nothing_writes_is_poisoned():
    program = one(Const(1.0, "f32"), domain=forms("i $n-2-i")).bind({"n": 3})
    np.testing.assert_array_equal(run(program, {})["out"], np.float32([1, 1, np.nan]))


# ---- scalars ----------------------------------------------------------------------------------
BINARY = ("add", "sub", "mul", "maximum", "minimum")
NUMPY_OF = {"add": "add", "sub": "subtract", "mul": "multiply"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["i32", "i64", "f32", "f64"])
@pytest.mark.parametrize("operator", [*BINARY, "div", "floordiv", "mod"])
def test_binary_operators_agree_with_numpy_on_special_values(mode, dtype, operator):
    is_float = dtype[0] == "f"
    if (operator == "div") != is_float and operator in ("div", "floordiv", "mod"):
        return
    arguments = (array("x", "n", "input", dtype), array("y", "n", "input", dtype))
    expr = op(operator, load("x", "i", dtype), load("y", "i", dtype))
    program = one(expr, arguments=arguments).bind({"n": 200})
    data = inputs(program, special_values)
    with np.errstate(all="ignore"):
        numpy_name = {**NUMPY_OF, "div": "divide", "floordiv": "floor_divide", "mod": "remainder"}
        wanted = getattr(np, numpy_name.get(operator, operator))(data["x"], data["y"])
    np.testing.assert_array_equal(run(program, data, mode)["out"], wanted)


@pytest.mark.parametrize("operator", ["neg", "abs", "sqrt", "exp", "floor"])
def test_unary_operators_agree_with_numpy_on_special_values(operator):
    arguments = (array("x", "n", "input"),)
    program = one(op(operator, load("x", "i")), arguments=arguments).bind({"n": 200})
    data = inputs(program, special_values)
    with np.errstate(all="ignore"):
        names = {"neg": "negative", "abs": "absolute"}
        wanted = getattr(np, names.get(operator, operator))(data["x"])
    np.testing.assert_allclose(run(program, data)["out"], wanted, rtol=2e-7)


def test_where_over_indices_and_casts():
    condition = Op("ge", (IndexValue(name("i")), Const(2, "i64")), "bool_")
    value = Op("cast", (IndexValue(name("i") * 3 + 1),), "f32")
    program = one(Op("select", (condition, value, Const(-1.0, "f32")), "f32")).bind({"n": 4})
    np.testing.assert_array_equal(run(program, {})["out"], np.float32([-1, -1, 7, 10]))


def test_integer_index_arithmetic_beyond_f32():
    value = op("add", IndexValue(name("i")), Const(2**24, "i64"))
    program = one(value).bind({"n": 3})
    assert run(program, {})["out"].tolist() == [2**24, 2**24 + 1, 2**24 + 2]


def test_a_max_over_negative_infinities():
    expr, arguments = load("x", "i"), (array("x", "n", "input"),)
    program = one(expr, shape="", write="", arguments=arguments, reduction=Reduction("max"))
    assert run(program.bind({"n": 3}), {"x": np.full(3, -np.inf, np.float32)})["out"] == -np.inf


@pytest.mark.parametrize("mode", MODES)
def test_subnormals_survive(mode):
    expr = op("mul", load("x", "i"), Const(0.1, "f32"))
    program = one(expr, arguments=(array("x", "n", "input"),)).bind({"n": 1})
    assert run(program, {"x": np.float32([1e-38])}, mode)["out"][0] == np.float32(
        1e-38
    ) * np.float32(0.1)


def test_overflow_happens_in_the_declared_dtype():
    x = load("x", "i")
    expr = op("div", op("mul", x, x), op("mul", x, x))
    program = one(expr, arguments=(array("x", "n", "input"),)).bind({"n": 1})
    assert np.isnan(run(program, {"x": np.float32([1e30])})["out"][0])


# ---- refusals ---------------------------------------------------------------------------------
def test_refusals():
    program = programs.matmul()
    with pytest.raises(ValueError, match="bind the sizes of matmul first: m, k, n"):
        run(program, {})
    bound = program.bind({"m": 2, "n": 2, "k": 2})
    with pytest.raises(ValueError, match="no array for input A"):
        run(bound, {})
    wrong = {"A": np.zeros((2, 3), np.float32), "B": np.zeros((2, 2), np.float32)}
    with pytest.raises(ValueError, match=r"A wants float32\(2, 2\), found float32\(2, 3\)"):
        run(bound, wrong)


def test_an_access_outside_its_array_is_an_error():
    program = one(load("x", "i-1"), arguments=(array("x", "n", "input"),)).bind({"n": 3})
    with pytest.raises(IndexError, match=r"x\[i - 1\] leaves its array"):
        run(program, {"x": np.zeros(3, np.float32)})


def test_too_many_instances_in_order():
    statement = Statement("S", ("i",), box(i="n"), access("x"), op("mul", load("x"), load("x")))
    program = Program("p", ("n",), (Array("x", "f32", (), "inout"),), (statement,))
    with pytest.raises(TooManyInstances, match="S: 2000000 instances, at most 1000000"):
        run(program.bind({"n": 2_000_000}), {"x": np.float32(1)})


def test_a_large_box_is_cut_into_pieces(monkeypatch):
    from loopstack.reference import interpreter

    monkeypatch.setattr(interpreter, "_CHUNK_INSTANCES", 64)
    program = programs.matmul().bind({"m": 9, "n": 5, "k": 6})
    data = inputs(program, random_floats)
    wanted = (data["A"].astype(np.float64) @ data["B"]).astype(np.float32)
    np.testing.assert_array_equal(run(program, data)["C"], wanted)
