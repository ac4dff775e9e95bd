"""Affine forms: canonical order, arithmetic that agrees with integers, text that reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopstack.frontend.ranges import at_least_zero, largest_extent, never, span
from loopstack.ir.affine import ONE, ZERO, Affine, affine, name
from loopstack.ir.reader import ProgramSyntaxError, read_affine

NAMES = ("i", "j", "$n", "C.m1")
VALUES = st.fixed_dictionaries({n: st.integers(-20, 20) for n in NAMES})


def forms(depth: int = 2) -> st.SearchStrategy[Affine]:
    leaf = st.one_of(st.integers(-9, 9).map(affine), st.sampled_from(NAMES).map(name))
    return st.recursive(
        leaf,
        lambda f: st.one_of(
            st.tuples(f, f).map(lambda p: p[0] + p[1]),
            st.tuples(f, f).map(lambda p: p[0] - p[1]),
            st.tuples(f, st.integers(-4, 4)).map(lambda p: p[0] * p[1]),
            st.tuples(f, st.integers(1, 5)).map(lambda p: p[0] // p[1]),
            st.tuples(f, st.integers(1, 5)).map(lambda p: p[0] % p[1]),
        ),
        max_leaves=4 * depth,
    )


@given(forms(), forms(), VALUES, st.integers(1, 7))
def test_arithmetic_agrees_with_integers(a, b, values, divisor):
    x, y = a.evaluate(values), b.evaluate(values)
    assert (a + b).evaluate(values) == x + y
    assert (a - b).evaluate(values) == x - y
    assert (-a * 3).evaluate(values) == -3 * x
    assert (a // divisor).evaluate(values) == x // divisor
    assert (a % divisor).evaluate(values) == x % divisor
    assert (5 - a).evaluate(values) == 5 - x


@given(forms())
def test_text_reads_back(form):
    assert read_affine(str(form)) == form


@given(forms(), forms())
def test_equal_forms_are_equal_objects(a, b):
    assert a + b == b + a
    assert hash(a + b) == hash(b + a)
    assert (a - a) == ZERO


@given(forms(), VALUES)
def test_substitution_is_evaluation(form, values):
    assert form.substitute(values) == affine(form.evaluate(values))


def test_substitution_is_simultaneous():
    form = affine("i") + affine("j") * 2
    assert form.substitute({"i": "j", "j": "i"}) == affine("j") + affine("i") * 2


def test_division_takes_out_what_is_exact():
    i = name("i")
    assert (i * 4 + 8) // 4 == i + 2
    assert str((i * 4 + name("j") + 9) // 4) == "i + floordiv(j + 1, 4) + 2"
    assert (i * 4 + 8) % 4 == ZERO
    with pytest.raises(ValueError, match="divisor must be positive, got 0"):
        i // 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("i *", "line 1, column 4: expected a name, found the end"),
        ("i * j", "line 1, column 6: a product of two names is not affine"),
        ("i // j", "line 1, column 7: the divisor of an affine form is a positive integer"),
        ("i ? j", "line 1, column 3: unexpected character '?'"),
        ("i j", "line 1, column 3: unexpected 'j'"),
    ],
)
def test_syntax_errors(text, message):
    with pytest.raises(ProgramSyntaxError) as error:
        read_affine(text)
    assert str(error.value) == message


# ---- ranges over boxes ------------------------------------------------------------------------
SUBSCRIPTS = ["i", "2*i + k", "i + k - 1", "i - k", "i // 3", "(2*i + k) // 3", "i % 4", "9 - i"]


@pytest.mark.parametrize("text", SUBSCRIPTS)
@given(st.integers(1, 8), st.integers(1, 4))
def test_span_bounds_every_point(text, n, k):
    form = read_affine(text)
    low, high = span(form, {"i": affine(n), "k": affine(k)})
    points = [form.evaluate({"i": i, "k": j}) for i in range(n) for j in range(k)]
    assert low.const <= min(points)
    assert high.const >= max(points)


@pytest.mark.parametrize("text", ["i", "2*i + k", "3*i + 2", "i // 3", "(2*i + k) // 3", "9 - i"])
@given(st.integers(0, 12), st.integers(1, 4))
def test_the_largest_extent_is_the_largest(text, size, k):
    form = read_affine(text)
    found = largest_extent(form, "i", affine(size), {"k": affine(k)})
    assert isinstance(found, Affine)

    def fits(i: int) -> bool:
        values = [form.evaluate({"i": i, "k": j}) for j in range(k)]
        return min(values) >= 0 and (text == "9 - i" or max(values) < size)

    best = 0
    while fits(best):
        best += 1
    assert max(found.const, 0) == best


def test_proofs_about_sizes():
    n, m = name("$n"), name("$m")
    assert at_least_zero(n * 2 + m)
    assert at_least_zero(n // 2)
    assert at_least_zero(n % 4)
    assert at_least_zero(n - (n // 2) * 2)
    assert not at_least_zero(n - 1)
    assert not at_least_zero(n - m)
    assert never(n + 1)
    assert never(-n - 2)
    assert not never(n - ONE)
