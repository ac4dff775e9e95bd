"""What ``loopstack bench`` calls: a child process per thread count, then the report."""

from __future__ import annotations

import json
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoscheduler.search.budget import Budget
from bench.harness import polybench, polybench_report, polybench_rows, report
from bench.harness.child import suite_names
from bench.harness.rows import Result
from loopstack.cli.versus_numpy import numpy_environment
from loopstack.errors import ArgumentError
from loopstack.knobs import ISA, NUM_THREADS
from loopstack.measure.child import child_command
from loopstack.records.record import provenance

POLYBENCH = "polybench"
INTERRUPTED = 130
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Options:
    """``search``: the budget of a search per row, empty for none; ``json``: where figures go."""

    suite: str = "gemm"
    threads: tuple[int, ...] = (1, 2)
    quick: bool = False
    search: str = ""
    json: Path | None = None
    isa: str | None = None
    size: str = "large"
    kernels: tuple[str, ...] = ()
    resume: bool = False
    rivals: bool = False
    peers: bool = False


def run(options: Options) -> int:
    """Measure, print, write; return the exit code (1 when a row failed)."""
    check(options)
    if options.suite == POLYBENCH:
        return run_polybench(options)
    if options.suite not in suite_names():
        names = ", ".join([*suite_names(), POLYBENCH])
        raise ArgumentError(f"no suite {options.suite!r}; suites: {names}")
    results: list[Result] = []
    failures: list[str] = []
    for threads in options.threads:
        for answer in measure(options, threads):
            take(answer, results, failures)
    facts = measure_facts(options)
    for line in report.summary_lines(results):
        print(line)
    print_facts(facts)
    if options.json is not None:
        write(options.json, report.to_json(results, facts, machine()))
    return 1 if failures else 0


def check(options: Options) -> None:
    """Refuse before anything is measured what would fail after it. Raises ArgumentError."""
    for threads in options.threads:
        NUM_THREADS.parse(threads, "--threads")
    ISA.parse(options.isa, "--isa")
    if options.search:
        Budget.parse(options.search)
    if options.json is not None:
        check_writable(options.json, replaced=options.suite == POLYBENCH)


def check_writable(path: Path, replaced: bool) -> None:
    """Raise ArgumentError when a file cannot be put at ``path``, or not ``replaced`` by another."""
    if path.is_dir():
        raise ArgumentError(f"cannot write {path}: Is a directory")
    if path.exists() and not path.is_file():
        if replaced:
            raise ArgumentError(f"cannot write {path}: it is no regular file")
        return
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            return
    except OSError as error:
        raise ArgumentError(f"cannot write {path}: {error.strerror}") from error


def run_polybench(options: Options) -> int:
    """Measure kernel by kernel; rows are printed, and kept in the file, as they come."""
    request = polybench.Request(
        options.size, options.kernels, options.threads, options.search, options.json,
        options.resume, options.rivals,
    )  # fmt: skip
    rows, code = polybench.finished(request), 0
    try:
        for task in request.tasks():
            if not polybench.is_answered(task, rows):
                code |= _take_polybench(_answer(options, task), task, rows)
                polybench.keep(request, rows)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        code = INTERRUPTED
    print("\n".join(polybench_report.summary(rows, options.peers)))
    return code


def _answer(options: Options, task: dict[str, Any]) -> dict[str, Any]:
    environment = _environment(options, task["threads"])
    answers = list(_ask("bench.harness.polybench", task, environment))
    last: dict[str, Any] = answers[-1]  # behind a process that failed
    return last


def _take_polybench(
    answer: dict[str, Any], task: dict[str, Any], rows: list[polybench_rows.Measured]
) -> int:
    """Print an answer and put it in the place of an earlier row; return 1 when it is wrong."""
    if "failed" in answer:
        print(f"FAILED {task['kernel']} {task['threads']}t: {answer['failed']}", flush=True)
        return 1
    row = polybench_rows.Measured.from_json(answer)
    rows[:] = [*(other for other in rows if not polybench.is_of(other, task)), row]
    print(polybench_report.row_text(row), flush=True)
    return 1 if row.wrong else 0


def _environment(options: Options, threads: int) -> dict[str, str]:
    env = numpy_environment(threads)
    if options.isa:
        env["LOOPSTACK_ISA"] = options.isa
    return env


def take(answer: dict[str, Any], results: list[Result], failures: list[str]) -> None:
    """Print and keep one row, or the reason why there is none."""
    steady = answer.pop("steady", True)
    if "failed" in answer:
        failures.append(answer["failed"])
        print(f"FAILED {answer['failed']}", flush=True)
        return
    result = Result.from_json(answer)
    results.append(result)
    print("\n".join(report.table_lines([result])), flush=True)
    if not steady and len(results) == 1:
        print("    note: SCHED_FIFO was not permitted, timings scatter more", flush=True)


def measure(options: Options, threads: int) -> Iterator[dict[str, Any]]:
    """Yield the rows that a child process measures with ``threads`` threads."""
    told = {
        "suite": options.suite,
        "threads": threads,
        "quick": options.quick,
        "search": options.search,
    }
    yield from _ask("bench.harness.child", told, _environment(options, threads))


def measure_facts(options: Options) -> list[dict[str, Any]]:
    """Figures without a peer; part of the gemm suite."""
    if options.suite != "gemm":
        return []
    return list(_ask("bench.harness.facts", {"quick": options.quick}, numpy_environment(1)))


def _ask(module: str, told: dict[str, Any], env: dict[str, str]) -> Iterator[dict[str, Any]]:
    child = subprocess.Popen(
        child_command(module, [str(ROOT)]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    json.dump(told, child.stdin)
    child.stdin.close()
    try:
        for line in child.stdout:
            yield json.loads(line)
        if child.wait() != 0:
            yield {"failed": f"{module} ended with exit code {child.returncode}"}
    finally:
        child.kill()  # an interrupt must not leave it measuring; ended, it does not mind
        child.wait()


def print_facts(facts: list[dict[str, Any]]) -> None:
    for fact in facts:
        print(f"{fact['name']}: {fact['text']}" if "name" in fact else f"FAILED {fact['failed']}")


def machine() -> dict[str, Any]:
    """Describe where the figures come from."""
    return {**provenance(), "system": platform.platform()}


def write(path: Path, value: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(value, indent=1, default=str) + "\n")
    except OSError as error:
        raise ArgumentError(f"cannot write {path}: {error.strerror}") from error
