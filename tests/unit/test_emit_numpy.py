"""NumPy text: runs and agrees with the interpreter."""

from __future__ import annotations

import numpy as np
import pytest
from harness import programs
from harness.inputs import inputs

from loopstack.emit.numpy_text import emit_numpy
from loopstack.reference.tolerance import compare, reference

MAKERS = {
    maker.__name__: maker
    for maker in (
        programs.matmul,
        programs.softmax,
        programs.jacobi_1d,
        programs.lu,
        programs.pad_then_exp,
        programs.repeat_rows,
        programs.scaled_sum,
    )
}


@pytest.mark.parametrize("label", ["matmul", "softmax", "lu"])
def test_text(label, golden):
    golden(emit_numpy(MAKERS[label]()), f"{label}.txt")


@pytest.mark.parametrize("label", sorted(MAKERS))
@pytest.mark.parametrize("extents", [(5, 7, 6), (1, 1, 1), (0, 3, 2), (3, 2, 0)])
def test_runs(label, extents):
    program = MAKERS[label]()
    namespace: dict = {}
    exec(compile(emit_numpy(program), label, "exec"), namespace)
    sizes = dict(zip(program.sizes, extents, strict=False))
    data = inputs(program.bind(sizes))
    wanted = reference(program.bind(sizes), data)
    with np.errstate(all="ignore"):
        result = namespace[label](*data.values(), **sizes)
    outputs = [a.name for a in program.arguments if a.role == "output"]
    found = {**data, **({outputs[0]: np.asarray(result)} if outputs else {})}
    for name, (expected, error) in wanted.items():
        assert compare(found[name], expected, error) is None
