"""``loopstack bench polybench``: rows as they come, kept in a file, and the geometric means.

Each kernel runs in a process of its own: ``python -m bench.harness.polybench`` reads its options
(JSON) from standard input and writes one JSON line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness.polybench_rows import Measured, measure
from bench.harness.report import geomean
from bench.suites.polybench import DATASETS, NAMES
from loopstack.errors import ArgumentError, LoopStackError
from loopstack.measure.timer import format_ns
from loopstack.measure.worker import prefer_steady_scheduling

TOLERANCE = 1e-6
"""Largest relative difference of single precision and regrouped sums from the C compiler's."""
RANK_DEFICIENT = frozenset({"gramschmidt"})
"""Its standard input makes columns that are pure rounding: regrouped results differ freely."""


@dataclass(frozen=True)
class Request:
    """Which kernels to measure, and how; ``kept`` is the file of finished rows, or None."""

    size: str
    kernels: tuple[str, ...]
    threads: tuple[int, ...]
    search: str
    kept: Path | None
    resume: bool

    def __post_init__(self) -> None:
        if self.size not in DATASETS:
            raise ArgumentError(f"no size {self.size!r}; sizes: {', '.join(DATASETS)}")
        unknown = [k for k in self.kernels if k not in NAMES]
        if unknown:
            raise ArgumentError(f"no kernel {unknown[0]!r}; kernels: {', '.join(NAMES)}")
        if self.resume and self.kept is None:
            raise ArgumentError("--resume goes on with the rows of a file: name it with --json")

    def tasks(self) -> Iterable[dict[str, Any]]:
        for threads in self.threads:
            for name in self.kernels or NAMES:
                yield {"kernel": name, "size": self.size, "threads": threads, "search": self.search}


def finished(request: Request) -> list[Measured]:
    """Return the rows that an earlier run left, empty without ``resume``."""
    if not request.resume or request.kept is None or not request.kept.exists():
        return []
    try:
        lines = request.kept.read_text().splitlines()
        return [Measured.from_json(json.loads(line)) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"{request.kept} does not hold rows of this benchmark: {error}"
        raise ArgumentError(text) from error


def keep(request: Request, rows: Sequence[Measured]) -> None:
    if request.kept is None:
        return
    text = "".join(json.dumps(row.to_json()) + "\n" for row in rows)
    try:
        request.kept.write_text(text)
    except OSError as error:
        raise ArgumentError(f"cannot write {request.kept}: {error.strerror}") from error


# ---- text ---------------------------------------------------------------------------------------
def row_text(row: Measured) -> str:
    """Return one line: times, ratios to gcc, and how long analysis and compiling took."""
    times = "  ".join(f"{name} {format_ns(t.min_ns):>8}" for name, t in row.timings.items())
    ratios = "  ".join(f"{n}/gcc {row.ratio(n):5.2f}x" for n in row.timings if n != "gcc")
    made = f"analysis {row.analysis_ms:.0f} ms, code {row.compile_ms:.1f} ms"
    return f"{row.kernel:15s} {row.threads}t  {times}  {ratios}  ({made})"


def is_right(row: Measured) -> bool:
    return row.kernel in RANK_DEFICIENT or row.difference <= TOLERANCE


def summary(rows: Sequence[Measured]) -> list[str]:
    """Return geometric means over gcc for each thread count, and every loss."""
    lines = ["geometric means over gcc -O3 -march=native -ffast-math with restrict"]
    for threads in sorted({row.threads for row in rows}):
        mine = [row for row in rows if row.threads == threads]
        for ours in ("default", "searched"):
            ratios = [row.ratio(ours) for row in mine if ours in row.timings]
            if ratios:
                mean = f"{geomean(ratios):.2f}x over {len(ratios)} kernels"
                lines.append(f"    {threads}t {ours}: {mean}")
    losses = [row for row in rows if row.ratio(row.ours) < 1]
    lines.append(f"losses: {len(losses)}")
    lines += [f"    {r.kernel} {r.threads}t {r.ours}/gcc {r.ratio(r.ours):.2f}x" for r in losses]
    return lines


# ---- the process that measures ------------------------------------------------------------------
def main() -> None:
    task = json.load(sys.stdin)
    prefer_steady_scheduling()
    try:
        row = measure(task["kernel"], task["size"], task["threads"], task["search"])
        answer = row.to_json()
    except LoopStackError as error:
        answer = {"failed": f"{task['kernel']}: {type(error).__name__}: {error}"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
