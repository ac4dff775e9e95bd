"""einsum programs against numpy.einsum: results, dtypes and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from harness.tracing import interpret
from hypothesis import given
from hypothesis import strategies as st

import loopstack as ls
from loopstack.frontend.einsum import program_of
from loopstack.ir.operators import DTYPE_OF_NUMPY
from loopstack.ir.printer import print_program


def program(subscripts, operands):
    dtypes = [DTYPE_OF_NUMPY[str(x.dtype)] for x in operands]
    return program_of(subscripts, dtypes, shapes=[x.shape for x in operands])


def einsum(subscripts, *operands):
    arrays = {f"x{n}": x for n, x in enumerate(operands)}
    return interpret(program(subscripts, operands), arrays)


def operands(*shapes, dtype=np.float64):
    rng = np.random.default_rng(3)
    return [rng.normal(size=s).astype(dtype) for s in shapes]


ACCEPTED = {
    "ij,jk->ik": [(2, 3), (3, 4)],
    "ij,jk": [(2, 3), (3, 4)],
    "bij,bjk->bik": [(5, 2, 3), (5, 3, 4)],
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "iij->ji": [(3, 3, 2)],
    "ba": [(2, 3)],
    "Ba": [(2, 3)],
    "i,j": [(3,), (4,)],
    "i,": [(3,), ()],
    ",->": [(), ()],
    "": [()],
    "ij->": [(2, 3)],
    "ij->j": [(2, 3)],
    " i j , j k -> i k ": [(2, 3), (3, 4)],
    "...ij,...jk->...ik": [(5, 1, 2, 3), (4, 3, 2)],
    "...,...": [(2, 1), (3,)],
    "i...->i...": [(2, 3, 4)],
    "i...,...->...i": [(2, 3), (3,)],
    "i->i...": [(3,)],
    "...ij->...": [(2, 3)],
    "i,i->i": [(1,), (3,)],
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 2)],
    "ij,jk,kl,lm->mi": [(2, 3), (3, 4), (4, 2), (2, 5)],
    "i,j,k->": [(2,), (3,), (4,)],
    "ij,k->k": [(2, 3), (4,)],
    "ij,jk,k": [(2, 3), (3, 1), (4,)],
    "i,i": [(0,), (1,)],
    "ij,jk->ik ": [(0, 3), (3, 2)],
    "ij,jk->ki": [(2, 0), (0, 3)],
}

REFUSED = {
    "ij,j": [(2, 3)],
    "i,j->ij": [(3,)],
    "ij": [(3,)],
    "i": [(3, 4)],
    "i1": [(2, 3)],
    "ij->i->": [(2, 3)],
    "ij.->i": [(2, 3)],
    "i..j": [(2, 3)],
    "......": [(2,)],
    "ij->ijk": [(2, 3)],
    "->i": [()],
    "ij->ii": [(2, 3)],
    "i...->i": [(2, 3)],
    "...,i->i": [(2, 3), (4,)],
    "ij,j->i": [(2, 3), (4,)],
    "ii": [(3, 2)],
    "ii->i": [(1, 3)],
    "...,...->...": [(2,), (3,)],
}


@pytest.mark.parametrize("subscripts", ACCEPTED)
def test_accepted_like_numpy(subscripts):
    arrays = operands(*ACCEPTED[subscripts])
    expected = np.einsum(subscripts, *arrays)
    got = einsum(subscripts, *arrays)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("subscripts", REFUSED)
def test_refused_like_numpy(subscripts):
    arrays = operands(*REFUSED[subscripts])
    with pytest.raises(ValueError):  # noqa: PT011
        np.einsum(subscripts, *arrays)
    with pytest.raises(ls.ArgumentError):
        einsum(subscripts, *arrays)


TERMS = st.lists(st.text("abcd", max_size=3), min_size=1, max_size=4)


@given(TERMS, st.data())
def test_random_subscripts(terms, data):
    letters = sorted(set("".join(terms)))
    extents = {c: data.draw(st.integers(0, 3), label=c) for c in letters}
    output = data.draw(st.lists(st.sampled_from(letters), unique=True) if letters else st.just([]))
    arrays = operands(*(tuple(extents[c] for c in term) for term in terms))
    explicit = data.draw(st.booleans())
    subscripts = ",".join(terms) + ("->" + "".join(output) if explicit else "")
    expected = np.einsum(subscripts, *arrays)
    np.testing.assert_allclose(einsum(subscripts, *arrays), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.float32, np.float32),
        (np.float32, np.float64),
        (np.int32, np.float32),
        (np.int32, np.int64),
        (np.bool_, np.int32),
        (np.bool_, np.bool_),
    ],
)
def test_dtypes_are_those_of_numpy(left, right):
    a = (operands((3, 4))[0] * 3).astype(left)
    b = (operands((4, 2))[0] * 3).astype(right)
    expected = np.einsum("ij,jk->ik", a, b)
    got = einsum("ij,jk->ik", a, b)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_a_chain_contracts_pairwise_by_cost():
    shapes = [(2, 50), (50, 60), (60, 1)]
    text = print_program(program("ij,jk,kl->il", operands(*shapes)))
    assert "reduce sum sum[j, l] = mul(x1[j, k], x2[k, l])" in text
    assert "reduce sum out[i, l] = mul(x0[i, j], sum[j, l])" in text


def test_one_program_serves_every_shape_with_ones_at_the_same_places():
    first = program("ij,jk->ik", operands((2, 3), (3, 4)))
    assert first == program("ij,jk->ik", operands((5, 6), (6, 7)))
    assert first == program_of("ij,jk->ik", ["f64", "f64"], [2, 2])


def test_messages():
    arrays = operands((2, 3), (4, 5))
    with pytest.raises(ls.ShapeError) as error:
        einsum("ij,jk->ik", *arrays)
    assert str(error.value) == (
        "einsum: index j has two extents: 3 (operand 0 dimension 1) and 4 (operand 1 dimension 0)"
    )
    with pytest.raises(ls.ArgumentError) as error:
        einsum("ij->ik", arrays[0])
    assert str(error.value) == "einsum 'ij->ik': output index k is in no operand"
