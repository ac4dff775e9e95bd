"""``loopstack run``: run a kernel on generated data, check it, time it."""

from __future__ import annotations

from typing import Annotated

import typer

from loopstack.cli.target import Isa, Sizes, Target, Threads, make_kernel, target_settings


def run(
    target: Target,
    size: Sizes = None,
    threads: Threads = None,
    isa: Isa = None,
    check: Annotated[bool, typer.Option(help="Compare with the reference first.")] = True,
) -> None:
    """Run a kernel on generated data: check its result, then time it.

    Example: loopstack run matmul.py:matmul --size m=512 --size n=512 --size k=512
    """
    with target_settings(isa, threads):
        kernel = make_kernel(target, size)
        if check:
            kernel.check()
        timing = kernel.time()
    verdict = "right, " if check else ""
    typer.echo(f"{kernel!r}: {verdict}{timing}")
    if timing.flops and timing.peak_gflops:
        typer.echo(f"{100 * timing.fraction_of_peak:.0f} % of the measured FMA peak")
