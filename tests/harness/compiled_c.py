"""Compile C text to a shared library and call it on NumPy arrays."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from loopstack.ir.program import Program

COMPILER = shutil.which("gcc") or shutil.which("cc")
FLAGS = ("-std=c11", "-O3", "-march=native", "-Wall", "-Wextra", "-Werror")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")
_SCALARS = {
    "bool_": ctypes.c_uint8,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
}


@lru_cache
def _folder() -> Path:
    # Kept for the life of the process: a loaded library must stay.
    holder = tempfile.TemporaryDirectory(prefix="compiled-c-")
    _HOLDERS.append(holder)
    return Path(holder.name)


_HOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def compile_c(text: str, flags: tuple[str, ...] = FLAGS) -> ctypes.CDLL:
    """Return the loaded library; a warning or an error of the compiler fails with its output."""
    stem = hashlib.sha256(repr((text, flags)).encode()).hexdigest()[:16]
    library = _folder() / f"{stem}.so"
    if not library.exists():
        source = library.with_suffix(".c")
        source.write_text(text)
        command = [
            str(COMPILER),
            *flags,
            "-shared",
            "-fPIC",
            "-o",
            str(library),
            str(source),
            "-lm",
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stderr}\n{text}"
    return ctypes.CDLL(str(library))


def call_c(
    library: ctypes.CDLL,
    program: Program,
    sizes: Mapping[str, int],
    arrays: Mapping[str, np.ndarray],
    *,
    strides: bool = False,
    name: str | None = None,
) -> None:
    """Call the function that ``emit_c(program, name=name)`` makes; it writes into ``arrays``."""
    arguments: list[object] = [ctypes.c_int64(sizes[s]) for s in program.sizes]
    steps: list[object] = []
    for each in program.arguments:
        array = arrays[each.name]
        if each.role == "scalar":
            arguments.append(_SCALARS[each.dtype](array.item()))
            continue
        arguments.append(ctypes.c_void_p(array.ctypes.data))
        if strides:
            steps += [ctypes.c_int64(s // array.itemsize) for s in array.strides]
        else:
            assert array.flags.c_contiguous
    function = library[name or program.name]
    function.restype = ctypes.c_int
    assert function(*arguments, *steps) == 0
