"""Error bounds: true for what a kernel may do, and small enough to catch what it may not."""

from __future__ import annotations

import numpy as np
import pytest
from harness import programs
from harness.inputs import inputs, small_integers
from harness.programs import access, array, box, load, op

from loopstack.ir.expr import Const, Op
from loopstack.ir.program import Program, Statement
from loopstack.reference.interpreter import run
from loopstack.reference.tolerance import bound, compare, reference


def elementwise(expr, *arguments):
    statement = Statement("out", ("i",), box(i="n"), access("out", "i"), expr, None, (0, 0))
    out = array("out", "n", "output", expr.dtype)
    return Program("p", ("n",), (*arguments, out), (statement,))


@pytest.mark.parametrize("make", [programs.matmul, programs.softmax, programs.jacobi_1d])
def test_a_faithful_run_is_within_the_bound(make):
    program = make().bind(dict.fromkeys(make().sizes, 17))
    data = inputs(program)
    faithful = run(program, data, "faithful")
    for name, (expected, error) in reference(program, data).items():
        assert compare(faithful[name], expected, error) is None
        assert np.isfinite(error).all()


def test_the_bound_of_a_sum_grows_with_its_length_and_magnitude():
    program = programs.matmul()
    short, long = program.bind({"m": 1, "n": 1, "k": 10}), program.bind({"m": 1, "n": 1, "k": 1000})
    ones = {"A": np.ones((1, 10), np.float32), "B": np.ones((10, 1), np.float32)}
    many = {"A": np.ones((1, 1000), np.float32), "B": np.ones((1000, 1), np.float32)}
    u = 2.0**-24
    assert 10 * 10 * u < bound(short, ones)["C"][0, 0] < 14 * 10 * u
    assert 1000 * 1000 * u < bound(long, many)["C"][0, 0] < 1010 * 1000 * u
    many["A"][:, ::2] = -1.0  # cancellation: the sum is 0, the bound is not
    assert bound(long, many)["C"][0, 0] > 1000 * 1000 * u


def test_a_reversed_sum_is_within_the_bound_and_a_lost_term_is_not():
    program = programs.matmul().bind({"m": 4, "n": 5, "k": 300})
    data = inputs(program)
    expected, error = reference(program, data)["C"]
    backwards = sum(
        (data["A"][:, k : k + 1] * data["B"][k : k + 1] for k in reversed(range(300))),
        np.zeros((4, 5), np.float32),
    )
    assert compare(backwards, expected, error) is None
    lost = data["A"][:, 1:] @ data["B"][1:]
    assert compare(lost, expected, error) is not None


def test_exp_widens_with_its_argument_error():
    total = op("sub", load("x", "i"), load("y", "i"))
    program = elementwise(op("exp", total), array("x", "n", "input"), array("y", "n", "input"))
    data = {"x": np.float32([1000.5]), "y": np.float32([1000.0])}
    (error,) = bound(program.bind({"n": 1}), data)["out"]
    assert 4 * 2.0**-24 < error < 20 * 2.0**-24
    data = {"x": np.float32([88.0]), "y": np.float32([0.1])}
    expected, error = reference(program.bind({"n": 1}), data)["out"]
    assert error[0] > 80 * 2.0**-24 * expected[0]


def test_an_uncertain_condition_allows_either_side():
    third = op("div", load("x", "i"), Const(3.0, "f32"))
    condition = Op("lt", (op("mul", third, Const(3.0, "f32")), load("x", "i")), "bool_")
    expr = Op("select", (condition, Const(1.0, "f32"), Const(5.0, "f32")), "f32")
    program = elementwise(expr, array("x", "n", "input")).bind({"n": 1})
    assert bound(program, {"x": np.float32([0.7])})["out"][0] == pytest.approx(4.0)


def test_a_certain_floor_is_exact_and_an_uncertain_one_is_one_off():
    expr = op("floor", op("mul", load("x", "i"), Const(0.1, "f32")))
    program = elementwise(expr, array("x", "n", "input")).bind({"n": 2})
    certain, uncertain = bound(program, {"x": np.float32([15.0, 30.0])})["out"]
    assert certain < 1e-6
    assert uncertain >= 1.0


def test_integers_are_exact():
    expr = op("mul", load("x", "i", "i32"), load("x", "i", "i32"))
    program = elementwise(expr, array("x", "n", "input", "i32")).bind({"n": 5})
    assert not bound(program, inputs(program, small_integers))["out"].any()


def test_infinite_results_have_no_tolerance():
    program = elementwise(op("exp", load("x", "i")), array("x", "n", "input")).bind({"n": 3})
    x = np.float32([np.inf, -np.inf, 1e4])
    expected, error = reference(program, {"x": x})["out"]
    np.testing.assert_array_equal(expected, np.float32([np.inf, 0, np.inf]))
    assert error[1] < 1e-40
    assert not error[[0, 2]].any()


def test_compare_special_values():
    zero = np.zeros(1)

    def same(actual, expected, error=zero):
        return compare(np.float32([actual]), np.float32([expected]), error) is None

    assert same(np.nan, np.nan)
    assert same(np.inf, np.inf)
    assert same(-0.0, 0.0)
    assert not same(np.inf, -np.inf)
    assert not same(np.nan, 1.0)
    assert not same(1.0, np.nan)
    assert not same(1e38, np.inf)
    assert not same(np.inf, 1e38)
    assert same(np.inf, 3.4e38, np.array([1e37]))  # the bound leaves the dtype's range


def test_the_first_mismatch_is_described():
    actual, expected = np.float32([[1, 2], [3, 4]]), np.float32([[1, 2], [3.5, 5]])
    mismatch = compare(actual, expected, np.full((2, 2), 0.25))
    assert str(mismatch) == "[1, 0] is 3.0, expected 3.5 within 0.25 (2 elements differ)"


def test_compare_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"expected float32\(2,\), found float32\(3,\)"):
        compare(np.zeros(3, np.float32), np.zeros(2, np.float32), np.zeros(()))
