"""C compilers on our own C print of a program: what the loops are worth without a schedule.

gcc is the baseline. clang, and clang with Polly (its polyhedral optimiser), take part where they
are installed; nothing needs them.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from loopstack.emit.c_text import emit_c
from loopstack.errors import UnsupportedTarget
from loopstack.ir.program import Array, Program

FLAGS = ("-O3", "-march=native", "-ffast-math", "-std=c11", "-shared", "-fPIC")
POLLY = ("-mllvm", "-polly")
POLLY_THREADS = ("-mllvm", "-polly-parallel")
"""Polly then takes OMP_NUM_THREADS threads where it finds a parallel loop."""
CLANGS = ("clang", *(f"clang-{version}" for version in range(24, 13, -1)))
LIMIT_S = 180.0
"""Polly may think about a program for minutes: then it does not take part."""
SCALARS = {
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
}
Arrays = Mapping[str, np.ndarray]
Bind = Callable[[Arrays], Callable[[], object]]
"""Takes arrays, returns a call that works on them: what binding costs is nobody's time."""


@dataclass(frozen=True)
class Compiler:
    """``name`` is the column; ``libraries`` come last on the command line."""

    name: str
    command: str
    extra: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ("-lm",)

    def accepts(self) -> bool:
        """Tell whether an empty function compiles and links."""
        try:
            self.build("int kernel(void) { return 0; }\n")
        except UnsupportedTarget:
            return False
        return True

    def build(self, text: str) -> ctypes.CDLL:
        """Return the loaded library. Raises UnsupportedTarget with the first complaint."""
        with tempfile.TemporaryDirectory(prefix="loopstack-bench-") as folder:
            source, library = Path(folder) / "kernel.c", Path(folder) / "kernel.so"
            source.write_text(text)
            arguments = [self.command, *FLAGS, *self.extra, "-o", str(library), str(source)]
            _run([*arguments, *self.libraries])
            return ctypes.CDLL(str(library))  # stays in memory when the file is gone


def _run(arguments: list[str]) -> None:
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise UnsupportedTarget(f"{arguments[0]} takes more than {LIMIT_S:.0f} s") from None
    if done.returncode:
        complaint = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[0]
        raise UnsupportedTarget(f"{arguments[0]} fails: {complaint}")


def gcc() -> Compiler:
    """Return gcc, or another C compiler in its place. Raises UnsupportedTarget without any."""
    command = shutil.which("gcc") or shutil.which("cc")
    if command is None:
        raise UnsupportedTarget("the baseline needs gcc (or cc): install a C compiler")
    return Compiler("gcc", command)


@lru_cache
def others(threads: int) -> tuple[Compiler, ...]:
    """Return clang, and clang with Polly, as far as they are installed."""
    command = next(filter(None, map(shutil.which, CLANGS)), None)
    if command is None:
        return ()
    polly = Compiler("polly", command, POLLY)
    if threads > 1:
        polly = Compiler("polly", command, (*POLLY, *POLLY_THREADS), ("-lm", "-lgomp"))
    return tuple(each for each in (Compiler("clang", command), polly) if each.accepts())


def make(program: Program, compiler: Compiler | None = None) -> Bind:
    """Compile a program with integer sizes as its C print.

    Raises UnsupportedTarget without a compiler, or with its first complaint.
    """
    loaded = (compiler or gcc()).build(emit_c(program, name="kernel"))

    def bind(arrays: Arrays) -> Callable[[], object]:
        arguments = [_argument(a, arrays[a.name]) for a in program.arguments]
        return lambda: loaded.kernel(*arguments)

    return bind


def _argument(array: Array, value: np.ndarray) -> object:
    if array.role == "scalar":
        return SCALARS[array.dtype](value.item())
    return ctypes.c_void_p(value.ctypes.data)
