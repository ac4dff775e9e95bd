"""Ranges of loops: exact on boxes, sound elsewhere."""

from __future__ import annotations

from harness.programs import forms
from hypothesis import given
from hypothesis import strategies as st

from loopstack.ir.affine import Affine, affine, name
from loopstack.ir.loop_tree import Loop
from loopstack.poly.intervals import UNBOUNDED, interval, tighten, without_single_division
from loopstack.poly.ranges import box_ranges, loop_ranges


def loops(**extents: int | None) -> list[Loop]:
    return [Loop(label, (), extent) for label, extent in extents.items()]


def test_an_interval_follows_signs_and_divisions() -> None:
    ranges = {"i": (0, 9), "j": (2, 3)}
    assert interval(2 * name("i") - name("j") + 1, ranges) == (-2, 17)
    assert interval(name("i") // 4, ranges) == (0, 2)
    assert interval(name("i") + name("other"), ranges) == UNBOUNDED
    assert interval(affine(7), ranges) == (7, 7)


def test_a_tile_loop_bounds_the_loop_around_it() -> None:
    constraints = forms("8*o+t 99-8*o-t")
    assert loop_ranges(loops(o=None, t=8), constraints) == {"o": (0, 12), "t": (0, 7)}


def test_a_triangle_is_bounded_by_its_corner() -> None:
    constraints = forms("i 9-i j-i-1 9-j")
    assert loop_ranges(loops(i=None, j=None), constraints) == {"i": (0, 8), "j": (1, 9)}


def test_box_ranges_look_at_one_loop_at_a_time() -> None:
    constraints = forms("i 9-i j-i-1 9-j")
    assert box_ranges(loops(i=None, j=None), constraints)["j"] == (UNBOUNDED[0], 9)


def test_a_bound_on_a_quotient_is_a_bound_on_the_loop() -> None:
    quotient = name("f") // 4
    assert without_single_division(quotient) == name("f")
    assert without_single_division(5 - quotient) == 23 - name("f")
    assert without_single_division(2 * quotient - 3) == name("f") - 8
    assert without_single_division(quotient + name("g")) == quotient + name("g")


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-6, 6)), max_size=4),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_ranges_hold_every_point(rows: list[tuple[int, int, int]], high: int, top: int) -> None:
    constraints = [Affine.of({"i": a, "j": b}, c) for a, b, c in rows]
    ranges = tighten({"i": (0, high), "j": (0, top)}, constraints)
    for i in range(high + 1):
        for j in range(top + 1):
            if all(c.evaluate({"i": i, "j": j}) >= 0 for c in constraints):
                assert ranges["i"][0] <= i <= ranges["i"][1]
                assert ranges["j"][0] <= j <= ranges["j"][1]
