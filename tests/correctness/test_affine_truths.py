"""Truth values in affine bodies: constants, and choices between them, as plain Python has them."""

from __future__ import annotations

import numpy as np
import pytest

import loopstack as ls

YES = True
NUMPY_YES = np.bool_(True)
NUMPY_NO = np.bool_(False)


def added(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = A[i] * 0.5 + YES + NUMPY_YES


def stored(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = True


def stored_as_integers(N: ls.size, A: ls.i32["N"]):
    for i in range(N):
        A[i] = A[i] + NUMPY_YES


def both(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = 1.0 if A[i] > 0 and YES else 2.0


def equal(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = 1.0 if (A[i] > 0) == (A[i] < 0.5) else 2.0


def different(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = 1.0 if (A[i] > 0) != YES else 2.0


def chosen(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = (A[i] < 0.5 if A[i] > 0 else YES) + 1


def of_tests(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        if NUMPY_YES:
            A[i] = 3.0 * A[i]
        if NUMPY_NO:
            A[i] = 5.0


FUNCTIONS = (added, stored, stored_as_integers, both, equal, different, chosen, of_tests)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [1, 37])
def test_as_python(function, n: int) -> None:
    given = np.random.default_rng(1).standard_normal(n) * 2
    given = given.astype("i4") if function is stored_as_integers else given
    wanted, found = given.copy(), given.copy()
    function(n, wanted)
    ls.affine(function)(n, found)
    np.testing.assert_array_equal(found, wanted)


def test_traced_choice_of_constants() -> None:
    @ls.kernel
    def kernel(A: ls.f64["n"]) -> ls.f64["n"]:
        (n,) = ls.indices("n")
        return ls.where(True, A[n] + True, 0.0)

    np.testing.assert_array_equal(kernel(np.arange(9.0)), np.arange(9.0) + 1)
