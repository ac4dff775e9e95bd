"""What surrounds a measurement: data, guards, work counts, the oracle, the roofline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from harness.spaces import MATMUL, bound, conv, matmul, softmax

from loopstack.errors import WrongResult
from loopstack.ir.reader import read_program
from loopstack.measure.execute import Workbench
from loopstack.measure.inputs import Guarded, default_inputs
from loopstack.measure.oracle import (
    Expected,
    compute_expected,
    interpret,
    small_program,
    work_per_element,
)
from loopstack.measure.roofline import Roofline
from loopstack.measure.task import MeasureTask
from loopstack.measure.work import byte_count, domain_size, flop_count

TRIANGLE = """
program triangle
sizes n
inout A: f64[$n, $n]
statement S(i, j, k) order 0 0 0 0
  where i; $n - i - 1; j; i - j; k; j - k
  A[i, j] = add(A[i, j], A[j, k])
"""

SOLVE = """
program solve reassociate
sizes n
input L: f64[$n, $n]
inout x: f64[$n]
statement S0(i, j) order 0 0 0
  where i; $n - i - 1; j; i - j - 1
  update sum x[i] = neg(mul(L[i, j], x[j]))
statement S1(i) order 0 1
  where i; $n - i - 1
  x[i] = div(x[i], L[i, i])
"""

COPY = """
program copy
sizes n
input x: i32[$n]
output y: i32[$n]
statement y(i) order 0 0
  where i; $n - i - 1
  y[i] = x[i]
"""


# ---- data ---------------------------------------------------------------------------------------
def test_default_floats_are_between_a_half_and_one_and_a_half() -> None:
    data = default_inputs(matmul(30, 20, 10))
    assert sorted(data) == ["A", "B"]
    assert all(a.min() >= 0.5 and a.max() < 1.5 and a.dtype == np.float32 for a in data.values())


def test_square_matrices_get_a_heavy_diagonal() -> None:
    data = default_inputs(matmul(8, 8, 8))
    assert (np.diag(data["A"]) >= 8.5).all()
    assert (data["A"] - np.diag(np.diag(data["A"]))).max() < 1.5


def test_integers_are_small() -> None:
    data = default_inputs(bound(COPY, n=100))["x"]
    assert data.dtype == np.int32
    assert data.min() >= 0
    assert data.max() < 8


def test_data_is_seeded() -> None:
    first, same, other = (default_inputs(matmul(), seed)["A"] for seed in (1, 1, 2))
    assert (first == same).all()
    assert (first != other).any()


# ---- guarded arrays -----------------------------------------------------------------------------
@pytest.mark.parametrize("strides", [None, (1, 5), (16, 2)])
def test_a_guarded_array_has_its_shape_strides_and_alignment(
    strides: tuple[int, int] | None,
) -> None:
    made = Guarded((5, 7), np.dtype(np.float32), strides)
    assert made.array.shape == (5, 7)
    assert made.array.ctypes.data % 64 == 0
    if strides:
        assert made.array.strides == tuple(4 * s for s in strides)
    made.array[...] = 3.0
    assert made.intact()


@pytest.mark.parametrize("offset", [-1, 0])
def test_a_write_outside_is_noticed(offset: int) -> None:
    made = Guarded((4,), np.dtype(np.float32))
    at = made._start - 1 if offset else made._end
    made._block[at] = 0
    assert not made.intact()


def test_arrays_without_elements_are_possible() -> None:
    assert Guarded((0, 3), np.dtype(np.float64)).array.size == 0


def test_a_bench_notices_a_changed_input() -> None:
    bench = Workbench(matmul())
    assert bench.damage() is None
    bench.arrays["A"][0, 0] = 99.0
    assert bench.damage() == "wrote to input array 'A'"
    bench.reset()
    assert bench.damage() is None


def test_a_bench_notices_a_write_outside() -> None:
    bench = Workbench(matmul())
    bench._slots["C"]._block[0] = 1
    assert bench.damage() == "wrote outside array 'C'"


def test_outputs_are_poisoned() -> None:
    bench = Workbench(matmul())
    assert np.isnan(bench.results["C"]).all()
    assert bench.restore == []


def test_in_place_arrays_are_restored_from_a_copy() -> None:
    bench = Workbench(bound(TRIANGLE, n=6))
    ((target, source, size),) = bench.restore
    assert target == bench.arrays["A"].ctypes.data != source
    assert size == 6 * 6 * 8


# ---- work ---------------------------------------------------------------------------------------
def test_a_product_does_two_operations_a_point() -> None:
    assert flop_count(matmul(3, 4, 5)) == 2 * 3 * 4 * 5
    assert byte_count(matmul(3, 4, 5)) == 4 * (15 + 20 + 12)


def test_padding_and_window_do_not_confuse_the_count() -> None:
    assert flop_count(conv(2, 3, 4, 5)) == 2 * (2 * 4 * 5) * (3 * 3 * 3)


def test_a_triangle_is_counted_exactly() -> None:
    program = bound(TRIANGLE, n=10)
    points = sum(1 for i in range(10) for j in range(i + 1) for _ in range(j + 1))
    assert domain_size(program.statements[0]) == points


def test_a_large_triangle_is_estimated() -> None:
    (statement,) = bound(TRIANGLE, n=1000).statements
    assert domain_size(statement) == pytest.approx(1000**3 / 6, rel=0.05)


def test_an_empty_domain_has_no_points() -> None:
    assert domain_size(matmul(0, 4, 5).statements[0]) == 0.0


# ---- the oracle ---------------------------------------------------------------------------------
def expected(m: int = 4) -> tuple[Expected, dict[str, np.ndarray]]:
    program = matmul(m, 5, 6)
    data = default_inputs(program)
    return interpret(program, data), {"C": data["A"] @ data["B"]}


def test_a_right_result_is_accepted() -> None:
    oracle, found = expected()
    oracle.compare(found)


def test_a_wrong_element_is_named() -> None:
    oracle, found = expected()
    found["C"][2, 3] += 0.01
    with pytest.raises(WrongResult, match=r"^C\[2, 3\] is .*, expected .* within .* differ"):
        oracle.compare(found)


def test_what_is_expected_survives_a_file(tmp_path: Path) -> None:
    oracle, found = expected()
    oracle.save(tmp_path / "expected.npz")
    again = Expected.load(tmp_path / "expected.npz")
    again.compare(found)
    np.testing.assert_array_equal(again.bounds["C"], oracle.bounds["C"])


def test_small_sizes_are_cut_from_the_given_ones() -> None:
    task = MeasureTask(MATMUL, {"m": 512, "n": 3, "k": 64}, "avx2")
    small = small_program(task)
    assert small is not None
    assert [[f.const for f in a.shape] for a in small.arrays] == [[9, 9], [9, 3], [9, 3]]


def test_rounding_grows_with_the_work_per_element() -> None:
    assert work_per_element(matmul(3, 4, 5)) == 5.0
    assert work_per_element(softmax(3, 4)) == 4.0 + 1.0 + 4.0 + 1.0


def test_recurrences_may_amplify_rounding() -> None:
    n = 2000
    task = MeasureTask(SOLVE, {"n": n}, "avx2")
    i, j = np.ogrid[:n, :n]
    data = {"L": np.where(j <= i, (i + n - j + 1) * 2 / n, 0.0), "x": np.arange(n) * 1.0}
    expected = compute_expected(task, Workbench(task.bound, data))
    other = data["x"].copy()
    for row in range(n):
        other[row] = (other[row] - data["L"][row, :row] @ other[:row]) / data["L"][row, row]
    expected.compare({"x": other})
    with pytest.raises(WrongResult):
        expected.compare({"x": other * (1 + 1e-7)})


def test_a_task_binds_its_program() -> None:
    task = MeasureTask(MATMUL, {"m": 2, "n": 3, "k": 4}, "avx2")
    assert task.bound == read_program(MATMUL).bind({"m": 2, "n": 3, "k": 4})


# ---- the roofline -------------------------------------------------------------------------------
def test_a_compute_bound_kernel() -> None:
    limits = Roofline(1e9, 1000, "L2", 100.0, 50.0, 2e7)
    assert limits.binding == "compute"
    assert limits.line() == (
        "limited by arithmetic (100 GFLOP/s measured FMA peak): runs at 50 % of it"
    )


def test_a_memory_bound_kernel() -> None:
    limits = Roofline(1e3, 1_000_000, "L3", 100.0, 50.0, 40_000.0)
    assert limits.binding == "L3"
    assert limits.line() == "limited by L3 bandwidth (50 GB/s measured copy): runs at 50 % of it"
