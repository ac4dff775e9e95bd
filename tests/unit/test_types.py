"""Annotations: dims, shapes as forms, and what they refuse."""

from __future__ import annotations

import pytest

import loopstack as ls
from loopstack.frontend.types import ALL_DTYPES, tensor_type


def test_dims_are_the_words():
    assert ls.f32["m k"].dims == ("m", "k")
    assert ls.f64["N+1 2*M 3"].dims == ("N+1", "2*M", "3")
    assert ls.f32.dims == ()
    assert ls.f32[""].dims == ()
    assert repr(ls.i64["m k"]) == 'ls.i64["m k"]'


def test_shapes_are_forms_over_sizes():
    shape = ls.f32["m 4 N+1 2*M (n+1)//2"].shape
    assert [str(f) for f in shape] == ["$m", "4", "$N + 1", "2*$M", "floordiv($n + 1, 2)"]


def test_equal_types_are_equal():
    assert ls.f32["m k"] == ls.f32["m  k"]
    assert ls.f32["m k"] != ls.f64["m k"]
    assert hash(ls.f32) == hash(ALL_DTYPES["f32"])


def test_a_dtype_is_a_scalar():
    kind = tensor_type(ls.f32)
    assert kind is not None
    assert kind.rank == 0
    assert tensor_type(3) is None


def test_names_without_code_exist():
    for name in ("f16", "bf16", "i8", "u8"):
        assert not ALL_DTYPES[name].is_supported
        assert ALL_DTYPES[name]["m"].dims == ("m",)


def test_refusals():
    with pytest.raises(ls.FrontendError, match="the dimensions of an array are one string"):
        ls.f32["m", "k"]
    with pytest.raises(ls.FrontendError, match="'m\\*n' is not a dimension"):
        _ = ls.f32["m*n"].shape
    with pytest.raises(ls.FrontendError, match="'2m' is not a dimension"):
        _ = ls.f32["2m"].shape
