"""``expand`` of an output array: every iteration has its own, callers see the last one's values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import loopstack as ls
from loopstack.errors import ArgumentError, IllegalSchedule

SIZES = {"R": 5, "P": 7}


@ls.affine(reassociate=True)
def rows_times(R: ls.size, P: ls.size, A: ls.f64["R P"], C: ls.f64["P P"], t: ls.f64["P"]):
    for r in range(R):
        for p in range(P):
            t[p] = 0.0
            for s in range(P):
                t[p] += A[r, s] * C[s, p]
        for p in range(P):
            A[r, p] = t[p]


@ls.affine
def running(R: ls.size, P: ls.size, A: ls.f64["R P"], t: ls.f64["P"]):
    for r in range(R):
        for p in range(P):
            t[p] = t[p] + A[r, p]


@ls.affine
def narrowing(R: ls.size, P: ls.size, A: ls.f64["R P"], t: ls.f64["P"]):
    for r in range(R):
        for p in range(r, P):
            t[p] = A[r, p]


@ls.affine
def used_later(R: ls.size, P: ls.size, A: ls.f64["R P"], t: ls.f64["P"], y: ls.f64["P"]):
    for r in range(R):
        for p in range(P):
            t[p] = A[r, p]
    for p in range(P):
        y[p] = t[p]


def first_statement(function: Any) -> str:
    return str(function.program.statements[0].name)


@pytest.mark.parametrize("more", ["", "distribute {0}.p\ndistribute {0}.r\n"])
def test_last_values_reach_the_caller(more: str) -> None:
    rng = np.random.default_rng(1)
    a, c = rng.standard_normal((5, 7)), rng.standard_normal((7, 7))
    name = first_statement(rows_times)
    script = f"schedule 1\nexpand t at {name}.r -> u\n{more.format(name)}"
    found, t = a.copy(), np.full(7, np.nan)
    rows_times.specialize(**SIZES).with_schedule(script)(found, c, t)
    np.testing.assert_allclose(found, a @ c, rtol=1e-12)
    np.testing.assert_allclose(t, (a @ c)[-1], rtol=1e-12)


def test_default_schedule_uses_it_where_it_makes_a_product() -> None:
    sizes = {"R": 300, "P": 160}
    kernel = rows_times.specialize(**sizes)
    assert "expand t at" in str(kernel.schedule)
    rng = np.random.default_rng(2)
    a, c = rng.standard_normal((300, 160)), rng.standard_normal((160, 160))
    found, t = a.copy(), np.zeros(160)
    kernel(found, c, t)
    np.testing.assert_allclose(found, a @ c, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(t, found[-1], rtol=0)


def refused(function: Any, suffix: str = " -> u") -> str:
    kernel = function.specialize(**SIZES)
    script = f"schedule 1\nexpand t at {first_statement(function)}.r{suffix}\n"
    with pytest.raises((ArgumentError, IllegalSchedule)) as caught:
        kernel.with_schedule(script)
    return str(caught.value).splitlines()[-1].strip()


def test_values_that_pass_between_iterations() -> None:
    assert refused(running).startswith("flow dependence: t passes a value of t on to t at distance")


@pytest.mark.parametrize("function", [narrowing])
def test_iterations_that_write_different_elements(function: Any) -> None:
    assert refused(function) == (
        "expand needs every iteration to write all of t before it is read, "
        "since callers see its last values"
    )


def test_values_read_behind_the_loop() -> None:
    assert "flow dependence" in refused(used_later)


def test_an_output_needs_a_new_name() -> None:
    assert refused(rows_times, "") == "expand needs a temporary (there is none), found t"
