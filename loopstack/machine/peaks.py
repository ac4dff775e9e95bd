"""What this machine can reach, measured: arithmetic and bandwidth ceilings.

A figure is measured on first use, kept for the process and in ``peaks.json`` beside the record
store, keyed by CPU brand. Delete the file to measure again. A file that cannot be read or written
is ignored: it only saves time.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from loopstack import _loopnest, knobs
from loopstack.machine import caches, features

MEASURE_SECONDS = 0.2

_lock = threading.Lock()
_measured: dict[str, float] = {}


def fma_peak(isa: str | None = None, dtype: str = "f32", threads: int = 1) -> float:
    """Return the most floating-point operations per second (an FMA counts two).

    Raises UnsupportedTarget when this CPU cannot run ``isa``.
    """
    chosen = features.runnable_isa(isa)

    def measure() -> float:
        return _loopnest.fma_peak(chosen, dtype, threads, MEASURE_SECONDS)

    return _remembered(f"fma {chosen} {dtype} threads={threads}", measure)


def bandwidth(level: caches.Level = "memory", threads: int = 1) -> float:
    """Return copy bandwidth in bytes per second, reads plus writes, from one cache level."""
    size_bytes = caches.caches().working_set_bytes(level)

    def measure() -> float:
        return _loopnest.copy_bandwidth(size_bytes, threads, MEASURE_SECONDS)

    return _remembered(f"copy {level} {size_bytes} threads={threads}", measure)


def forget() -> None:
    """Drop the figures of this process (the file stays)."""
    with _lock:
        _measured.clear()


def peaks_file() -> Path:
    """Return where figures are kept between processes."""
    return knobs.STORE.value().parent / "peaks.json"


def _remembered(what: str, measure: Callable[[], float]) -> float:
    with _lock:
        if what not in _measured:
            kept = _read().get(features.detect().brand, {}).get(what)
            if not isinstance(kept, float):
                kept = measure()
                _write(what, kept)
            _measured[what] = kept
        return _measured[what]


def _read() -> dict[str, dict[str, float]]:
    try:
        found = json.loads(peaks_file().read_text())
    except (OSError, ValueError):
        return {}
    well_formed = isinstance(found, dict) and all(isinstance(v, dict) for v in found.values())
    return found if well_formed else {}


def _write(what: str, figure: float) -> None:
    """Replace the file in one step, so that another process never reads half of it."""
    path, figures = peaks_file(), _read()
    figures.setdefault(features.detect().brand, {})[what] = figure
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(figures, file, indent=1, sort_keys=True)
        os.replace(file.name, path)
    except OSError:
        pass
