"""The live view of a search, and its summary.

On a terminal the view is one block that redraws itself; into a pipe go the final lines only.
"""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from loopstack.measure.timer import format_ns
from loopstack.records import Progress


class SearchDisplay:
    """Shows the best rate so far, candidates measured and what is left of the budget."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(Text("starting"), console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> SearchDisplay:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        if self._console.is_terminal:
            self._live.update(Text(progress_line(progress)))


def progress_line(progress: Progress) -> str:
    """Return the one line that a running search shows."""
    if not progress.left:
        return f"{progress.trials} candidates measured, timing the best of them once more"
    if progress.best is None:
        return f"measuring the default schedule, {progress.left} left"
    best = format_ns(progress.best.median_ns)
    if progress.best.flops:
        best = f"{progress.best.gflops:.1f} GFLOP/s ({best})"
    rate = progress.trials / progress.seconds if progress.seconds else 0.0
    faults = f", {progress.faults} failed" if progress.faults else ""
    return (
        f"best {best}   {progress.trials} candidates{faults}, {rate:.0f}/s   {progress.left} left"
    )
