"""What a user reads when a kernel does not say what it should: the exact texts."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import loopstack as ls
from loopstack.frontend.tensor import inline_call, trace


def message(fn) -> str:
    """Trace ``fn`` and return its error without the file's name."""
    with pytest.raises(ls.FrontendError) as error:
        trace(fn)
    assert error.value.line is not None
    text = str(error.value).replace(__file__, "kernel.py")
    assert "loopstack/" not in text
    first = inspect.getsourcelines(fn)[1]
    return text.replace(f":{error.value.line}", f":+{error.value.line - first}")


def shown(fn) -> list[str]:
    """Return what the error says, the source line it shows, the underlined text, and the hint."""
    lines = message(fn).splitlines()
    said, hint = lines[0], [line.strip() for line in lines if line.lstrip().startswith("= ")]
    source = next((line.split(" | ", 1)[1] for line in lines if " | " in line), "")
    under = next((line.split(" | ", 1)[1] for line in lines if line.rstrip().endswith("^")), "")
    start = len(under) - len(under.lstrip())
    return [said, source[start : len(under)] if under else source.strip(), *hint]


def test_the_whole_text():
    def fn(A: ls.f32["m k"]) -> ls.f32["m"]:
        m = ls.indices("m")
        return A[m] + 1

    lines = message(fn).splitlines()
    number = lines[3].split()[0]
    pad = " " * len(number)
    assert lines == [
        "A has 2 dimensions (m k), found 1 subscript",
        "  --> kernel.py:+2",
        f"{pad} |",
        f"{number} |         return A[m] + 1",
        f"{pad} |                ^^^^",
        "   = write A[m, k]",
    ]


def test_line_and_caret_are_attributes():
    def fn(A: ls.f32["m"]) -> ls.f32["m"]:
        return A[ls.indices("m")] // 2

    with pytest.raises(ls.FrontendError) as error:
        trace(fn)
    first = inspect.getsourcelines(fn)[1]
    assert (error.value.line, error.value.caret) == (first + 1, 15)


# ---- extents ----------------------------------------------------------------------------------
def test_an_access_below_zero_names_pad():
    def fn(x: ls.f32["n"]) -> ls.f32["i"]:
        i = ls.indices("i")
        return x[i] + x[i - 1]

    assert shown(fn) == [
        "x[i - 1] reaches -1, below 0: an index runs from 0",
        "x[i - 1]",
        "= add a border, ls.pad(x, n=(1, 1)), and subscript that",
    ]


def test_an_access_that_is_below_zero_for_every_useful_size():
    def fn(x: ls.f32["n"], w: ls.f32["k"]) -> ls.f32["i"]:
        i, k = ls.indices("i k")
        return ls.sum(x[i - k] * w[k], over=k)

    assert shown(fn)[:2] == ["x[i - k] reaches 1 - k, below 0: an index runs from 0", "x[i - k]"]


def test_two_unknown_extents_name_the_remedy():
    def fn(x: ls.f32["n"]) -> ls.f32["i"]:
        i, k = ls.indices("i k")
        return ls.sum(x[i + k], over=k)

    assert shown(fn) == [
        "the extent of index i is unknown: it is used only in x[i + k], and so is the extent of k",
        "x[i + k]",
        '= give the extent: ls.indices("i", i=10)',
    ]


def test_a_remainder_says_nothing_about_the_extent():
    def fn(x: ls.f32["n"]) -> ls.f32["i"]:
        i = ls.indices("i")
        return x[i % 4]

    assert shown(fn)[0] == "the extent of index i is unknown: it is used only in x[i % 4]"


def test_extents_that_can_never_agree():
    def fn(x: ls.f32["5"], y: ls.f32["6"]) -> ls.f32["i"]:
        i = ls.indices("i")
        return x[i] * y[i]

    assert shown(fn) == [
        "index i has two extents: 5 (x dimension 0) and 6 (y dimension 0)",
        "y[i]",
    ]


def test_a_constant_subscript_outside():
    def fn(x: ls.f32["5"]) -> ls.f32["i"]:
        i = ls.indices("i")
        return x[i] * x[7]

    assert shown(fn) == ["x[7] reaches 7, but x dimension 0 has extent 5", "x[7]"]


# ---- what is not a number ---------------------------------------------------------------------
def test_truth():
    def fn(x: ls.f32["n"]) -> ls.f32["i"]:
        i = ls.indices("i")
        if x[i] > 0:
            return x[i]
        return -x[i]

    assert shown(fn) == [
        "the truth of a symbolic value is not known while tracing",
        "x[i] > 0",
        "= the kernel is traced once for all data: use ls.where or an operator of loopstack",
    ]


def test_whole_arrays():
    def fn(x: ls.f32["n"], y: ls.f32["n"]) -> ls.f32["i"]:
        return x + y

    assert shown(fn) == [
        "x is an array of 1 dimensions, expected a value",
        "x + y",
        "= subscript it with indices: x[n]",
    ]


def test_gathers():
    def fn(t: ls.f32["v d"], ids: ls.i64["n"]) -> ls.f32["n d"]:
        n, d = ls.indices("n d")
        return t[ids[n], d]

    assert shown(fn) == [
        "subscript 0 of t is computed from data: gathers are not supported yet",
        "t[ids[n], d]",
        "= subscripts are affine forms of indices: 2 * i + 1, i // 2, i % 4",
    ]


def test_slices():
    def fn(x: ls.f32["n m"]) -> ls.f32["i"]:
        i = ls.indices("i")
        return x[i, 1:]

    assert shown(fn)[0] == (
        "subscript 1 of x is slice(1, None, None), "
        "expected an index, an affine form of indices, or an integer"
    )


CASES = {
    "x // 2": "// is for integers, found ls.f32",
    "x % 2": "% is for integers, found ls.f32",
    "x ** 1.7": "the exponent has to be an integer constant up to 64, or 0.5; found 1.7",
    "2 ** x": "a symbolic exponent is not supported yet",
    "x & 1": "& is for ls.bool_, found ls.f32",
    "~x": "~ is for ls.bool_, found ls.f32",
    "(x > 0) - (x > 1)": "sub is not defined for ls.bool_, as in NumPy",
    "x + 'a'": "expected a symbolic value or a number, found str: 'a'",
    "x + np.zeros(3)": "expected a symbolic value or a number, found a NumPy ndarray of dtype "
    "float64 and shape (3,)",
    "x + 1j": "expected a symbolic value or a number, found complex: 1j",
    "float(x)": "the number of a symbolic value is not known while tracing",
    "len(x)": "the length of a symbolic value is not known while tracing",
    "sum(x)": "the length of a symbolic value is not known while tracing",
    "x[i]": "a symbolic value has no subscripts: its indices are those it was made with",
    "np.sin(x)": "numpy.sin does not take symbolic values here",
    "ls.cast(x, 'f32')": "ls.cast expects a dtype such as ls.f32, found 'f32'",
    "ls.cast(x, ls.f16)": "ls.f16 is not supported yet by the code generator: "
    "dtypes are bool_, i32, i64, f32, f64",
    "ls.sum(x, over=j)": "ls.sum runs over j, but its expression uses i",
    "ls.sum(x, over=3)": "ls.sum(over=) expects an index of ls.indices, found 3",
    "ls.sum(x, over=(i, i))": "ls.sum(over=) expects one or more different indices, found 2",
    "ls.argmax(x, over=(i, j))": "ls.argmax takes one index, found 2",
    "ls.cumsum(x, along=j)": "ls.cumsum runs along j, which is not in it",
    "ls.named('A', x + 1)": "the name A is taken",
    "ls.named('a b', x + 1)": "'a b' is not a name for an array",
    "ls.named('t', x + 1, dims='j')": "dims of t: expected the free indices of the expression "
    "(i), found (j)",
    "ls.pad(x, n=1)": "ls.pad expects an array, found <symbolic ls.f32 over (i)>",
    "ls.pad(A, h=1)": "ls.pad: A has no dimension h; its dimensions are n",
    "ls.pad(A, n=(1,))": "ls.pad(n=) expects two integers >= 0, before and after; found (1,)",
    "ls.pad(A, n=-1)": "ls.pad(n=) expects two integers >= 0, before and after; found -1",
    "ls.pad(A, n=1, value=x)": "ls.pad(value=) expects a number, found a symbolic value",
    "ls.concat([], dim='n')": "ls.concat needs at least one array",
    "ls.concat([A, A], dim='m')": "ls.concat: A has no dimension m; its dimensions are n",
    "ls.indices('1i')": "'1i' is not an index name",
    "ls.indices('i', j=3)": "an extent is given for j, which is not in 'i'",
    "ls.indices('i', i=2.5)": "the extent of i is an integer or a size, found 2.5",
    "ls.indices('')": "ls.indices needs at least one name",
    "ls.extent(i + 1)": "ls.extent expects an index of ls.indices, found <index i + 1>",
    "ls.where(x > 0, 2 ** 40, ls.cast(x, ls.i32))": "the constant 1099511627776 does not fit "
    "ls.i32",
}


@pytest.mark.parametrize("text", CASES)
def test_expressions(text):
    def fn(A: ls.f32["n"]) -> ls.f32["i"]:
        i, j = ls.indices("i j")
        x = A[i]
        return eval(text, {**globals(), **locals()})

    with pytest.raises(ls.FrontendError) as error:
        trace(fn)
    assert str(error.value).splitlines()[0] == CASES[text]


def test_loops_and_assignments():
    def loop(x: ls.f32["n"]) -> ls.f32["i"]:
        for element in x:
            return element

    def assign(x: ls.f32["n"]) -> ls.f32["i"]:
        x[ls.indices("i")] = 3

    assert shown(loop)[0] == "x is symbolic and cannot be looped over"
    assert shown(assign)[0] == ("x cannot be assigned to: a tensor kernel returns its results")


# ---- signatures -------------------------------------------------------------------------------
def test_a_parameter_without_annotation():
    def fn(x) -> ls.f32["i"]:
        return x

    assert shown(fn) == [
        "parameter x of fn needs an array type, found no annotation",
        "x",
        '= annotate parameters like x: ls.f32["m n"], alpha: ls.f32 or n: ls.size',
    ]


def test_a_dtype_without_code():
    def fn(a: ls.f32["n"], half: ls.f16["n"]) -> ls.f32["i"]:
        return a

    assert shown(fn) == [
        "ls.f16 is not supported yet by the code generator: dtypes are bool_, i32, i64, f32, f64",
        "half",
        "= store the data as ls.f32 or ls.i32",
    ]


def test_a_dimension_that_is_none():
    def fn(a: ls.f32["n*m"]) -> ls.f32["i"]:
        return a

    assert shown(fn)[0] == (
        "ls.f32[\"n*m\"]: 'n*m' is not a dimension "
        "(line 1, column 4: a product of two names is not affine)"
    )


def test_an_annotation_that_cannot_be_evaluated():
    def fn(x: ls.f33["n"]) -> ls.f32["i"]:
        return x

    assert shown(fn)[0].startswith("the annotation ls.f33['n'] of fn cannot be evaluated: ")


def test_variable_parameters():
    def fn(*xs: ls.f32["n"]) -> ls.f32["i"]:
        return xs

    assert shown(fn)[0] == (
        "fn takes *args, **kwargs or keyword-only parameters; a kernel takes plain ones"
    )


# ---- results ----------------------------------------------------------------------------------
def test_free_indices_need_an_order():
    def fn(x: ls.f32["n m"]):
        i, k = ls.indices("i k")
        return x[i, k] * 2

    assert shown(fn) == [
        "the result of fn has several free indices (i k) and no annotation to order them",
        'def fn(x: ls.f32["n m"]):',
        '= write -> ls.f32["i k"]',
    ]


def test_the_annotation_names_other_indices():
    def fn(x: ls.f32["n m"]) -> ls.f32["i j"]:
        i, k = ls.indices("i k")
        return x[i, k] * 2

    assert shown(fn) == [
        "the result of fn: expected the free indices of the expression (i k), found (i j)",
        '-> ls.f32["i j"]',
        "= an index is free unless a reduction binds it with over=",
    ]


def test_the_annotation_says_another_dtype():
    def fn(x: ls.f32["n"]) -> (ls.f32["i"], ls.f32["i"]):
        i = ls.indices("i")
        return x[i], ls.cast(x[i], ls.f64)

    assert shown(fn) == [
        "result 1 of fn is ls.f64, its annotation says ls.f32",
        '-> (ls.f32["i"], ls.f32["i"])',
        "= change the annotation, or return ls.cast(..., ls.f32)",
    ]


def test_nothing_or_too_little_returned():
    def nothing(x: ls.f32["n"]) -> ls.f32["i"]:
        x[ls.indices("i")] + 1

    def one(x: ls.f32["n"]) -> (ls.f32["i"], ls.f32["i"]):
        return x[ls.indices("i")] + 1

    assert shown(nothing)[0] == "the result of nothing is None"
    assert shown(one)[0] == "one returns 1 result, its annotation says 2"


# ---- calls of kernels -------------------------------------------------------------------------
class Inner:
    def __init__(self, fn) -> None:
        self.__wrapped__ = fn
        self.program = trace(fn)

    def __call__(self, *args, **kwargs):
        return inline_call(self, args, kwargs)


def test_calls_that_do_not_fit():
    def scaled(x: ls.f32["n n"], alpha: ls.f32) -> ls.f32["i j"]:
        i, j = ls.indices("i j")
        return x[i, j] * alpha

    inner = Inner(scaled)
    cases = {
        "inner(A)": "scaled misses the argument alpha",
        "inner(A, 2, 3)": "scaled takes 2 arguments, found 3",
        "inner(A, 2, x=A)": "scaled got an argument x twice",
        "inner(A, beta=2)": "scaled got an argument beta; it takes x, alpha",
        "inner(A[i, j], 2)": "argument x of scaled: expected an array, found "
        "<symbolic ls.f32 over (i j)>",
        "inner(v, 2)": "argument x of scaled has rank 1, expected 2",
        "inner(D, 2)": "argument x of scaled is ls.f64, expected ls.f32",
        "inner(A, v[i])": "argument alpha of scaled is one number, found a value with indices",
        "inner(T, 2)": "scaled called with x dimension 1 of extent n + 1, expected n",
    }
    for text, expected in cases.items():
        with pytest.raises(ls.FrontendError) as error:
            trace(calling(inner, text))
        assert str(error.value).splitlines()[0] == expected


def calling(inner: Inner, text: str):
    def fn(A: ls.f32["n n"], v: ls.f32["n"], D: ls.f64["n n"], T: ls.f32["n n+1"]) -> ls.f32["i j"]:
        i, j = ls.indices("i j")
        return eval(text, {"inner": inner, **locals()})

    return fn


def test_recursion():
    def fn(x: ls.f32["n"]) -> ls.f32["i"]:
        return trace(fn)

    assert shown(fn)[0] == "kernel fn calls itself"


assert np  # used by the expressions above
