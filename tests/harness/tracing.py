"""Run a kernel function through the frontend and the interpreter, without compiling anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from loopstack.frontend.sizes import infer_sizes
from loopstack.frontend.tensor import trace
from loopstack.ir.program import Program
from loopstack.ir.verifier import verify
from loopstack.reference.interpreter import run


def interpret(program: Program, arrays: Mapping[str, np.ndarray], **sizes: int) -> Any:
    """Return the output arrays of a size-parametric program: one, or a tuple."""
    verify(program)
    shapes = {name: np.shape(value) for name, value in arrays.items()}
    bound = verify(program.bind(infer_sizes(program, shapes, sizes)))
    results = run(bound, dict(arrays), "faithful")
    outputs = [results[a.name] for a in program.arguments if a.role == "output"]
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


def evaluate(fn: Callable[..., Any], *args: Any, **sizes: int) -> Any:
    """Trace ``fn`` and interpret it on arrays given in the order of its arguments."""
    program = trace(fn)
    names = [a.name for a in program.arguments if a.role != "output"]
    return interpret(program, dict(zip(names, map(np.asarray, args), strict=True)), **sizes)
