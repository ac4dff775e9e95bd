"""The list of verbs, and how errors reach a person."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, entry_points, version
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer

from loopstack.cli import bench, doctor, explain, records, run, search, show
from loopstack.errors import InternalError, LoopStackError

USER_ERROR, OUR_ERROR, INTERRUPTED = 2, 1, 130

app = typer.Typer(
    name="loopstack",
    help="Compile, inspect, tune and measure tensor kernels on this CPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("show")(show.show)
app.command("search")(search.search)
app.command("explain")(explain.explain)
app.command("doctor")(doctor.doctor)
app.command("bench")(bench.bench)
app.add_typer(records.app, name="records")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"loopstack {installed_version()}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Compile, inspect, tune and measure tensor kernels on this CPU."""


def installed_version() -> str:
    """Return the installed version, or the one in the source tree."""
    try:
        return version("loopstack")
    except PackageNotFoundError:
        import loopstack

        return str(getattr(loopstack, "__version__", "source"))


def main(arguments: list[str] | None = None) -> None:
    """Run a command; print a user's error as one message and exit with code 2."""
    for point in entry_points(group="loopstack.commands"):
        app.command(point.name)(point.load())
    try:
        app(arguments)
    except InternalError as error:
        _complain(f"internal error: {error}\n{_kept(error)}Please report this bug in LoopStack.")
        sys.exit(OUR_ERROR)
    except LoopStackError as error:
        _complain(f"error: {error}")
        sys.exit(USER_ERROR)
    except MemoryError as error:
        _complain(f"error: not enough memory: {error}")
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(INTERRUPTED)


def _kept(error: InternalError) -> str:
    """Write what repeats a bug of ours to a file, and say where it is."""
    if not error.reproducer:
        return ""
    with NamedTemporaryFile("w", prefix="loopstack-", suffix=".txt", delete=False) as file:
        file.write(f"{error}\n\n{error.reproducer}\n")
    return f"What repeats it was written to {file.name}.\n"


def _complain(message: str) -> None:
    print(message, file=sys.stderr)
