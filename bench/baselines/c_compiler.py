"""A C compiler on our own C print of a program: what the loops are worth without a schedule."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from loopstack.emit.c_text import emit_c
from loopstack.errors import UnsupportedTarget
from loopstack.ir.program import Array, Program

FLAGS = ("-O3", "-march=native", "-ffast-math", "-std=c11", "-shared", "-fPIC")
SCALARS = {
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
}
Arrays = Mapping[str, np.ndarray]


def compiler() -> str | None:
    """Return the path of gcc, or of another C compiler; None without one."""
    return shutil.which("gcc") or shutil.which("cc")


def make(program: Program) -> Callable[[Arrays], None]:
    """Compile a program with integer sizes as its C print; run it on arrays, in place.

    Raises UnsupportedTarget without a compiler, or with its first complaint.
    """
    command = compiler()
    if command is None:
        raise UnsupportedTarget("the baseline needs gcc (or cc): install a C compiler")
    folder = tempfile.TemporaryDirectory(prefix="loopstack-bench-")
    source = Path(folder.name) / "kernel.c"
    source.write_text(emit_c(program, name="kernel"))
    library = source.with_suffix(".so")
    arguments = [command, *FLAGS, "-o", str(library), str(source), "-lm"]
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode:
        raise UnsupportedTarget(f"{command} fails: {done.stderr.splitlines()[0]}")
    loaded = ctypes.CDLL(str(library))

    def run(arrays: Arrays, folder: object = folder) -> None:
        loaded.kernel(*[_argument(a, arrays[a.name]) for a in program.arguments])

    return run


def _argument(array: Array, value: np.ndarray) -> object:
    if array.role == "scalar":
        return SCALARS[array.dtype](value.item())
    return ctypes.c_void_p(value.ctypes.data)
