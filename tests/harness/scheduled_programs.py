"""Small programs that schedule commands act on in different ways; sizes are still names.

Beside those of ``harness.programs``: a sliding window, a producer read at two neighbours, a sum
whose order counts, and an update in place.
"""

from __future__ import annotations

from dataclasses import replace

from harness.programs import access, array, box, forms, load, matmul, op
from loopstack.ir.affine import name
from loopstack.ir.expr import Const
from loopstack.ir.program import Array, Program, Reduction, Statement


def conv_1d() -> Program:
    """Two loops in one subscript."""
    product = op("mul", load("x", "o+r"), load("w", "r"))
    s = Statement(
        "y", ("o", "r"), box(o="o", r="r"), access("y", "o"), product, Reduction("sum"), (0, 0, 0)
    )
    x = Array("x", "f32", (name("$o") + name("$r"),), "input")
    return Program(
        "conv_1d", ("o", "r"), (x, array("w", "r", "input"), array("y", "o", "output")), (s,)
    )


def blur() -> Program:
    """``compute_at`` and ``inline`` have work to do: y[i] = t[i] + t[i + 1]."""
    t = Statement(
        "t", ("i",), forms("i $n-i"), access("t", "i"), op("exp", load("x", "i")), None, (0, 0)
    )
    half = op("add", load("t", "i"), load("t", "i+1"))
    y = Statement("y", ("i",), box(i="n"), access("y", "i"), half, None, (1, 0))
    longer = (name("$n") + 1,)
    arrays = (
        Array("x", "f32", longer, "input"),
        array("y", "n", "output"),
        Array("t", "f32", longer, "temporary"),
    )
    return Program("blur", ("n",), arrays, (t, y))


def ordered_sum() -> Program:
    """A matrix product whose sums may not be regrouped."""
    return replace(matmul(), name="ordered_sum", reassociate=False)


def in_place() -> Program:
    """Each element is added to its right neighbour: along j, order counts."""
    s = Statement(
        "A", ("i", "j"), forms("i $n-1-i j-1 $n-1-j"), access("A", "i j"),
        op("add", load("A", "i j-1"), load("A", "i j")),
    )  # fmt: skip
    return Program("in_place", ("n",), (array("A", "n n", "inout"),), (s,))


def overwritten_input() -> Program:
    """t is computed from x, then x changes, then t is used: inlining t would read the new x."""
    whole = box(i="n")
    statements = (
        Statement("t", ("i",), whole, access("t", "i"), op("exp", load("x", "i")), None, (0, 0)),
        Statement("x", ("i",), whole, access("x", "i"), load("z", "i"), None, (1, 0)),
        Statement("y", ("i",), whole, access("y", "i"), load("t", "i"), None, (2, 0)),
    )
    arrays = (
        array("x", "n", "inout"), array("z", "n", "input"), array("y", "n", "output"),
        array("t", "n", "temporary"),
    )  # fmt: skip
    return Program("overwritten_input", ("n",), arrays, statements)


def seidel() -> Program:
    """Relaxation in place over time: along t and along i, order counts."""
    around = op("add", load("A", "i-1"), op("add", load("A", "i"), load("A", "i+1")))
    s = Statement(
        "S", ("t", "i"), forms("t $T-1-t i-1 $N-2-i"), access("A", "i"),
        op("mul", Const(0.25, "f32"), around), None, (0, 0, 0),
    )  # fmt: skip
    return Program("seidel", ("T", "N"), (array("A", "N", "inout"),), (s,), reassociate=False)


def scaled_rows() -> Program:
    """A scalar made and used in every iteration: t = x[i, j] + y[j]; a = t * t; b = t."""
    whole = box(i="n", j="n")
    t = load("t")
    statements = (
        Statement("S0", ("i", "j"), whole, access("t"), op("add", load("x", "i j"), load("y", "j")),
                  None, (0, 0, 0)),
        Statement("S1", ("i", "j"), whole, access("a", "i j"), op("mul", t, t), None, (0, 0, 1)),
        Statement("S2", ("i", "j"), whole, access("b", "i j"), t, None, (0, 0, 2)),
    )  # fmt: skip
    arrays = (
        array("x", "n n", "input"), array("y", "n", "input"), array("a", "n n", "output"),
        array("b", "n n", "output"), array("t", "", "temporary"),
    )  # fmt: skip
    return Program("scaled_rows", ("n",), arrays, statements)
