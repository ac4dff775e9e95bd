"""A scheduled kernel as one C function, called as the one of the plain program is.

    int matmul(const float A[restrict 64][64], ..., float C[restrict 64][64]);

It is the nest that lowering made (nest_c_text.py) behind the signature of the program (c_text.py),
with the schedule's buffers from malloc. It runs on one thread and leaves vectors to the compiler.
"""

from __future__ import annotations

import re

from loopstack.emit.c_text import function_head
from loopstack.emit.nest_c_text import emit_nest_c
from loopstack.ir.program import Array, Program

_WORKSPACE = re.compile(r"^workspace (\d+) (\d+)$", re.MULTILINE)


def emit_scheduled_c(nest: str, program: Program, *, name: str | None = None) -> str:
    """Return C text of ``nest``, the lowered text of ``program`` with integer sizes.

    Dense row-major arrays only; the function returns 0, or 1 without memory for the buffers.
    """
    head, arguments = function_head(program, name=name)
    inner = re.split(r"\W", head.removeprefix("int "), maxsplit=1)[0] + "_nest"
    body = emit_nest_c(nest, name=inner).replace(f"void {inner}(", f"static void {inner}(", 1)
    call = [_argument(a, text) for a, text in zip(program.arguments, arguments, strict=True)]
    table = f"  void *const arguments[] = {{{', '.join(call)}}};\n" if call else ""
    passed = "arguments" if call else "0"
    return f"{body}\n{head} {{\n{table}{_run(nest, inner, passed)}  return 0;\n}}\n"


def _argument(array: Array, text: str) -> str:
    return f"(void *)&{text}" if array.role == "scalar" else f"(void *){text}"


def _run(nest: str, function: str, arguments: str) -> str:
    """Return the call, between allocation and release of the workspaces."""
    found = _WORKSPACE.search(nest)
    shared, private = map(int, found.groups()) if found else (0, 0)
    if not shared + private:
        return f"  {function}({arguments}, 0, 0);\n"
    return (
        f"  char *workspace = malloc({shared + private});\n"
        "  if (!workspace) { return 1; }\n"
        f"  {function}({arguments}, workspace, workspace + {shared});\n"
        "  free(workspace);\n"
    )
