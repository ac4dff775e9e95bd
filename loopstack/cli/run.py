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
    """Run a kernel on generated data.

    Its result is checked, then it is timed.

    Example: loopstack run matmul.py:matmul --size m=512 --size n=512 --size k=512
    """
    with target_settings(isa, threads):
        kernel = make_kernel(target, size)
        if check:
            kernel.check()
        timing = kernel.time()
    sizes = ", ".join(f"{name}={value}" for name, value in kernel.specialization.sizes.items())
    count = f"{kernel.threads} thread{'s' if kernel.threads > 1 else ''}"
    typer.echo(f"kernel       {kernel.program.name}({sizes}), {kernel.isa}, {count}")
    if check:
        typer.echo("result       right: equal to the reference within the computed error bound")
    typer.echo(f"time         {timing}")
    if timing.flops and timing.peak_gflops:
        typer.echo(f"of peak      {100 * timing.fraction_of_peak:.0f} % of the measured FMA peak")
