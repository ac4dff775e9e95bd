"""What a caller of an affine function reads when sizes, arrays and accesses do not fit."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import loopstack as ls
from loopstack.errors import ShapeError


@ls.affine
def shifted(M: ls.size, N: ls.size, A: ls.f64["N"], B: ls.f64["N+1"]):
    for i in range(M):
        A[i] = B[i + 1]


def line_of(function, offset: int) -> str:
    return f"test_affine_sizes.py:{inspect.getsourcelines(function)[1] + offset}"


def test_bounds_are_checked_with_the_sizes():
    a, b = np.zeros(4), np.arange(5.0)
    shifted(4, 4, a, b)
    assert a.tolist() == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ShapeError) as error:
        shifted(5, 4, a, b)
    place = line_of(shifted.__wrapped__, 3)
    assert str(error.value) == (
        f"shifted: A[i] ({place}) goes beyond its end in dimension 0: needs N >= M, found 4 and 5"
    )
    with pytest.raises(ShapeError, match="needs N >= M"):
        shifted.specialize(M=5, N=4)


@ls.affine
def corner(M: ls.size, N: ls.size, A: ls.f64["N N"]):
    for i in range(M):
        A[i, 3] = 0.0


def test_a_bound_counts_where_its_loop_runs():
    corner(0, 2, np.zeros((2, 2)))
    with pytest.raises(ShapeError, match=r"beyond its end in dimension [01]"):
        corner(1, 2, np.zeros((2, 2)))


def test_sizes_are_checked_against_the_arrays():
    a, b = np.zeros(4), np.zeros(5)
    with pytest.raises(ShapeError) as error:
        shifted(3, 5, a, b)
    assert str(error.value) == ("size N has two extents: 5 (given) and 4 (A dimension 0)")
    with pytest.raises(ls.ArgumentError) as error:
        shifted(3.0, 4, a, b)
    assert str(error.value) == "shifted() needs an integer for size M, found 3.0"
    with pytest.raises(ShapeError) as error:
        shifted(A=a, B=b)
    assert str(error.value) == ("shifted: size M unknown; give M=..., or arrays that carry them")
    with pytest.raises(ShapeError) as error:
        shifted.specialize(M=3, N=4)(3, 5, a, b)
    assert str(error.value) == "shifted is specialised for N=4, found N=5"


def test_overlapping_arrays():
    block = np.zeros(9)
    with pytest.raises(ls.ArgumentError, match="shares memory with argument B"):
        shifted(4, 4, block[:4], block[:5])


def test_not_called_inside_a_kernel():
    @ls.kernel
    def outer(x: ls.f64["n"]) -> ls.f64["n"]:
        shifted(1, 1, x, x)

    with pytest.raises(ls.FrontendError, match="shifted changes A in place"):
        _ = outer.program
