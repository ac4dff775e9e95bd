"""``ls.einsum`` against ``numpy.einsum``."""

from __future__ import annotations

import numpy as np
import pytest

import loopstack as ls

EXTENT = {"a": 2, "b": 3, "i": 5, "j": 7, "k": 4, "l": 9, "m": 1, "z": 0}
SUBSCRIPTS = (
    "ij,jk->ik", "ij,kj->ik", "ji,jk->ik", "ij,jk->ki", "bij,bjk->bik", "bij,jk->bik",
    "i,i->", "i,j->ij", "ij,ij->", "ij->i", "ij->j", "ij->ji", "ij->", "i,ij,j->",
    "ij,jk,kl->il", "ab,bi,ij,jk->ak", "bijk,bk->bij", "abij,abjk->abik", "im,mj->ij",
    "iz,zj->ij", "zi,ij->zj", "ij,j", "ij", "ba", "ij,jk", "i,i", "ii->i", "ii->", "iij,j->i",
    "ijk,ilk->ijl", "abi,bai->ab",
)  # fmt: skip
ELLIPSES = (
    ("...ij,...jk->...ik", ((2, 3, 4, 5), (2, 3, 5, 6))),
    ("...ij,...jk->...ik", ((3, 4, 5), (5, 6))),
    ("...ij,...jk->...ik", ((2, 1, 4, 5), (3, 5, 6))),
    ("...i->...", ((2, 3, 4),)),
    ("i...,i...->...", ((4, 2), (4, 2))),
)


def _operands(subscripts: str, dtype) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [[EXTENT[c] for c in part] for part in subscripts.split("->")[0].split(",")]
    return [rng.integers(-4, 5, shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("subscripts", SUBSCRIPTS)
def test_small_integers_are_exact(subscripts):
    for dtype in (np.float32, np.float64, np.int32, np.int64):
        operands = _operands(subscripts, dtype)
        found = ls.einsum(subscripts, *operands)
        wanted = np.einsum(subscripts, *operands)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("subscripts", "shapes"), ELLIPSES)
def test_ellipsis_broadcasts(subscripts, shapes):
    rng = np.random.default_rng(0)
    operands = [rng.integers(-4, 5, shape).astype(np.float32) for shape in shapes]
    np.testing.assert_array_equal(
        ls.einsum(subscripts, *operands), np.einsum(subscripts, *operands)
    )


def test_strided_operands():
    rng = np.random.default_rng(0)
    a = rng.integers(-4, 5, (10, 12)).astype(np.float32)
    x, y = a[::2, 1::3], a[:8, :5].T
    np.testing.assert_array_equal(ls.einsum("ij,kl->ik", x, y), np.einsum("ij,kl->ik", x, y))


def test_torch_operands():
    torch = pytest.importorskip("torch")
    x, y = torch.ones(3, 4), torch.arange(20.0).reshape(4, 5)
    found = ls.einsum("ij,jk->ik", x, y)
    assert isinstance(found, torch.Tensor)
    assert torch.equal(found, x @ y)
