"""What ``loopstack bench polybench`` prints: a line a kernel, means, losses, and one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.baselines import published
from bench.harness.polybench_rows import GCC, OURS, PEERS, RIVALS, Measured
from bench.harness.report import geomean
from loopstack.measure.timer import format_ns

NAMES = (*OURS, *RIVALS, GCC, *PEERS)


# ---- while it runs ------------------------------------------------------------------------------
def row_text(row: Measured) -> str:
    """Return one line: times, ratios to gcc, and how long analysis and compiling took."""
    times = "  ".join(f"{name} {format_ns(t.min_ns):>8}" for name, t in row.timings.items())
    ratios = "  ".join(f"{n}/gcc {row.ratio(n):5.2f}x" for n in OURS if n in row.timings)
    made = f"analysis {row.analysis_ms:.0f} ms, code {row.compile_ms:.1f} ms"
    return "\n".join([f"{row.kernel:15s} {row.threads}t  {times}  {ratios}  ({made})", *notes(row)])


def notes(row: Measured) -> Iterator[str]:
    """Yield what is to be said of contestants that failed or were wrong."""
    for name, text in row.notes.items():
        yield f"    {name} {text}"
    for name in row.timings:
        if not row.is_right(name):
            yield f"    {name} WRONG by {row.differences[name]:.1e}"


# ---- at the end ---------------------------------------------------------------------------------
def summary(rows: Sequence[Measured], peers: bool = False) -> list[str]:
    """Return the table, geometric means for each thread count, and every loss to gcc."""
    lines: list[str] = []
    for threads in sorted({row.threads for row in rows}):
        mine = [row for row in rows if row.threads == threads]
        lines += [*table(mine, peers), "", *means(mine, f"{threads}t"), ""]
    losses = [row for row in rows if row.ratio(row.ours) < 1]
    lines.append(f"losses to gcc: {len(losses)}")
    lines += [f"    {r.kernel} {r.threads}t {r.ours}/gcc {r.ratio(r.ours):.2f}x" for r in losses]
    return lines


def table(rows: Sequence[Measured], peers: bool = False) -> list[str]:
    """Return milliseconds of every contestant, and our best over gcc and the other compilers."""
    names = [name for name in NAMES if any(name in r.timings or name in r.notes for r in rows)]
    derived = list(published.COLUMNS) if peers and _derived_known(rows) else []
    heads = [*names, "/gcc", *(f"/{n}" for n in names if n in PEERS), *(f"~/{n}" for n in derived)]
    lines = [f"{'ms':18s}" + "".join(f"{head:>11s}" for head in heads)]
    for row in rows:
        cells = [_time_cell(row, name) for name in names]
        cells += [_ratio_cell(row, name) for name in (GCC, *(n for n in names if n in PEERS))]
        cells += [f"{_derived(row, row.ours, column):.2f}x" for column in derived]
        lines.append(f"{row.kernel + f' {row.threads}t':18s}" + "".join(f"{c:>11s}" for c in cells))
    if derived:
        lines.append(
            "~ derived: our ratio to gcc here, by the peer's ratio to gcc on another machine"
        )
    return lines


def _time_cell(row: Measured, name: str) -> str:
    if name not in row.timings:
        return "refused" if name in RIVALS else "-"
    return f"{row.timings[name].min_ns / 1e6:.4g}" if row.is_right(name) else "wrong"


def _ratio_cell(row: Measured, peer: str) -> str:
    known = peer in row.timings and row.is_right(peer)
    return f"{row.ratio(row.ours, peer):.2f}x" if known else "-"


def means(rows: Sequence[Measured], label: str) -> list[str]:
    """Return geometric means; a contestant with a wrong result is left out of its row."""
    lines = [f"geometric means {label} over gcc -O3 -march=native -ffast-math with restrict"]
    lines += _mean_lines(rows, GCC, (*OURS, *RIVALS))
    for peer in (*RIVALS, *PEERS):
        found = _mean_lines(rows, peer, OURS)
        lines += [f"geometric means {label} over {_described(peer)}", *found] if found else []
    if _derived_known(rows):
        lines.append(f"derived {label}, not measured here: by ratios to gcc on another machine")
        lines += list(_derived_lines(rows))
    return lines


def _described(name: str) -> str:
    return f"{name}'s schedules by our code generator" if name in RIVALS else f"{name} (measured)"


def _mean_lines(rows: Sequence[Measured], peer: str, names: Sequence[str]) -> list[str]:
    lines = []
    for name in names:
        both = [r for r in rows if all(n in r.timings and r.is_right(n) for n in (name, peer))]
        if both:
            mean = geomean([row.ratio(name, peer) for row in both])
            lines.append(f"    {name}: {mean:.2f}x over {len(both)} kernels")
    return lines


# ---- derived from published figures -------------------------------------------------------------
def _derived_known(rows: Sequence[Measured]) -> bool:
    return all(published.derived_ratio(r.kernel, r.size, 1.0, "all") is not None for r in rows)


def _derived(row: Measured, name: str, column: str) -> float:
    return published.derived_ratio(row.kernel, row.size, row.ratio(name), column) or float("nan")


def _derived_lines(rows: Sequence[Measured]) -> Iterator[str]:
    for column, title in published.COLUMNS.items():
        for name in OURS:
            ratios = [_derived(row, name, column) for row in rows if name in row.timings]
            if ratios:
                yield f"    {name}: {geomean(ratios):.2f}x the {title}, over {len(ratios)} kernels"
