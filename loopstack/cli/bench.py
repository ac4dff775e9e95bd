"""``loopstack bench``: the microbenchmarks of a source checkout.

They live in ``bench/`` beside the packages, and are not installed: the folder is found from the
current directory or from the source tree this module runs in.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from loopstack.cli.target import Isa
from loopstack.errors import ArgumentError


def bench(
    suite: Annotated[str, typer.Argument(help="gemm, softmax, conv or polybench.")] = "gemm",
    threads: Annotated[
        list[int] | None, typer.Option(help="Thread counts; repeat (default: 1 and 2).")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few shapes, few samples.")] = False,
    search: Annotated[str, typer.Option(help="Budget of a search per row; none by default.")] = "",
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
    isa: Isa = None,
    size: Annotated[str, typer.Option(help="polybench: mini, small, medium, large ..")] = "large",
    kernels: Annotated[str, typer.Option(help="polybench: names, with commas between.")] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="polybench: keep the rows that --json holds.")
    ] = False,
    rivals: Annotated[
        bool, typer.Option("--rivals", help="polybench: time schedules of pluto and isl as well.")
    ] = False,
    peers: Annotated[
        bool, typer.Option("--peers", help="polybench: columns of peers by published figures.")
    ] = False,
) -> None:
    """Measure kernels against other libraries.

    NumPy and ONNX Runtime, or C compilers for polybench, are timed in turn with ours.

    Example: loopstack bench gemm --threads 1 --quick --json gemm.json

    Example: loopstack bench polybench --size medium --kernels gemm,lu --threads 1
    """
    runner = load_runner(find_bench())
    options = runner.Options(
        suite=suite,
        threads=tuple(threads or (1, 2)),
        quick=quick,
        search=search,
        json=json,
        isa=isa,
        size=size.lower(),
        kernels=_names(kernels),
        resume=resume,
        rivals=rivals,
        peers=peers,
    )
    raise typer.Exit(runner.run(options))


def _names(text: str) -> tuple[str, ...]:
    """Return the names between commas. Raises ArgumentError for commas alone."""
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    if text and not names:
        raise ArgumentError(f"--kernels {text!r} names no kernel; write for example gemm,lu")
    return names


def find_bench(start: Path | None = None) -> Path:
    """Return the bench folder of a checkout. Raises ArgumentError."""
    source = Path(__file__).resolve().parents[2]
    here = (start or Path.cwd()).resolve()
    for root in (here, *here.parents, source):
        if (root / "bench" / "harness" / "runner.py").is_file():
            return root / "bench"
    raise ArgumentError(
        "bench/ is not here: the benchmarks are part of the source checkout, not of the installed "
        "package.\nRun this command inside a checkout of LoopStack."
    )


def load_runner(folder: Path) -> Any:
    """Import ``bench.harness.runner`` from the folder."""
    import importlib

    sys.path.append(str(folder.parent))  # last: the checkout must not hide the package
    return importlib.import_module("bench.harness.runner")
