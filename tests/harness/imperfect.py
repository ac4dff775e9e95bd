"""Programs as an affine frontend makes them: triangles, bands, and loops that statements share.

Every one is small on purpose: at sizes 1 and 2 most of their domains are empty or a single point.
``PROGRAMS`` maps a name to a function that makes the program with its one size, ``N``.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.programs import access, array, forms, load, lu, op
from loopstack.ir.affine import name
from loopstack.ir.expr import Const, Expr, Load
from loopstack.ir.program import Array, Program, Reduction, Statement

PROGRAMS: dict[str, Callable[[], Program]] = {"lu": lu}
UPDATE = Reduction("sum", "existing")
SUM = Reduction("sum")
Made = Callable[[], Program]


def listed(make: Made) -> Made:
    PROGRAMS[make.__name__] = make
    return make


def square(label: str, role: str = "input") -> Array:
    return array(label, "N N", role)  # type: ignore[arg-type]


def row(label: str, role: str = "input") -> Array:
    return array(label, "N", role)  # type: ignore[arg-type]


def product(left: Load, right: Load) -> Expr:
    return op("mul", left, right)


@listed
def lower_update() -> Program:
    """The lower triangle of C += A A'."""
    s = Statement(
        "S", ("i", "j", "k"), forms("i $N-1-i j i-j k $N-1-k"), access("C", "i j"),
        product(load("A", "i k"), load("A", "j k")), UPDATE,
    )  # fmt: skip
    return Program("lower_update", ("N",), (square("A"), square("C", "inout")), (s,))


@listed
def sums_before() -> Program:
    """C[i] adds up what stands before the diagonal; C[0] is a sum of nothing."""
    s = Statement(
        "S", ("i", "k"), forms("i $N-1-i k i-k-1"), access("C", "i"), load("A", "i k"), SUM
    )
    return Program("sums_before", ("N",), (square("A"), row("C", "output")), (s,))


@listed
def sums_behind() -> Program:
    """The first term of a result moves with the result, and so does the last."""
    s = Statement(
        "S", ("i", "j", "k"), forms("i $N-1-i j $N-1-j k-i k-j $N-1-k"), access("C", "i j"),
        product(load("A", "i k"), load("B", "k j")), SUM,
    )  # fmt: skip
    arrays = (square("A"), square("B"), square("C", "output"))
    return Program("sums_behind", ("N",), arrays, (s,))


@listed
def triangular_terms() -> Program:
    """The terms of one result form a triangle."""
    s = Statement(
        "S", ("i", "j", "k"), forms("i $N-1-i j $N-1-j k j-k-1"), access("C", "i"),
        product(load("A", "i k"), load("A", "j k")), SUM,
    )  # fmt: skip
    return Program("triangular_terms", ("N",), (square("A"), row("C", "output")), (s,))


@listed
def substitution() -> Program:
    """x = L^-1 b: a copy, a shorter loop and a division below one loop."""
    rest = op("sub", load("x", "i"), product(load("L", "i j"), load("x", "j")))
    statements = (
        Statement("S0", ("i",), forms("i $N-1-i"), access("x", "i"), load("b", "i"), None, (0, 0)),
        Statement(
            "S1", ("i", "j"), forms("i $N-1-i j i-1-j"), access("x", "i"), rest, None, (0, 1, 0)
        ),
        Statement(
            "S2", ("i",), forms("i $N-1-i"), access("x", "i"),
            op("mul", load("x", "i"), Const(0.25, "f32")), None, (0, 2),
        ),
    )  # fmt: skip
    arrays = (square("L"), row("b"), row("x", "output"))
    return Program("substitution", ("N",), arrays, statements, False)


@listed
def triangular_product() -> Program:
    """B = alpha A' B in place: a sum over a shorter loop, then a scaling, below shared loops."""
    statements = (
        Statement(
            "S0", ("i", "j", "k"), forms("i $N-1-i j $N-1-j k-i-1 $N-1-k"), access("B", "i j"),
            product(load("A", "k i"), load("B", "k j")), UPDATE, (0, 0, 0, 0),
        ),
        Statement(
            "S1", ("i", "j"), forms("i $N-1-i j $N-1-j"), access("B", "i j"),
            product(load("alpha"), load("B", "i j")), None, (0, 0, 1),
        ),
    )  # fmt: skip
    arrays = (square("A"), array("alpha", "", "scalar"), square("B", "inout"))
    return Program("triangular_product", ("N",), arrays, statements)


@listed
def trapezoid() -> Program:
    """The range of j moves and grows with i, and ends at the array."""
    s = Statement(
        "S", ("i", "j"), forms("i $N-1-i j-i 2*i+2-j $N+1-j"), access("C", "i j"),
        op("exp", load("A", "j i")), None,
    )  # fmt: skip
    wide = (name("$N"), name("$N") + 2)
    arrays = (Array("A", "f32", wide[::-1], "input"), Array("C", "f32", wide, "inout"))
    return Program("trapezoid", ("N",), arrays, (s,))


@listed
def running_sum() -> Program:
    """Each partial sum is read before the next term is added."""
    statements = (
        Statement("S0", ("i",), forms("i $N-1-i"), access("s"), load("x", "i"), UPDATE, (0, 0)),
        Statement("S1", ("i",), forms("i $N-1-i"), access("y", "i"), load("s"), None, (0, 1)),
    )
    arrays = (row("x"), array("s", "", "inout"), row("y", "output"))
    return Program("running_sum", ("N",), arrays, statements, False)


@listed
def different_ranges() -> Program:
    """Three statements below one loop, each over another part of its range."""
    statements = (
        Statement(
            "S0", ("i",), forms("i 2-i $N-1-i"), access("a", "i"), load("x", "i"), None, (0, 0)
        ),
        Statement(
            "S1", ("i", "j"), forms("i-1 $N-1-i j $N-1-j i+1-j"), access("b", "i"),
            load("A", "i j"), SUM, (0, 1, 0),
        ),
        Statement(
            "S2", ("i", "j"), forms("i $N-3-i j-i $N-1-j"), access("A", "i j"),
            op("neg", load("A", "i j")), None, (0, 1, 1),
        ),
    )  # fmt: skip
    arrays = (row("x"), square("A", "inout"), row("a", "inout"), row("b", "inout"))
    return Program("different_ranges", ("N",), arrays, statements)


@listed
def carried_row() -> Program:
    """A local row holds what the iteration before computed; the first one has no such row."""
    statements = (
        Statement(
            "S0", ("t", "i"), forms("t-1 $N-1-t i $N-1-i"), access("y", "t i"), load("last", "i"),
            None, (0, 0, 0),
        ),
        Statement(
            "S1", ("t", "i"), forms("t $N-1-t i $N-1-i"), access("last", "i"), load("x", "t i"),
            None, (0, 0, 1),
        ),
    )  # fmt: skip
    arrays = (square("x"), square("y", "inout"), row("last", "temporary"))
    return Program("carried_row", ("N",), arrays, statements)


@listed
def sheared_rows() -> Program:
    """A local array read where one loop moves through it faster than where it is written."""
    wide = (name("$N"), name("$N") * 3)
    whole = "i $N-1-i j 3*$N-1-j"
    statements = (
        Statement(
            "S0", ("i", "j"), forms(whole), access("t", "i j"), load("x", "i j"), None, (0, 0, 0)
        ),
        Statement(
            "S1", ("i", "j"), forms("i $N-1-i j $N-1-j"), access("y", "i j"),
            op("add", load("t", "i j"), load("t", "i i+2*j")), None, (1, 0, 0),
        ),
    )  # fmt: skip
    arrays = (
        Array("x", "f32", wide, "input"), square("y", "output"),
        Array("t", "f32", wide, "temporary"),
    )  # fmt: skip
    return Program("sheared_rows", ("N",), arrays, statements)


@listed
def never() -> Program:
    """An empty domain beside one that is not."""
    statements = (
        Statement(
            "S0", ("i", "j"), forms("i $N-1-i j-i-1 i-1-j"), access("C", "i"), load("x", "j"), None,
            (0, 0, 0),
        ),
        Statement("S1", ("i",), forms("i $N-1-i"), access("C", "i"), load("x", "i"), None, (0, 1)),
    )  # fmt: skip
    return Program("never", ("N",), (row("x"), row("C", "output")), statements)
