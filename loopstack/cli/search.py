"""``loopstack search``: find a fast schedule, show how fast it is and why, keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from loopstack.cli.target import (
    Isa,
    Sizes,
    Target,
    Threads,
    load_function,
    parse_sizes,
    target_settings,
)

if TYPE_CHECKING:
    from loopstack.kernel import Kernel
    from loopstack.records import SearchResult


def search(
    target: Target,
    size: Sizes = None,
    budget: Annotated[str, typer.Option(help="20s, 2m or '300 trials'.")] = "20s",
    strategy: Annotated[str, typer.Option(help="A strategy's name; auto takes the best.")] = "auto",
    seed: Annotated[int, typer.Option(help="The same seed draws the same candidates.")] = 0,
    threads: Threads = None,
    isa: Isa = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from stored trials.")] = False,
) -> None:
    """Search a schedule and store it: the next call with these sizes uses it. Ctrl-C keeps the
    best so far.

    Example: loopstack search matmul.py:matmul -s m=512 -s n=512 -s k=512 --budget 20s
    """
    from rich.console import Console

    from loopstack.cli.display import SearchDisplay

    console = Console()
    with target_settings(isa, threads):
        function, sizes = load_function(target), parse_sizes(size)
        kernel = function.specialize(sizes)
        with SearchDisplay(console, 0.0) as display:
            found = function.search(
                sizes, budget=budget, strategy=strategy, seed=seed, threads=kernel.threads,
                resume=resume, progress=display,
            )  # fmt: skip
        for line in summary(kernel.with_schedule(found.script), found):
            typer.echo(line)


def summary(kernel: Kernel, found: SearchResult) -> list[str]:
    """Return what is printed after a search: the nest, and how fast it is against what."""
    from loopstack.measure.roofline import roofline
    from loopstack.records import default_store

    limits = roofline(kernel.program, found.timing, kernel.isa, kernel.threads)
    faults = sum(trial.fault is not None for trial in found.history)
    ended = "interrupted after" if found.interrupted else "in"
    return [
        kernel.show("loops").rstrip("\n"),
        "",
        str(kernel.schedule).rstrip("\n"),
        "",
        f"time         {found.timing}",
        f"of peak      {100 * found.timing.fraction_of_peak:.0f} % of the measured FMA peak",
        f"vs default   {found.versus_default} faster than the default schedule",
        f"vs NumPy     {_numpy_line(kernel)}",
        f"limit        {limits.line()}",
        f"searched     {found.trials} candidates ({faults} failed) {ended} {found.seconds:.1f} s, "
        f"{found.rate:.0f}/s, strategy {found.strategy}, seed {found.seed}",
        f"stored in    {default_store().path}",
    ]


def _numpy_line(kernel: Kernel) -> str:
    from loopstack.cli.versus_numpy import compare_in_a_child

    comparison = compare_in_a_child(kernel)
    if comparison is None:
        return "no NumPy twin for this program"
    threads = f"{kernel.threads} thread{'s' if kernel.threads > 1 else ''} each"
    return f"{comparison} faster than NumPy, timed in turn, {threads}"
