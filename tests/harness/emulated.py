"""Run a bound program's machine code in the emulator, any instruction set, bounds-checked.

Every argument is mapped at exactly its size, between unmapped pages, and inputs are read-only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from emulator import Machine

from harness.inputs import outputs
from loopstack.ir.program import Program
from loopstack.runtime import jit

Arrays = dict[str, np.ndarray]


def run_emulated(
    program: Program, nest: str, isa: str, data: Mapping[str, np.ndarray], threads: int = 1
) -> Arrays:
    """Return the output and inout arrays after one call on a copy of ``data``."""
    code = jit.generate(nest, isa)
    machine = Machine(code.bytes, code.entry_offset)
    arrays = outputs(program)
    arrays.update({name: np.array(values) for name, values in data.items()})
    written = {a.name for a in program.arguments if a.role in ("output", "inout")}
    addresses = [
        machine.map(a.name, np.atleast_1d(arrays[a.name]), writable=a.name in written)
        for a in program.arguments
    ]
    sizes = {"workspace_bytes": code.workspace_bytes, "private_bytes": code.private_bytes}
    machine.call(addresses, threads=threads, **sizes)
    return {name: arrays[name] for name in arrays if name in written}
