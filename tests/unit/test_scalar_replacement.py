"""Elements in registers: kept through a body, carried between iterations; and when they are not."""

from __future__ import annotations

import pytest
from harness import recurrences
from harness.agreement import as_c, natively, script
from harness.compiled_c import needs_compiler
from harness.golden import Golden

from loopstack.ir.affine import ONE, ZERO, Affine, affine, name
from loopstack.ir.expr import Const, Expr, Load, Op
from loopstack.ir.loop_tree import identity_tree
from loopstack.ir.program import Access
from loopstack.kernel_function import KernelFunction
from loopstack.lower.carry import carry
from loopstack.lower.distinct import differ_inside, is_positive, never_equal
from loopstack.lower.keep import keep_in_registers
from loopstack.lower.nest import Assign, For, NestArray, NestNode, print_expr, walk
from loopstack.lower.operations import cheapest
from loopstack.lower.pipeline import lower, lower_to_nest
from loopstack.lower.recurrence import shorten
from loopstack.lower.registers import Registers
from loopstack.lower.unroll import unroll_short_bodies

SIZES = (0, 1, 2, 3, 7, 33)
ROW, J, K, N = map(name, "ijkn")
X = Load("x", (ZERO,), "f64")


def label(function: KernelFunction) -> str:
    return function.program.name


KEPT = pytest.mark.parametrize("function", recurrences.KEPT, ids=label)
NOT_KEPT = pytest.mark.parametrize("function", recurrences.NOT_KEPT, ids=label)
ALL = pytest.mark.parametrize("function", recurrences.KEPT + recurrences.NOT_KEPT, ids=label)


# ---- whole programs -------------------------------------------------------------------------
@KEPT
def test_the_nest_keeps_elements_in_registers(function: KernelFunction, golden: Golden) -> None:
    tree = identity_tree(function.program.bind({"N": 33}))
    golden(lower(tree, "avx2"), f"{function.program.name}.nest")


@NOT_KEPT
def test_an_element_that_something_else_may_use_stays_in_memory(function: KernelFunction) -> None:
    nest = lower_to_nest(identity_tree(function.program.bind({"N": 33})), "avx2")
    made = [array.name for array in nest.arrays if "kept" in array.name or "carried" in array.name]
    assert made == []


@needs_compiler
@ALL
@pytest.mark.parametrize("size", SIZES)
def test_the_nest_computes_what_the_interpreter_does(function: KernelFunction, size: int) -> None:
    as_c(function.program.bind({"N": size}), script(""))


@ALL
@pytest.mark.parametrize("size", SIZES)
def test_machine_code_computes_what_the_interpreter_does(
    function: KernelFunction, size: int
) -> None:
    natively(function.program.bind({"N": size}), script(""))


def test_a_division_keeps_its_rounding_without_leave() -> None:
    """``two_carried`` may regroup, the same statements without ``reassociate`` may not."""
    text = lower(identity_tree(recurrences.best_split.program.bind({"N": 9})), "avx2")
    assert "fma" not in text
    strict = lower(identity_tree(recurrences.prefix.program.bind({"N": 9})), "avx2")
    assert "fma" not in strict
    assert "add(mul(0.5:f64, y.carried0[0])" in strict


# ---- offsets that differ --------------------------------------------------------------------
def loop(variable: str, lower: object, *uppers: object, kind: str = "seq") -> For:
    bounds = tuple(affine(u) for u in uppers)  # type: ignore[arg-type]
    return For(variable, (affine(lower),), bounds, kind, None, ())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "right", "path", "wanted"),
    [
        (ROW, ROW + 1, (), True),
        (ROW, ROW, (), False),
        (ROW, J, (loop("i", 0, 9), loop("j", 0, 9)), False),
        (J, K, (loop("j", 0, 9), loop("k", 0, J)), True),
        (J, K, (loop("j", 0, 9), loop("k", 0, J + 1)), False),
        (J, K, (loop("j", 0, 9), loop("k", 0, 99, J)), True),
        (J * 100 + 100, K, (loop("j", 0, 9), loop("k", 0, 100)), True),
        (J * 100, K, (loop("j", 0, 9), loop("k", 0, 100)), False),
        (J // 2, K, (loop("j", 0, 9), loop("k", 20, 30)), False),  # divisions are not looked into
    ],
)
def test_offsets_that_never_meet(
    left: Affine, right: Affine, path: tuple[For, ...], wanted: bool
) -> None:
    assert never_equal(left, right, path) is wanted
    assert never_equal(right, left, path) is wanted


def test_a_bound_that_is_not_known_proves_nothing() -> None:
    assert not is_positive(N, ())
    assert is_positive(N, (loop("n", 1, 5),))


def test_subscripts_that_a_domain_keeps_apart() -> None:
    assert differ_inside((ROW,), (J,), (ROW - J - 1,))
    assert differ_inside((ROW, ROW), (J, ROW + 1), ())
    assert not differ_inside((ROW,), (J,), (ROW - J,))


# ---- expressions ----------------------------------------------------------------------------
def op(operator: str, *args: Expr) -> Op:
    return Op(operator, args, "f64")


def load(array: str) -> Load:
    return Load(array, (ZERO,), "f64")


A, B, C = load("a"), load("b"), load("c")


@pytest.mark.parametrize(
    ("expr", "wanted"),
    [
        (op("add", op("add", A, X), B), "add(add(a[0], b[0]), x[0])"),
        (op("sub", op("sub", A, X), B), "sub(sub(a[0], b[0]), x[0])"),
        (op("mul", op("add", X, A), B), "fma(x[0], b[0], mul(a[0], b[0]))"),
        (op("sub", A, op("mul", B, X)), "fma(x[0], neg(b[0]), a[0])"),
        (op("neg", op("sub", A, X)), "add(neg(a[0]), x[0])"),
        (op("mul", X, A), "mul(a[0], x[0])"),
        (op("sub", X, X), "sub(x[0], x[0])"),
        (op("mul", X, X), "mul(x[0], x[0])"),
        (op("div", op("add", X, A), B), "div(add(a[0], x[0]), b[0])"),
        (
            op("maximum", op("add", op("add", X, A), B), C),
            "maximum(add(add(a[0], b[0]), x[0]), c[0])",
        ),
        (X, "x[0]"),
        (op("add", A, B), "add(a[0], b[0])"),
    ],
)  # fmt: skip
def test_what_is_carried_joins_last(expr: Expr, wanted: str) -> None:
    assert print_expr(shorten(expr, X)) == wanted


def test_integers_keep_their_form() -> None:
    x = Load("x", (ZERO,), "i32")
    expr = Op("add", (Op("add", (x, x), "i32"), x), "i32")
    assert shorten(expr, x) is expr


@pytest.mark.parametrize(
    ("divisor", "dtype", "wanted"),
    [
        (4.0, "f64", "mul(x[0], 0.25:f64)"),
        (0.0, "f64", "div(x[0], 0.0:f64)"),
        (float("inf"), "f64", "div(x[0], inf:f64)"),
        (float("nan"), "f64", "div(x[0], nan:f64)"),
        (1e-320, "f64", "div(x[0], 1e-320:f64)"),
        (1e300, "f32", "div(x[0], 1e+300:f32)"),
        (1e-42, "f32", "div(x[0], 1e-42:f32)"),
    ],
)
def test_division_by_a_constant(divisor: float, dtype: str, wanted: str) -> None:
    x = Load("x", (ZERO,), dtype)
    expr = Op("div", (x, Const(divisor, dtype)), dtype)
    assert print_expr(cheapest(expr, True)) == wanted
    assert cheapest(expr, False) is expr


# ---- loops that carry nothing ---------------------------------------------------------------
Y = NestArray("y", "f64", "argument", 0, (99,), (1,))


def recurrence(header: For, stream: bool = False) -> For:
    """``y[k] = y[k - 1]`` below a loop over k."""
    value = Load("y", (K - 1,), "f64")
    return header.with_body((Assign(Access("y", (K,)), value, "S", stream),))


@pytest.mark.parametrize(
    "node",
    [
        recurrence(loop("k", 1, 9, kind="vector")),
        recurrence(loop("k", 1, 9, kind="parallel")),
        recurrence(For("k", (ONE, ROW), (affine(9),), "seq", None, ())),  # no one first iteration
        recurrence(loop("k", 1, 9), stream=True),
        loop("i", 0, 4, kind="vector").with_body((recurrence(loop("k", 1, 9)),)),
    ],
)
def test_loops_that_cannot_carry(node: For) -> None:
    registers = Registers({"y": Y})
    assert carry((node,), registers) == (node,)
    assert registers.made == []


def updates(*between: NestNode) -> tuple[NestNode, ...]:
    """``y[0] = y[0] + x[0]`` before and after other nodes."""
    update = Assign(Access("y", (ZERO,)), op("add", Load("y", (ZERO,), "f64"), X), "S")
    return (update, *between, update)


@pytest.mark.parametrize(
    "between",
    [
        loop("k", 1, 9, kind="parallel").with_body((Assign(Access("y", (K,)), X, "T"),)),
        loop("k", 1, 9, kind="vector").with_body((Assign(Access("y", (K,)), X, "T"),)),
        loop("k", 0, 9).with_body((Assign(Access("y", (K,)), X, "T"),)),
        Assign(Access("y", (N,)), X, "T"),
        Assign(Access("x", (ZERO,)), Load("y", (N,), "f64"), "T"),
        Assign(Access("y", (ZERO,)), X, "T", True),
    ],
)
def test_an_element_that_cannot_be_kept(between: NestNode) -> None:
    registers = Registers({"y": Y})
    nodes = updates(between)
    assert keep_in_registers(nodes, registers) == nodes


def test_an_element_that_is_kept() -> None:
    registers = Registers({"y": Y})
    nodes = keep_in_registers(updates(Assign(Access("y", (ONE,)), X, "T")), registers)
    texts = [f"{n.target} = {print_expr(n.expr)}" for n in nodes if isinstance(n, Assign)]
    assert texts == [
        "y.kept0[0] = y[0]",
        "y.kept0[0] = add(y.kept0[0], x[0])",
        "y[1] = x[0]",
        "y.kept0[0] = add(y.kept0[0], x[0])",
        "y[0] = y.kept0[0]",
    ]


# ---- unrolling ------------------------------------------------------------------------------
def body(*offsets: Affine) -> tuple[Assign, ...]:
    return tuple(Assign(Access("y", (offset,)), X, "S") for offset in offsets)


def test_a_short_body_is_unrolled() -> None:
    node = loop("k", ROW, N).with_body(body(K))
    (outer,) = unroll_short_bodies((node,))
    assert isinstance(outer, For)
    (inner,) = outer.body
    assert isinstance(inner, For)
    assert [str(u) for u in (*outer.uppers, *inner.uppers)] == [
        "floordiv(-i + n + 3, 4)", "4", "-i - 4*k.o + n",
    ]  # fmt: skip
    assert inner.kind == "unroll"
    assert outer.kind == "seq"
    assert str(inner.body[0].target.subscripts[0]) == "i + 4*k.o + k.u"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "node",
    [
        loop("k", 0, 12).with_body(body(K)),  # too few iterations
        loop("k", 0, N, 99).with_body(body(K)),  # two bounds
        loop("k", 0, N, kind="vector").with_body(body(K)),
        loop("k", 0, N, kind="parallel").with_body(body(K)),
        loop("k", 0, N).with_body(body(*(K + n for n in range(40)))),  # long enough as it is
    ],
)
def test_other_loops_stay(node: For) -> None:
    assert unroll_short_bodies((node,)) == (node,)


def test_loops_around_are_not_unrolled() -> None:
    nest = loop("i", 0, N).with_body((loop("k", 0, 12).with_body(body(ROW + K)),))
    kinds = [n.kind for n, _ in walk(unroll_short_bodies((nest,))) if isinstance(n, For)]
    assert kinds == ["seq", "seq"]
