"""Programs whose iterations work in temporaries that others overwrite: privatize has work to do.

``PROGRAMS`` maps a name to a function that makes the program with its one size, ``N``.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.imperfect import carried_row, row, running_sum, sheared_rows, square
from harness.programs import access, array, forms, load, op
from loopstack.ir.affine import name
from loopstack.ir.program import Array, Program, Reduction, Statement

WHOLE = "i $N-1-i j $N-1-j"


def scratch_row() -> Program:
    """Each row is computed in a local row, and read back from both ends."""
    mirrored = op("add", load("t", "j"), load("t", "$N-1-j"))
    statements = (
        Statement(
            "S0", ("i", "j"), forms(WHOLE), access("t", "j"), op("exp", load("x", "i j")), None,
            (0, 0, 0),
        ),
        Statement("S1", ("i", "j"), forms(WHOLE), access("y", "i j"), mirrored, None, (0, 1, 0)),
    )  # fmt: skip
    arrays = (square("x"), square("y", "output"), row("t", "temporary"))
    return Program("scratch_row", ("N",), arrays, statements)


def reused_scalar() -> Program:
    """One scalar holds two values in turn in each iteration."""
    statements = (
        Statement(
            "S0", ("i", "j"), forms(WHOLE), access("t"), load("x", "i j"), None, (0, 0, 0)
        ),
        Statement(
            "S1", ("i", "j"), forms(WHOLE), access("y", "i j"), op("exp", load("t")), None,
            (0, 0, 1),
        ),
        Statement(
            "S2", ("i", "j"), forms(WHOLE), access("t"), op("add", load("t"), load("y", "i j")),
            None, (0, 0, 2),
        ),
        Statement("S3", ("i", "j"), forms(WHOLE), access("z", "j i"), load("t"), None, (0, 0, 3)),
    )  # fmt: skip
    arrays = (
        square("x"),
        square("y", "output"),
        square("z", "output"),
        array("t", "", "temporary"),
    )
    return Program("reused_scalar", ("N",), arrays, statements)


def row_sums() -> Program:
    """A scalar adds up a row; it is set to the first element ahead of that."""
    statements = (
        Statement("S0", ("i",), forms("i $N-1-i"), access("t"), load("x", "i i"), None, (0, 0)),
        Statement(
            "S1", ("i", "j"), forms(WHOLE), access("t"), load("x", "i j"),
            Reduction("sum", "existing"), (0, 1, 0),
        ),
        Statement("S2", ("i",), forms("i $N-1-i"), access("y", "i"), load("t"), None, (0, 2)),
    )  # fmt: skip
    arrays = (square("x"), row("y", "output"), array("t", "", "temporary"))
    return Program("row_sums", ("N",), arrays, statements)


def growing_window() -> Program:
    """An iteration writes a part of the local row, and reads less of it."""
    statements = (
        Statement(
            "S0", ("i", "j"), forms("i $N-1-i j i-j"), access("t", "i+j"), load("x", "i j"), None,
            (0, 0, 0),
        ),
        Statement(
            "S1", ("i", "j"), forms("i $N-1-i j i-1-j"), access("y", "i j"), load("t", "i+j"),
            None, (0, 1, 0),
        ),
    )  # fmt: skip
    wide = Array("t", "f32", (name("$N") * 2,), "temporary")
    arrays = (square("x"), square("y", "inout"), wide)
    return Program("growing_window", ("N",), arrays, statements)


def two_lives() -> Program:
    """A row serves two loops, one after the other, and the second reads what the first left."""
    statements = (
        Statement(
            "S0", ("i", "j"), forms(WHOLE), access("t", "j"), load("x", "i j"), None, (0, 0, 0)
        ),
        Statement("S1", ("i", "j"), forms(WHOLE), access("y", "i j"), load("t", "j"), None,
                  (0, 1, 0)),
        Statement("S2", ("j",), forms("j $N-1-j"), access("z", "j"), load("t", "j"), None, (1, 0)),
    )  # fmt: skip
    arrays = (square("x"), square("y", "output"), row("z", "output"), row("t", "temporary"))
    return Program("two_lives", ("N",), arrays, statements)


def lent_row() -> Program:
    """A row serves two nests that pass nothing on to each other."""
    statements = (
        Statement(
            "S0", ("i", "j"), forms(WHOLE), access("t", "j"), load("x", "i j"), None, (0, 0, 0)
        ),
        Statement(
            "S1", ("i", "j"), forms(WHOLE), access("y", "i j"), load("t", "j"), None, (0, 1, 0)
        ),
        Statement(
            "S2", ("i", "j"), forms(WHOLE), access("t", "i"), load("x", "j i"), None, (1, 0, 0)
        ),
        Statement(
            "S3", ("i", "j"), forms(WHOLE), access("z", "i j"), load("t", "i"), None, (1, 0, 1)
        ),
    )  # fmt: skip
    arrays = (square("x"), square("y", "output"), square("z", "output"), row("t", "temporary"))
    return Program("lent_row", ("N",), arrays, statements)


def first_value() -> Program:
    """The first step of an outer iteration writes a value that all of its later steps read."""
    statements = (
        Statement(
            "S0", ("i", "j", "k"), forms("i $N-1-i j -j k -k"), access("t", "i"), load("x", "i j"),
            None, (0, 0, 0, 0),
        ),
        Statement(
            "S1", ("i", "j", "k"), forms("i $N-1-i j-1 $N-1-j k $N-1-k"), access("y", "j k"),
            op("add", load("t", "i"), load("x", "i k")), None, (0, 0, 0, 1),
        ),
    )  # fmt: skip
    arrays = (square("x"), square("y", "inout"), row("t", "temporary"))
    return Program("first_value", ("N",), arrays, statements)


PROGRAMS: dict[str, Callable[[], Program]] = {
    make.__name__: make
    for make in (
        scratch_row, reused_scalar, row_sums, growing_window, two_lives, lent_row, carried_row,
        sheared_rows, running_sum, first_value,
    )
}  # fmt: skip
