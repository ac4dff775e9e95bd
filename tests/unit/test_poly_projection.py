"""Shadows: every point of the truth, and no other one when said to be exact."""

from __future__ import annotations

from itertools import product

from harness.programs import forms
from hypothesis import given
from hypothesis import strategies as st

from loopstack.ir.affine import Affine, name
from loopstack.ir.loop_tree import Loop
from loopstack.poly.projection import eliminate
from loopstack.poly.ranges import relax

SPAN = range(-6, 7)


def test_an_inner_loop_leaves_its_tiles() -> None:
    shadow = eliminate(forms("8*o+t 99-8*o-t t 7-t"), ["t"])
    assert set(shadow.constraints) == set(forms("o 12-o"))
    assert shadow.exact


def test_tiles_of_tiles_are_exact() -> None:
    constraints = forms("64*a+8*b+c 511-64*a-8*b-c b 7-b c 7-c")
    shadow = eliminate(constraints, ["b", "c"])
    assert shadow.exact
    assert set(shadow.constraints) == set(forms("a 7-a"))


def test_a_triangle_leaves_its_side() -> None:
    shadow = eliminate(forms("i 9-i j-i 9-j"), ["j"])
    assert set(shadow.constraints) == set(forms("i 9-i"))


def test_a_gap_is_told() -> None:
    """x = 3k: the shadow on x is an interval, but only every third point is in it."""
    shadow = eliminate(forms("x-3*k 3*k-x k 3-k"), ["k"])
    assert not shadow.exact


def test_divisions_are_removed_with_their_names() -> None:
    half = name("k") // 2
    shadow = eliminate([name("x") - half, half - name("x"), *forms("k 7-k")], ["k"])
    assert set(shadow.constraints) == set(forms("x 3-x"))


def test_what_reaches_no_kept_name_is_dropped() -> None:
    assert eliminate(forms("a b 5-b-c c"), ["b", "c"]).constraints == forms("a")


def test_relax_gives_other_loops_their_best_value() -> None:
    loops = [Loop("o", ()), Loop("t", (), 8), Loop("m", ())]
    constraints = forms("o 99-8*o-t m 9-m m-o")
    assert relax(loops, constraints, frozenset("o")) == forms("o 99-8*o 9-o")


ROW = st.tuples(*[st.integers(-3, 3)] * 3, st.integers(-5, 5))


@given(st.lists(ROW, max_size=3))
def test_shadows_hold_every_point_and_exact_ones_no_other(
    rows: list[tuple[int, int, int, int]],
) -> None:
    kept_box = [c for n in ("x", "y") for c in (name(n) + 6, 6 - name(n))]
    system = [Affine.of({"x": a, "y": b, "k": c}, d) for a, b, c, d in rows]
    system += [*kept_box, name("k") + 2, 2 - name("k")]
    shadow = eliminate(system, ["k"])
    inside, shown = set(), set()
    for x, y in product(SPAN, SPAN):
        if any(all(_holds(c, x, y, k) for c in system) for k in range(-2, 3)):
            inside.add((x, y))
        if all(_holds(c, x, y, 0) for c in shadow.constraints):
            shown.add((x, y))
    assert inside <= shown
    if shadow.exact and inside:
        assert inside == shown


def _holds(form: Affine, x: int, y: int, k: int) -> bool:
    return form.evaluate({"x": x, "y": y, "k": k}) >= 0
