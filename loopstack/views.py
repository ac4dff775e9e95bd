"""What ``Kernel.show`` prints: one function a view, each returns text."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from loopstack.errors import UnsupportedTarget

if TYPE_CHECKING:
    from loopstack.kernel import Kernel


def view_program(kernel: Kernel) -> str:
    """The program in its text form, parametric in sizes."""
    from loopstack.ir.printer import print_program

    return print_program(kernel.specialization.program)


def view_dependences(kernel: Kernel) -> str:
    """Flow, anti and output dependences with their distances."""
    from loopstack.poly.dependence import describe

    return describe(kernel.program)


def view_loops(kernel: Kernel) -> str:
    """The loop nest that the schedule makes."""
    from loopstack.lower.loops_text import loops_text

    return loops_text(kernel.tree, kernel.isa)


def view_nest(kernel: Kernel) -> str:
    """The text the code generator takes."""
    return kernel.nest


def view_c(kernel: Kernel) -> str:
    """The program as C."""
    from loopstack.emit.c_text import emit_c

    return emit_c(kernel.program)


def view_roofline(kernel: Kernel) -> str:
    """Arithmetic intensity, measured limits, and which one binds."""
    from loopstack.measure.roofline import describe_kernel

    return describe_kernel(kernel.program, kernel.time(), kernel.isa, kernel.threads)


# ---- assembly -----------------------------------------------------------------------------------
def view_asm(kernel: Kernel) -> str:
    """The machine code, disassembled; loop and statement comments where they begin.

    Code for another CPU is shown as well. Raises UnsupportedTarget when neither objdump nor
    iced-x86 is installed.
    """
    from loopstack.runtime.jit import generate

    code = generate(kernel.nest, kernel.isa)
    notes: dict[int, list[str]] = {}
    for offset, text in code.notes:
        notes.setdefault(offset, []).append(text)
    lines = []
    for offset, text in _disassemble(code.bytes[: code.text_size_bytes], kernel.isa):
        lines += [f"        ; {note}" for note in notes.get(offset, [])]
        lines.append(f"{offset:6x}  {text}")
    return "\n".join(lines) + "\n"


def _disassemble(code: bytes, isa: str) -> list[tuple[int, str]]:
    if shutil.which("objdump"):
        return _objdump(code, "i386:x86-64" if isa.startswith("avx") else "aarch64")
    if isa.startswith("avx"):
        return _iced(code)
    raise UnsupportedTarget("show('asm') needs objdump (binutils) for this instruction set")


def _objdump(code: bytes, machine: str) -> list[tuple[int, str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.bin"
        path.write_bytes(code)
        command = ["objdump", "-D", "-b", "binary", "-m", machine, "--no-show-raw-insn", str(path)]
        if machine.startswith("i386"):
            command[1:1] = ["-M", "intel"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split(":", 1) for line in text.splitlines() if line.startswith(" ")]
    return [(int(at, 16), what.strip()) for at, what in rows]


def _iced(code: bytes) -> list[tuple[int, str]]:
    try:
        import iced_x86
    except ImportError:
        raise UnsupportedTarget(
            "show('asm') needs a disassembler: install binutils (objdump) or `pip install iced-x86`"
        ) from None
    formatter = iced_x86.Formatter(iced_x86.FormatterSyntax.INTEL)
    return [(i.ip, formatter.format(i)) for i in iced_x86.Decoder(64, code, ip=0)]
