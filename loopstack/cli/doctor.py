"""``loopstack doctor``: what this machine can do, and whether a kernel works on it."""

from __future__ import annotations

from typing import Annotated

import typer

from loopstack.errors import LoopStackError
from loopstack.machine import caches, features, peaks

PROGRAM = """
program doctor reassociate
sizes n
input A: f32[$n, $n]
input B: f32[$n, $n]
output C: f32[$n, $n]
statement C(i, j, k) order 0 0 0 0
  where i; $n - i - 1; j; $n - j - 1; k; $n - k - 1
  reduce sum C[i, j] = mul(A[i, k], B[k, j])
"""


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Leave the measurements out.")] = False,
) -> None:
    """Report what this machine can do, and check a kernel.

    Instruction sets, caches, measured peaks; then a kernel is compiled, run and checked.

    Example: loopstack doctor
    """
    for line in machine_lines():
        typer.echo(line)
    if not quick:
        for line in peak_lines():
            typer.echo(line)
    problem = check_a_kernel()
    typer.echo(f"kernel           {problem or 'compiles, runs and is right'}")
    if problem:
        raise typer.Exit(1)


def machine_lines() -> list[str]:
    """Describe the CPU, its usable instruction sets and its caches."""
    from loopstack.runtime.threads import available_cpus, num_threads

    found, sizes = features.detect(), caches.caches()
    return [
        f"cpu              {found.brand}",
        f"cpus usable      {available_cpus()} (kernels use {num_threads()})",
        f"instructions     {', '.join(found.isas) or 'none usable'} (CPU and operating system)",
        f"features         {' '.join(sorted(found.flags))}",
        f"caches           L1 {_kib(sizes.l1_bytes)}, L2 {_kib(sizes.l2_bytes)}, "
        f"L3 {_kib(sizes.l3_bytes)}, line {sizes.line_bytes} B",
    ]


def peak_lines() -> list[str]:
    """Measure arithmetic and bandwidth limits."""
    from loopstack.runtime.threads import num_threads

    lines = []
    counts = sorted({1, num_threads()})
    for isa in features.detect().isas:
        for dtype in ("f32", "f64"):
            rates = [f"{peaks.fma_peak(isa, dtype, n) / 1e9:.0f}" for n in counts]
            label = f"FMA {isa} {dtype}"
            lines.append(f"{label:<16} {' / '.join(rates)} GFLOP/s {_on(counts)}")
    levels: tuple[caches.Level, ...] = ("L1", "L2", "L3", "memory")
    for level in levels:
        rates = [f"{peaks.bandwidth(level, n) / 1e9:.0f}" for n in counts]
        lines.append(f"copy {level:<11} {' / '.join(rates)} GB/s {_on(counts)}")
    return lines


def check_a_kernel() -> str | None:
    """Compile and check a small product; return what is wrong, or None."""
    from loopstack.ir.reader import read_program
    from loopstack.kernel import Kernel, Specialization

    try:
        isa = features.runnable_isa()
        Kernel(Specialization(read_program(PROGRAM), {"n": 37}, isa)).check()
    except LoopStackError as error:
        return f"FAILED: {error}"
    return None


def _kib(size_bytes: int) -> str:
    return f"{size_bytes >> 10} KiB" if size_bytes < 1 << 20 else f"{size_bytes >> 20} MiB"


def _on(counts: list[int]) -> str:
    return f"on {' / '.join(map(str, counts))} thread{'s' if counts != [1] else ''}"
