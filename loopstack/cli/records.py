"""``loopstack records``: list, export, merge and prune stored schedules."""

from __future__ import annotations

import sys
from collections.abc import Sized
from pathlib import Path
from typing import Annotated

import typer

from loopstack.errors import ArgumentError
from loopstack.measure.timer import format_ns
from loopstack.records import Record, default_store, export_lines, merge_lines

NUMBERS = ("threads", "median", "GFLOP/s")
WIDE = 240
"""Columns of a table that goes into a pipe: its lines are for programs, and are not cut."""

app = typer.Typer(help="List, export, merge and prune stored schedules.", no_args_is_help=True)


@app.command("list")
def list_records(
    every: Annotated[bool, typer.Option("--all", help="Trials too, not only winners.")] = False,
) -> None:
    """Print a table of stored schedules.

    Example: loopstack records list
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("program", "sizes", "isa", "threads", "median", "GFLOP/s", "strategy", "machine"):
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    shown = [r for r in default_store().records() if every or r.final]
    for record in shown:
        table.add_row(*_row(record))
    console = Console()
    console.print(table, width=None if console.is_terminal else WIDE, crop=False)
    typer.echo(f"{counted(shown)} in {default_store().path}")


def counted(records: Sized | int) -> str:
    """Return ``1 record`` or ``2 records``."""
    count = records if isinstance(records, int) else len(records)
    return f"{count} record" if count == 1 else f"{count} records"


def _row(record: Record) -> tuple[str, ...]:
    first = record.source.split("\n", 1)[0].split()
    sizes = " ".join(f"{name}={value}" for name, value in named_sizes(record))
    return (
        first[1] if len(first) > 1 else "?",
        sizes,
        record.key.isa,
        str(record.key.threads),
        format_ns(record.median_ns),
        f"{record.timing.gflops:.1f}",
        record.strategy,
        record.machine,
    )


def named_sizes(record: Record) -> list[tuple[str, int]]:
    """Return the sizes under the names of the record's own program."""
    from loopstack.ir.canonical import canonical_sizes
    from loopstack.ir.reader import read_program

    names = {new: old for old, new in canonical_sizes(read_program(record.source)).items()}
    return [(names.get(name, name), value) for name, value in record.key.sizes]


@app.command("export")
def export(
    path: Annotated[Path, typer.Argument(help="A file for JSON lines; - for standard output.")],
) -> None:
    """Write all records as JSON lines.

    Example: loopstack records export tuned.jsonl
    """
    if str(path) == "-":
        export_lines(default_store(), sys.stdout)
        return
    try:
        with path.open("w", encoding="utf-8") as target:
            count = export_lines(default_store(), target)
    except OSError as error:
        raise ArgumentError(f"cannot write {path}: {error.strerror}") from error
    typer.echo(f"wrote {counted(count)} to {path}")


@app.command("merge")
def merge(
    path: Annotated[Path, typer.Argument(help="A file of JSON lines.")],
) -> None:
    """Add records from a file; what is there already is skipped.

    Example: loopstack records merge tuned.jsonl
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ArgumentError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"cannot read {path}: it is not text ({error.reason})") from error
    typer.echo(f"added {counted(merge_lines(default_store(), lines))}")


@app.command("prune")
def prune(
    keep: Annotated[int, typer.Option(min=1, help="Records to keep of each kernel.")] = 1,
) -> None:
    """Remove all but the best records of each kernel.

    Example: loopstack records prune --keep 3
    """
    typer.echo(f"removed {counted(default_store().prune(keep))}")
