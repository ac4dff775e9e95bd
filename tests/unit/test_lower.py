"""Lowering: bounds, accumulators, storage and the nest text, pinned by golden files."""

from __future__ import annotations

import pytest
from harness import programs
from harness.golden import Golden

from loopstack.ir.affine import Affine, affine, name
from loopstack.ir.expr import Load
from loopstack.ir.loop_tree import identity_tree
from loopstack.ir.program import Access
from loopstack.lower.intervals import interval
from loopstack.lower.loops_text import loops_text
from loopstack.lower.nest import Assign, For, If, Touch
from loopstack.lower.pipeline import lower, lower_prepacked
from loopstack.lower.simplify import simplify
from loopstack.schedule.script import Schedule, build

REGISTER_BLOCK = """schedule 1
split C.m 6 -> mr, mv tail=peel
split C.n 16 -> nr, nv tail=mask
reorder C nr mr k mv nv
unroll_and_jam C.mv
vectorize C.nv
"""

PACKED = """schedule 1
split C.n 512 -> nc, n1
split C.k 512 -> kc, ki
split C.m 240 -> mc, m1
split C.n1 64 -> nr, nv tail=mask
split C.m1 6 -> mr, mv tail=peel
reorder C nc kc mc nr mr ki mv nv
pack B at C.kc as Bp[nr, ki, nv] pad=0 align=64
pack A at C.mc as Ap[mr, ki, mv] pad=0
vectorize Bp.nv
parallelize Bp.nr
vectorize Ap.ki
vectorize Ap.mv
stage C at C.mr in registers
unroll_and_jam C.mv
vectorize C.nv
parallelize C.mc
"""


def scheduled(program, sizes, script):
    return build(Schedule.parse(script), program.bind(sizes))


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_register_block_with_tails(golden: Golden, isa: str) -> None:
    tree = scheduled(programs.matmul(), {"m": 37, "n": 50, "k": 20}, REGISTER_BLOCK)
    golden(lower(tree, isa), f"register_block_{isa}.nest")


def test_packed_matmul_with_every_tail(golden: Golden) -> None:
    tree = scheduled(programs.matmul(), {"m": 500, "n": 1000, "k": 600}, PACKED)
    golden(lower(tree, "avx512", threads=2), "packed.nest")
    golden(loops_text(tree, "avx512"), "packed.loops")


def test_softmax_identity(golden: Golden) -> None:
    tree = identity_tree(programs.softmax().bind({"i": 5, "j": 7}))
    golden(lower(tree, "avx2"), "softmax_identity.nest")


def test_strict_order_reloads_instead_of_regrouping(golden: Golden) -> None:
    from dataclasses import replace

    strict = replace(programs.matmul(), reassociate=False)
    script = REGISTER_BLOCK.replace("reorder", "split C.k 8 -> kc, k\nreorder").replace(
        "nr mr k", "kc nr mr k"
    )
    golden(
        lower(scheduled(strict, {"m": 12, "n": 32, "k": 16}, script), "avx2"), "strict_order.nest"
    )


def test_argument_strides_reach_the_nest() -> None:
    tree = identity_tree(programs.matmul().bind({"m": 3, "n": 4, "k": 5}))
    text = lower(tree, "avx2", {"A": (1, 3)})
    assert "A[3*C.k + C.m]" in text


def test_a_constant_operand_packed_at_the_root_leaves_the_call() -> None:
    script = REGISTER_BLOCK.replace(
        "unroll_and_jam", "pack B at root as Bp[nr, k, nv]\nunroll_and_jam"
    )
    tree = scheduled(programs.matmul(), {"m": 12, "n": 32, "k": 8}, script)
    packing, calling = lower_prepacked(tree, "avx2", None, 1, frozenset({"B"}))
    assert packing is not None
    assert [a.name for a in packing.arrays] == ["B", "Bp"]
    assert [a.name for a in calling.arrays if a.space == "argument"] == ["A", "C", "Bp"]
    assert calling.shared_bytes == packing.shared_bytes


def test_nothing_moves_without_constants() -> None:
    tree = identity_tree(programs.softmax().bind({"i": 5, "j": 7}))
    packing, calling = lower_prepacked(tree, "avx2", None, 1, frozenset())
    assert packing is None
    assert str(calling) == lower(tree, "avx2")


# ---- small parts --------------------------------------------------------------------------------
def test_interval_of_a_form_with_a_division() -> None:
    form = name("i") * 3 - (name("j") + 1) // 4 + 2
    assert interval(form, {"i": (0, 5), "j": (0, 7)}) == (0, 17)


def test_interval_without_a_range_is_unbounded() -> None:
    low, high = interval(name("i"), {})
    assert low < -(2**60)
    assert high > 2**60


TOUCH = Touch(Access("A", (name("i"),)), write=False)


def test_simplify_drops_loops_that_run_once_or_never() -> None:
    never = For("j", (affine(0),), (affine(0),), "seq", None, (TOUCH,))
    once = For("i", (affine(2),), (affine(3),), "seq", None, (never, TOUCH))
    assert simplify((once,)) == (Touch(Access("A", (affine(2),)), write=False),)


def test_simplify_keeps_a_lane_that_selects_a_register() -> None:
    lane = Assign(Access("acc", (name("v"),)), Load("x", (name("v"),), "f32"), "S")
    selected = For("v", (name("i"),), (name("i") + 1,), "vector", None, (lane,))
    assert simplify((selected,), registers=frozenset({"acc"})) == (selected,)
    assert simplify((selected,), {"i": affine(1)}, frozenset({"acc"})) == (
        Assign(Access("acc", (affine(1),)), Load("x", (affine(1),), "f32"), "S"),
    )
    assert simplify((selected,)) == (
        Assign(Access("acc", (name("i"),)), Load("x", (name("i"),), "f32"), "S"),
    )


def test_simplify_decides_constant_branches() -> None:
    decided = If((Affine((), 1),), (affine(3),), (), (TOUCH,))
    open_branch = If((name("i"),), (affine(3),), (TOUCH,))
    assert simplify((decided, open_branch)) == (TOUCH, If((name("i"),), (), (TOUCH,)))
