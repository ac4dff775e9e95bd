"""NumPy twins compute what the program says."""

from __future__ import annotations

import numpy as np
import pytest
from harness.spaces import conv, matmul, softmax

from loopstack.cli.numpy_twin import contraction_twin, einsum_subscripts, numpy_twin
from loopstack.ir.program import Program
from loopstack.measure.inputs import default_inputs
from loopstack.reference.interpreter import run


@pytest.mark.parametrize("program", [matmul(5, 6, 7), softmax(4, 5), conv(2, 3, 4, 5)])
def test_a_twin_agrees_with_the_interpreter(program: Program) -> None:
    data = default_inputs(program)
    twin = numpy_twin(program)
    assert twin is not None
    (expected,) = run(program, data).values()
    np.testing.assert_allclose(twin(data), expected, rtol=1e-5)


def test_a_product_is_one_einsum() -> None:
    program = matmul(5, 6, 7)
    statement = program.statements[0]
    assert einsum_subscripts(statement, statement.reads) == "ab,bc->ac"
    assert contraction_twin(program) is not None


def test_a_compound_subscript_is_no_einsum() -> None:
    assert contraction_twin(conv()) is None
