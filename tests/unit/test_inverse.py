"""Injective affine maps: the inverse is exact on the image, and its conditions are the image."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.schedule.inverse import invert

SPAN = range(-2, 3)
NAMES = ("a", "b", "c", "d")


@st.composite
def maps(draw: st.DrawFn) -> tuple[dict[str, Affine], tuple[str, ...]]:
    old = ("i", "j", "k")[: draw(st.integers(1, 3))]
    rows = draw(st.integers(1, 4))
    form = st.builds(
        lambda cs, const: Affine.of(list(zip(old, cs)), const),
        st.lists(st.integers(-3, 3), min_size=len(old), max_size=len(old)),
        st.integers(-2, 2),
    )
    return {name: draw(form) for name in NAMES[:rows]}, old


def image(new: dict[str, Affine], values: dict[str, int]) -> dict[str, int]:
    return {name: form.evaluate(values) for name, form in new.items()}


@given(maps())
def test_every_iteration_comes_back(case: tuple[dict[str, Affine], tuple[str, ...]]) -> None:
    new, old = case
    try:
        inverse = invert(new, old, "map")
    except ArgumentError:
        assume(False)
    for point in product(SPAN, repeat=len(old)):
        values = dict(zip(old, point))
        at = image(new, values)
        assert all(form.evaluate(at) >= 0 for form in inverse.conditions)
        for loop in old:
            form = Affine.of({loop: 1})
            assert inverse.value(form).evaluate(at) == values[loop]
        bound = Affine.of([(loop, 2 * n - 3) for n, loop in enumerate(old)], 1)
        holds = bound.evaluate(values) >= 0
        assert (inverse.constraint(bound).evaluate(at) >= 0) == holds


@given(maps())
def test_nothing_else_fulfils_the_conditions(
    case: tuple[dict[str, Affine], tuple[str, ...]],
) -> None:
    new, old = case
    try:
        inverse = invert(new, old, "map")
    except ArgumentError:
        assume(False)
    for point in product(SPAN, repeat=len(new)):
        at = dict(zip(new, point))
        if all(form.evaluate(at) >= 0 for form in inverse.conditions):
            values = {loop: inverse.value(Affine.of({loop: 1})).evaluate(at) for loop in old}
            assert image(new, values) == at


@given(maps())
def test_a_refused_map_takes_the_two_iterations_it_names_to_one(
    case: tuple[dict[str, Affine], tuple[str, ...]],
) -> None:
    new, old = case
    try:
        invert(new, old, "map")
    except ArgumentError as refused:
        pairs = str(refused).split(": ", 1)[1].split(" would be")[0].split(" and ")
        first, second = (
            {term.split(" = ")[0]: int(term.split(" = ")[1]) for term in pair[1:-1].split(", ")}
            for pair in pairs
        )
        assert first != second
        assert image(new, first) == image(new, second)
    else:
        assume(False)


def test_other_names_stay() -> None:
    later = Affine.of({"i": 1, "t": 2})
    inverse = invert({"s": later}, ["i"], "skew")
    assert inverse.value(Affine.of({"i": 1})) == Affine.of({"s": 1, "t": -2})


def test_a_map_of_no_loops_is_constant() -> None:
    inverse = invert({"a": Affine((), 3)}, [], "map")
    assert [str(form) for form in inverse.conditions] == ["a - 3", "-a + 3"]


@pytest.mark.parametrize("factor", [2, 3])
def test_a_multiple_is_told_by_its_remainder(factor: int) -> None:
    inverse = invert({"a": Affine.of({"i": factor}, 1)}, ["i"], "map")
    hits = [a for a in range(-9, 10)
            if all(form.evaluate({"a": a}) >= 0 for form in inverse.conditions)]  # fmt: skip
    assert hits == [a for a in range(-9, 10) if a % factor == 1 % factor]
