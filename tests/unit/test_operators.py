"""The operator table: rules, identities, C text that compiles, expansions within their bounds."""

from __future__ import annotations

import itertools
import math
import shutil
import subprocess

import numpy as np
import pytest

from loopstack.ir.expansions import EXPANSIONS
from loopstack.ir.operators import (
    C_TYPE,
    FLOATS,
    INTEGERS,
    NUMPY_DTYPE,
    OPERATORS,
    REDUCTIONS,
    c_text,
    identity,
    result_dtype,
)

PRIMITIVES = [row for row in OPERATORS.values() if row.is_primitive]


def test_names_are_the_ones_every_stage_agrees_on():
    assert " ".join(row.name for row in PRIMITIVES) == (
        "add sub mul div floordiv mod maximum minimum neg abs sqrt exp floor fma select "
        "eq ne lt le gt ge logical_and logical_or logical_not cast"
    )


def test_every_primitive_has_c_text_and_a_numpy_function():
    for row in PRIMITIVES:
        assert row.c
        assert row.numpy is None or hasattr(np, row.numpy)
    assert [row.name for row in PRIMITIVES if row.numpy is None] == ["fma", "cast"]


@pytest.mark.parametrize(
    ("name", "dtypes", "result"),
    [
        ("add", ["f32", "f32"], "f32"),
        ("floordiv", ["i64", "i64"], "i64"),
        ("lt", ["i32", "i32"], "bool_"),
        ("eq", ["bool_", "bool_"], "bool_"),
        ("select", ["bool_", "f64", "f64"], "f64"),
        ("logical_not", ["bool_"], "bool_"),
    ],
)
def test_dtype_rules(name, dtypes, result):
    assert result_dtype(name, dtypes) == result


@pytest.mark.parametrize(
    ("name", "dtypes", "message"),
    [
        ("add", ["f32", "f64"], "add wants operands of one dtype, found f32, f64"),
        ("add", ["bool_", "bool_"], "add is not defined for bool_"),
        ("div", ["i32", "i32"], "div is not defined for i32"),
        ("mod", ["f32", "f32"], "mod is not defined for f32"),
        ("lt", ["bool_", "bool_"], "lt is not defined for bool_"),
        ("select", ["f32", "f32", "f32"], "select wants a bool_ first, found f32"),
        ("neg", ["f32", "f32"], "neg takes 1 operands, found 2"),
        ("sin", ["f32"], "unknown operator 'sin'"),
        ("cast", ["f32"], "cast to unknown dtype None"),
    ],
)
def test_dtype_rules_refuse(name, dtypes, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        result_dtype(name, dtypes)
    assert str(error.value) == message


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", sorted(FLOATS | INTEGERS))
def test_identities(reduction, dtype):
    combine = getattr(np, OPERATORS[REDUCTIONS[reduction].combine].numpy)
    numpy = np.dtype(NUMPY_DTYPE[dtype]).type
    start = numpy(identity(reduction, dtype))
    for value in (-3, 0, 7):
        assert combine(start, numpy(value)) == numpy(value)


# ---- C text -----------------------------------------------------------------------------------
SAMPLES = {
    "float": [0.0, -0.0, 1.5, -2.25, 1e30, math.inf, -math.inf, math.nan, 0.1],
    "int": [0, 1, -1, 2, -2, 7, -7, 100, -(2**31), 2**31 - 1],
    "bool_": [False, True],
}


def kind(dtype: str) -> str:
    return "float" if dtype in FLOATS else "int" if dtype in INTEGERS else "bool_"


def cases():
    for row in PRIMITIVES:
        if row.name in ("cast", "exp"):
            continue
        for dtype in C_TYPE:
            operands = ["bool_", dtype, dtype] if row.rule == "select" else [dtype] * row.arity
            try:
                result = result_dtype(row.name, operands)
            except ValueError:
                continue
            yield row, operands, dtype, result


@pytest.fixture(scope="module")
def c_library(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("c_text")
    lines = ["#include <math.h>", "#include <stdint.h>"]
    for row, operands, dtype, result in cases():
        parameters = ", ".join(f"{C_TYPE[d]} {n}" for d, n in zip(operands, "abc"))
        text = c_text(row.name, dtype)
        lines.append(f"{C_TYPE[result]} {row.name}_{dtype}({parameters}) {{ return {text}; }}")
    source = folder / "table.c"
    source.write_text("\n".join(lines))
    library = folder / "table.so"
    flags = ["-O1", "-shared", "-fPIC", "-fwrapv", "-ffp-contract=off", "-Wall", "-Werror"]
    subprocess.run([compiler, *flags, str(source), "-o", str(library), "-lm"], check=True)
    import ctypes

    return ctypes.CDLL(str(library))


def test_c_text_agrees_with_numpy(c_library):
    import ctypes

    types = {
        "bool_": ctypes.c_uint8,
        "i32": ctypes.c_int32,
        "i64": ctypes.c_int64,
        "f32": ctypes.c_float,
        "f64": ctypes.c_double,
    }
    for row, operands, dtype, result in cases():
        function = getattr(c_library, f"{row.name}_{dtype}")
        function.restype = types[result]
        function.argtypes = [types[d] for d in operands]
        if row.numpy is None:
            continue
        for values in itertools.product(*(SAMPLES[kind(d)] for d in operands)):
            typed = [np.array(v, NUMPY_DTYPE[d]) for v, d in zip(values, operands)]
            with np.errstate(all="ignore"):
                expected = getattr(np, row.numpy)(*typed).astype(NUMPY_DTYPE[result])
            got = np.array(function(*(t.item() for t in typed)), NUMPY_DTYPE[result])
            message = f"{row.name} {dtype} {values}"
            np.testing.assert_array_equal(got, expected, err_msg=message)


# ---- expansions -------------------------------------------------------------------------------
BOUND_ULP = {"tanh": 3, "erf": 3, "sigmoid": 4, "silu": 5, "gelu": 3}


def expand(name: str, dtype: str, x: np.ndarray) -> np.ndarray:
    def make(operator, *args):
        return getattr(np, OPERATORS[operator].numpy)(*args)

    return EXPANSIONS[name](make, np.dtype(NUMPY_DTYPE[dtype]).type, dtype, x)


def samples(dtype: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    tiny = 10.0 ** rng.uniform(-10, 0, 100) * rng.choice([-1, 1], 100)
    edges = [0.625, np.nextafter(0.625, 0), 1.0, np.nextafter(1, 0), 1.4142135, 2.0, 4.0, 6.0, 30.0]
    x = np.concatenate([rng.uniform(-7, 7, 400), tiny, edges, np.negative(edges)])
    return x.astype(NUMPY_DTYPE[dtype])


@pytest.mark.parametrize("dtype", sorted(FLOATS))
@pytest.mark.parametrize("name", BOUND_ULP)
def test_expansions_stay_within_their_bounds(name, dtype):
    mpmath = pytest.importorskip("mpmath")
    exact = {
        "tanh": mpmath.tanh,
        "erf": mpmath.erf,
        "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)),
        "silu": lambda v: v / (1 + mpmath.exp(-v)),
        "gelu": lambda v: v * mpmath.ncdf(v),
    }[name]
    x = samples(dtype)
    got = expand(name, dtype, x)
    assert got.dtype == x.dtype
    with mpmath.workdps(40):
        for value, found in zip(x, got):
            wanted = exact(mpmath.mpf(float(value)))
            scale = abs(value) if name == "gelu" else x.dtype.type(abs(float(wanted)))
            error = abs(mpmath.mpf(float(found)) - wanted)
            assert error <= BOUND_ULP[name] * float(np.spacing(scale)), value


@pytest.mark.parametrize("dtype", sorted(FLOATS))
def test_expansions_at_the_ends(dtype):
    ends = np.array([np.nan, np.inf, -np.inf, 0.0], NUMPY_DTYPE[dtype])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(expand("tanh", dtype, ends), [np.nan, 1, -1, 0])
        np.testing.assert_array_equal(expand("erf", dtype, ends), [np.nan, 1, -1, 0])
        np.testing.assert_array_equal(expand("sigmoid", dtype, ends), [np.nan, 1, 0, 0.5])
        np.testing.assert_array_equal(expand("relu", dtype, ends), [np.nan, np.inf, 0, 0])
