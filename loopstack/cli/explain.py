"""``loopstack explain``: does a kernel use a stored schedule, and if not, why."""

from __future__ import annotations

import typer

from loopstack.cli.target import Isa, Sizes, Target, Threads, make_kernel, target_settings


def explain(target: Target, size: Sizes = None, threads: Threads = None, isa: Isa = None) -> None:
    """Say whether a stored schedule applies.

    On a miss, say which field of the nearest record differs.

    Example: loopstack explain matmul.py:matmul --size m=512 --size n=512 --size k=512
    """
    from loopstack.records import default_store, make_key
    from loopstack.records import explain as look_up

    with target_settings(isa, threads):
        spec = make_kernel(target, size).specialization
    key = make_key(spec.program, spec.sizes, spec.isa, spec.threads, spec.strides)
    found = look_up(default_store(), key)
    typer.echo(str(found))
    if found.hit and found.record is not None:
        typer.echo(f"found by {found.record.strategy} on {found.record.machine}")
        typer.echo(found.record.script.rstrip("\n"))
