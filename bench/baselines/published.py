"""Other people's optimisers, by figures measured once on one machine (published_polybench.csv).

A figure of ours over a peer that does not run here is derived: our ratio to gcc here, times the
peer's ratio to gcc there. It carries both machines' noise and their difference; it is no
measurement.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).with_name("published_polybench.csv")
SIZE = "large"
"""The figures are of this data set."""
COLUMNS = {
    "sequential": "best sequential peer",
    "pluto": "best Pluto variant, 1 or 2 threads",
    "all": "best of all, 1 or 2 threads",
}


@dataclass(frozen=True)
class Published:
    """Milliseconds of gcc with restrict, and of the best of each column with its name."""

    gcc_ms: float
    best_ms: dict[str, float]
    best_by: dict[str, str]

    def relative(self, column: str) -> float:
        """Return the best peer's time over that of gcc with restrict."""
        return self.best_ms[column] / self.gcc_ms


@lru_cache
def figures() -> dict[str, Published]:
    """Return the figures of every kernel."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return {
        row["kernel"]: Published(
            float(row["gcc_restrict"]),
            {column: float(row[column]) for column in COLUMNS},
            {column: row[f"{column}_by"] for column in COLUMNS},
        )
        for row in rows
    }


def derived_ratio(kernel: str, size: str, over_gcc: float, column: str) -> float | None:
    """Return our speed over a peer's, from our speed over gcc; None for other data sets."""
    known = figures().get(kernel) if size == SIZE else None
    return None if known is None else over_gcc * known.relative(column)
