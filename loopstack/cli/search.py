"""``loopstack search``: find a fast schedule, show how fast it is and why, keep it."""

from __future__ import annotations

from collections.abc import Iterator
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
    """Search a schedule and keep it.

    The next call with these sizes uses it. Ctrl-C keeps the best so far.

    Example: loopstack search matmul.py:matmul -s m=512 -s n=512 -s k=512 --budget 20s
    """
    from rich.console import Console

    from loopstack.cli.display import SearchDisplay

    console = Console()
    with target_settings(isa, threads):
        function, sizes = load_function(target), parse_sizes(size)
        kernel = function.specialize(sizes)
        with SearchDisplay(console) as display:
            found = function.search(
                sizes, budget=budget, strategy=strategy, seed=seed, threads=kernel.threads,
                resume=resume, progress=display,
            )  # fmt: skip
        for line in summary(kernel.with_schedule(found.script), found):
            typer.echo(line)


def summary(kernel: Kernel, found: SearchResult) -> Iterator[str]:
    """Yield what is printed after a search: the nest, and how fast it is against what.

    The comparison with NumPy takes seconds, so it comes last.
    """
    from loopstack.measure.roofline import roofline

    limits = roofline(kernel.program, found.timing, kernel.isa, kernel.threads)
    faults = sum(trial.fault is not None for trial in found.history)
    ended = "interrupted after" if found.interrupted else "in"
    yield kernel.show("loops").rstrip("\n")
    yield ""
    yield str(kernel.schedule).rstrip("\n")
    yield ""
    yield f"time         {found.timing}"
    yield f"of peak      {100 * found.timing.fraction_of_peak:.0f} % of the measured FMA peak"
    yield f"roofline     {limits.line()}"
    yield (
        f"searched     {found.trials} candidates ({faults} failed) {ended} {found.seconds:.1f} s, "
        f"{found.rate:.0f}/s, strategy {found.strategy}, seed {found.seed}"
    )
    if found.proxy:
        sizes = " ".join(f"{name}={size}" for name, size in found.proxy.items())
        yield f"at           {sizes}; the best were timed again at full size"
    yield f"stored in    {_stored_line(found)}"
    yield f"vs default   {_default_line(found)}"
    yield f"vs NumPy     {_numpy_line(kernel, found)}"


def _stored_line(found: SearchResult) -> str:
    from loopstack.records import default_store

    return str(default_store().path) if found.stored else "nothing: see the warning above"


def _default_line(found: SearchResult) -> str:
    if found.kept_default:
        return "no better one was found: this is the default schedule"
    return f"{found.versus_default} the speed of the default schedule"


def _numpy_line(kernel: Kernel, found: SearchResult) -> str:
    from loopstack.cli.versus_numpy import compare_in_a_child

    if found.interrupted:
        return "not compared after an interrupt"
    comparison = compare_in_a_child(kernel)
    if comparison is None:
        return "no NumPy twin for this program"
    threads = f"{kernel.threads} thread{'s' if kernel.threads > 1 else ''} each"
    return f"{comparison} the speed of NumPy, timed in turn, {threads}"
