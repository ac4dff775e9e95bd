"""``loopstack bench polybench``: which rows are asked for, and the file that keeps them.

Each kernel runs in a process of its own: ``python -m bench.harness.polybench`` reads its options
(JSON) from standard input and writes one JSON line.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness.polybench_rows import RIVALS, Measured, measure
from bench.suites.polybench import DATASETS, NAMES
from loopstack.errors import ArgumentError, LoopStackError
from loopstack.measure.worker import prefer_steady_scheduling

Task = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """Which kernels to measure, and how; ``kept`` is the file of finished rows, or None."""

    size: str
    kernels: tuple[str, ...]
    threads: tuple[int, ...]
    search: str
    kept: Path | None
    resume: bool
    rivals: bool = False

    def __post_init__(self) -> None:
        if self.size not in DATASETS:
            raise ArgumentError(f"no size {self.size!r}; sizes: {', '.join(DATASETS)}")
        unknown = [k for k in self.kernels if k not in NAMES]
        if unknown:
            raise ArgumentError(f"no kernel {unknown[0]!r}; kernels: {', '.join(NAMES)}")
        if self.resume and self.kept is None:
            raise ArgumentError("--resume goes on with the rows of a file: name it with --json")
        _check_rivals(self.rivals)

    def tasks(self) -> Iterable[Task]:
        for threads in self.threads:
            for name in self.kernels or NAMES:
                yield {
                    "kernel": name, "size": self.size, "threads": threads,
                    "search": self.search, "rivals": self.rivals,
                }  # fmt: skip


def _check_rivals(wanted: bool) -> None:
    import loopstack

    missing = [name for name in RIVALS if not hasattr(loopstack, name)]
    if wanted and missing:
        raise ArgumentError(f"--rivals: this version has no scheduler {missing[0]!r}")


# ---- rows that are kept -------------------------------------------------------------------------
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


def is_answered(task: Task, rows: Sequence[Measured]) -> bool:
    """Tell whether a kept row has every contestant that the task asks for."""
    asked = [*(["searched"] if task["search"] else []), *(RIVALS if task["rivals"] else ())]
    return any(
        is_of(row, task) and all(n in row.timings or n in row.notes for n in asked) for row in rows
    )


def is_of(row: Measured, task: Task) -> bool:
    return (row.kernel, row.size, row.threads) == (task["kernel"], task["size"], task["threads"])


def keep(request: Request, rows: Sequence[Measured]) -> None:
    """Replace the file in one step: whatever interrupts us, it holds whole rows."""
    if request.kept is None:
        return
    text = "".join(json.dumps(row.to_json()) + "\n" for row in rows)
    draft = request.kept.with_name(f".{request.kept.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        os.replace(draft, request.kept)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ArgumentError(f"cannot write {request.kept}: {error.strerror}") from error


# ---- the process that measures ------------------------------------------------------------------
def main() -> None:
    task = json.load(sys.stdin)
    end_with_parent()
    prefer_steady_scheduling()
    try:
        asked = (task[part] for part in ("kernel", "size", "threads", "search", "rivals"))
        answer = measure(*asked).to_json()
    except LoopStackError as error:
        answer = {"failed": f"{type(error).__name__}: {error}"}
    except KeyboardInterrupt:
        return  # Ctrl-C is the parent's to tell
    print(json.dumps(answer))


def end_with_parent(every_s: float = 0.5) -> None:
    """End this process soon after the one that started it, however that ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every_s)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
