"""``loopstack show``: look at a kernel at any stage of the compiler."""

from __future__ import annotations

from typing import Annotated

import typer

from loopstack.cli.target import Isa, Sizes, Target, Threads, make_kernel, target_settings

WHAT = "program, dependences, loops, nest, asm, c, roofline or schedule"


def show(
    target: Target,
    size: Sizes = None,
    what: Annotated[str, typer.Option("--what", "-w", help=WHAT)] = "loops",
    threads: Threads = None,
    isa: Isa = None,
) -> None:
    """Print one view of a kernel.

    Example: loopstack show matmul.py:matmul -s m=512 -s n=512 -s k=512 --what asm
    """
    with target_settings(isa, threads):
        kernel = make_kernel(target, size)
        text = str(kernel.schedule) if what == "schedule" else kernel.show(what)
    typer.echo(text.rstrip("\n"))
