"""Run nest text without the code generator: as C, on arrays next to unreadable pages.

Register arrays start as a bit pattern that no test data has, workspaces as NaN, so that a read
before a write shows. The private workspace is NaN again in each iteration of a parallel loop: any
thread may run it. Signed overflow of subscripts and subscripts outside register arrays trap.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping

import numpy as np

from harness.compiled_c import compile_c
from harness.guarded import GuardedArray, Side, run_in_fork
from loopstack.emit.nest_c_text import emit_nest_c
from loopstack.ir.operators import NUMPY_DTYPE
from loopstack.ir.program import Program

FLAGS = (
    "-std=c11", "-O0", "-w", "-ftrivial-auto-var-init=pattern",
    "-fsanitize=bounds", "-fsanitize-undefined-trap-on-error",
)  # fmt: skip


def run_nest_guarded(
    nest: str, program: Program, data: Mapping[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Run a nest in a child, with guard pages behind and then before every array.

    Return both results of every written array. Fails when the child is killed.
    """

    def both() -> dict[str, tuple[np.ndarray, np.ndarray]]:
        high, low = (run_nest(nest, program, data, side) for side in ("high", "low"))
        return {name: (high[name], low[name]) for name in high}

    report = run_in_fork(both)
    assert report.ok, f"{report}\n{nest}"
    return report.value


def run_nest(
    nest: str, program: Program, data: Mapping[str, np.ndarray], side: Side = "high"
) -> dict[str, np.ndarray]:
    """Run a nest of ``program`` once; return its output and inout arrays.

    An access outside of an argument or a workspace is a segmentation fault: call it in a fork.
    """
    function = compile_c(_forgetful(emit_nest_c(nest, name="entry"), nest), FLAGS).entry
    guarded = {a.name: _argument(a.name, program, data, side) for a in program.arguments}
    pointers = [guarded[a.name].array.ctypes.data for a in program.arguments]
    shared, private = _workspaces(nest, side)
    table = (ctypes.c_void_p * max(len(pointers), 1))(*pointers)
    places = (w.array.ctypes.data for w in (shared, private))
    function(table, *(ctypes.c_void_p(p) for p in places))
    written = [a.name for a in program.arguments if a.role in ("output", "inout")]
    return {name: guarded[name].array.copy() for name in written}


def _forgetful(text: str, nest: str) -> str:
    """Return C text whose parallel loops, if not inside others, forget the private workspace."""
    match = re.search(r"^workspace \d+ (\d+)$", nest, re.MULTILINE)
    assert match, nest
    forget = f"__builtin_memset(private, 0xFF, {match[1]});" if match[1] != "0" else ""
    pieces = re.split(r"(for \(int64_t .*\{)", text)
    loops = [line for line in nest.splitlines() if line.lstrip().startswith("for ")]
    assert len(pieces) == 2 * len(loops) + 1
    inside = None
    for number, line in enumerate(loops):
        depth = len(line) - len(line.lstrip())
        if inside is not None and depth > inside:
            continue
        inside = depth if " parallel" in line else None
        pieces[2 * number + 1] += forget if inside is not None else ""
    return "".join(pieces)


def _argument(
    name: str, program: Program, data: Mapping[str, np.ndarray], side: Side
) -> GuardedArray:
    array = program.array(name)
    shape = tuple(form.evaluate({}) for form in array.shape)
    guarded = GuardedArray(shape, NUMPY_DTYPE[array.dtype], side)
    guarded.array[...] = data.get(name, 77)
    return guarded


def _workspaces(nest: str, side: Side) -> tuple[GuardedArray, GuardedArray]:
    match = re.search(r"^workspace (\d+) (\d+)$", nest, re.MULTILINE)
    assert match, nest
    made = []
    for size in match.groups():
        workspace = GuardedArray((int(size),), np.uint8, side)
        workspace.array[...] = 0xFF
        made.append(workspace)
    return made[0], made[1]
