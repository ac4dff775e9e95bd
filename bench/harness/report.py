"""Ratios, geometric means and losses, as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from bench.harness.rows import Result
from loopstack.measure import Comparison
from loopstack.measure.timer import format_ns

OURS = ("searched", "default", "constant")
PEERS = ("numpy", "onnxruntime")


def ratio(result: Result, ours: str, peer: str) -> Comparison | None:
    """Compare in pairs: above 1, ours is faster; None when one of them did not run."""
    if ours not in result.timings or peer not in result.timings:
        return None
    return Comparison(result.timings[ours], result.timings[peer])


def pairs(result: Result) -> Iterable[tuple[str, str, Comparison]]:
    for ours in OURS:
        for peer in PEERS:
            found = ratio(result, ours, peer)
            if found is not None:
                yield ours, peer, found


def geomean(values: Sequence[float]) -> float:
    """Return the geometric mean; NaN of nothing."""
    if not values:
        return math.nan
    return math.exp(sum(map(math.log, values)) / len(values))


def table_lines(results: Sequence[Result]) -> list[str]:
    """One line a row: times, rates, ratios with their quartiles."""
    lines = []
    for result in results:
        times = "  ".join(
            f"{name} {format_ns(t.median_ns)} ({t.gflops:.0f})"
            for name, t in result.timings.items()
        )
        ratios = "  ".join(f"{ours}/{peer} {c}" for ours, peer, c in pairs(result))
        kind = "constant operand" if result.constant else ""
        lines += [f"{result.suite} {result.row} {result.threads}t {kind}".rstrip(), f"    {times}"]
        lines += [f"    {ratios}"] if ratios else []
        lines += [f"    note: {note}" for note in result.notes]
    return lines


def summary_lines(results: Sequence[Result]) -> list[str]:
    """Geometric means per thread count, contestant and peer; then every loss."""
    groups: dict[tuple[int, str, str], list[float]] = {}
    losses = []
    for result in results:
        for ours, peer, found in pairs(result):
            groups.setdefault((result.threads, ours, peer), []).append(found.ratio)
            if found.ratio < 1.0:
                losses.append(
                    f"    {result.suite} {result.row} {result.threads}t: {ours}/{peer} {found}"
                )
    lines = ["geometric means (above 1: ours is faster)"]
    lines += [
        f"    {threads}t {ours}/{peer}: {geomean(values):.2f}x over {len(values)} rows"
        for (threads, ours, peer), values in sorted(groups.items())
    ]
    return [*lines, f"losses: {len(losses)}", *losses]


def to_json(
    results: Sequence[Result], facts: Sequence[dict[str, Any]], machine: dict[str, Any]
) -> dict[str, Any]:
    """Return everything that was measured, ratios with their spread included."""
    rows = []
    for result in results:
        ratios = {
            f"{ours}/{peer}": {"ratio": c.ratio, "low": c.low, "high": c.high}
            for ours, peer, c in pairs(result)
        }
        rows.append({**result.to_json(), "ratios": ratios})
    return {"machine": machine, "rows": rows, "facts": list(facts)}
