"""Programs in place under skews, tiles, wavefronts, partitions: machine code == oracle."""

from __future__ import annotations

import numpy as np
import pytest
from harness import programs
from harness import scheduled_programs as more
from harness.inputs import inputs

import loopstack as ls
from loopstack.ir.program import Program
from loopstack.kernel import Kernel, Specialization
from loopstack.machine.features import target_isa
from loopstack.reference.interpreter import run

SIZES = ((0, 5), (1, 3), (2, 4), (3, 3), (5, 9), (7, 17), (13, 40), (4, 2))
SEIDEL = (
    "skew S.i S.t 1",
    "skew S.i S.t 1; interchange S.t S.i",
    "skew S.i S.t 1; tile S.t S.i 2 3 -> to, io, ti, ii",
    "skew S.i S.t 1; wavefront S.t S.i -> w",
    "skew S.i S.t 1; tile S.t S.i 4 8 -> to, io, ti, ii; wavefront S.to S.io -> w",
    "map S.t S.i -> w = 2*t + i, p = t; vectorize S.p",
    "map S.t S.i -> w = 2*t + i, p = -t; parallelize S.p",
    "partition S where i > t + 2 -> R",
    "skew S.i S.t 1; tile S.t S.i 2 4 -> to, io, ti, ii; partition S where ii >= 2*to - 1 -> R",
)
JACOBI = (
    "skew S0.i S0.t 1; skew S1.i S1.t 2; vectorize S1.i",
    "fuse S0.i S1.i shift=1; skew S0.i S0.t 2; tile S0.t S0.i 4 8 -> to, io, ti, ii",
    "fuse S0.i S1.i shift=1; skew S0.i S0.t 2; tile S0.t S0.i 2 8 -> to, io, ti, ii; "
    "wavefront S0.to S0.io -> w",
)
LU = (
    "partition S1 where j <= i -> R; parallelize S1.j",
    "partition S1 where i < k + 2 -> R; vectorize R.j",
    "partition S1 where j < k + 3 -> R; distribute S1.i; vectorize R.j",
    "tile S1.i S1.j 2 4 -> io, jo, ii, ji; partition S1 where 4*jo > k -> R; vectorize S1.ji",
    "skew S1.j S1.i 1; interchange S1.i S1.j",
)
CASES = [(more.seidel, s) for s in SEIDEL] + [(programs.jacobi_1d, s) for s in JACOBI]
CASES += [(programs.lu, s) for s in LU]


def kernel(program: Program, steps: int, cells: int, commands: str) -> Kernel:
    text = "schedule 1\n" + commands.replace("; ", "\n")
    sizes = {name: value for name, value in (("T", steps), ("N", cells)) if name in program.sizes}
    spec = Specialization(program, sizes, target_isa(), threads=2)
    return Kernel(spec, ls.Schedule.parse(text))


@pytest.mark.parametrize(("make", "commands"), CASES)
def test_same_as_the_oracle(make: object, commands: str) -> None:
    for steps, cells in SIZES:  # a size a program does not have is left out
        scheduled = kernel(make(), steps, cells, commands)  # type: ignore[operator]
        arrays = inputs(scheduled.program)
        expected = run(scheduled.program, {n: a.copy() for n, a in arrays.items()})
        scheduled.run_on(arrays)
        for name, found in arrays.items():
            np.testing.assert_allclose(
                found, expected[name], rtol=1e-5, err_msg=f"T={steps} N={cells}\n{scheduled.nest}"
            )
