"""Random einsum subscripts and extents against ``numpy.einsum``."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import loopstack as ls

EXTENTS = (0, 1, 2, 3, 5, 7, 8, 9, 16, 17)


@st.composite
def contractions(draw: st.DrawFn) -> tuple[str, list[np.ndarray]]:
    letters = "ijklm"[: draw(st.integers(1, 5))]
    extent = {letter: draw(st.sampled_from(EXTENTS)) for letter in letters}
    operands = draw(
        st.lists(st.lists(st.sampled_from(letters), min_size=1, max_size=3, unique=True),
                 min_size=1, max_size=3)
    )  # fmt: skip
    used = sorted({letter for operand in operands for letter in operand})
    kept = draw(st.lists(st.sampled_from(used), max_size=3, unique=True))
    subscripts = f"{','.join(map(''.join, operands))}->{''.join(kept)}"
    dtype = draw(st.sampled_from((np.float32, np.float64, np.int32, np.int64)))
    rng = np.random.default_rng(draw(st.integers(0, 100)))
    arrays = [rng.integers(-3, 4, [extent[x] for x in o]).astype(dtype) for o in operands]
    if draw(st.booleans()):
        arrays = [np.asfortranarray(a) for a in arrays]
    return subscripts, arrays


@given(contractions())
def test_small_integers_are_exact(case):
    subscripts, arrays = case
    found, wanted = ls.einsum(subscripts, *arrays), np.einsum(subscripts, *arrays)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
