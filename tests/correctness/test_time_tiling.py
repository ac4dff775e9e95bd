"""Sweeps in tiles of time and space: what is recognised, the lines, machine code == oracle."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from harness.inputs import inputs

import loopstack as ls
from bench.suites import polybench
from loopstack.ir.loop_tree import identity_tree
from loopstack.ir.program import Program
from loopstack.kernel import Kernel, Specialization
from loopstack.machine.features import target_isa
from loopstack.poly import legality
from loopstack.reference.interpreter import run
from loopstack.schedule.affine_default import affine_schedule
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.script import Schedule, build
from loopstack.schedule.sweeps import find_sweeps
from loopstack.schedule.time_tiling import jam_lines, row_lines, tiling_lines, wavefront_line

DESKTOP = Hardware("avx2", 32, 16, 32 * 1024, 512 * 1024)
TILES = {
    "jacobi-1d": ((4, 8), (3, 16)),
    "jacobi-2d": ((4, 8), (2, 3)),
    "seidel-2d": ((4, 4), (3, 7)),
    "fdtd-2d": ((4, 4), (3, 7)),
    "heat-3d": ((2, 4, 8), (3, 5, 2)),
}
"""Tiles that cut small arrays into pieces, whole ones and others."""
SIZES = ((0, 5), (1, 3), (2, 2), (3, 0), (5, 1), (2, 17), (17, 5), (5, 17), (3, 40))
MOST_CELLS = 12_000
"""Cells times steps that the interpreter runs in reasonable time."""
WANTED = {
    "jacobi-2d": """
        fuse B.i A.i shift=1
        skew B.i B.t 2
        tile B.t B.i 8 16 -> to, io, ti, ii
        wavefront B.to B.io -> tow
        split B.ii 4 -> ii, iu
        distribute B.iu
        unroll_and_jam B.iu
        unroll_and_jam A.iu
        vectorize B.j
        vectorize A.j
    """,
    "heat-3d": """
        fuse B.i A.i shift=1
        fuse B.j A.j shift=1
        skew B.i B.t 2
        skew B.j B.t 2
        tile B.t B.i B.j 4 8 24 -> to, io, jo, ti, ii, ji
        distribute B.ji
        wavefront B.to B.io -> tow
        vectorize B.k
        vectorize A.k
    """,
    "fdtd-2d": """
        wrap S0.j -> i
        fuse S0.i S1.i shift=0
        fuse S0.i ex.i shift=0
        fuse S0.i hz.i shift=1
        skew S0.i S0.t 1
        tile S0.t S0.i 16 16 -> to, io, ti, ii
        wavefront S0.to S0.io -> tow
        split S0.ii 4 -> ii, iu
        distribute S0.iu
        unroll_and_jam S1.iu
        unroll_and_jam ex.iu
        unroll_and_jam hz.iu
        vectorize S0.j
        vectorize S1.j
        vectorize ex.j
        vectorize hz.j
    """,
    "seidel-2d": """
        skew A.i A.t 1
        tile A.t A.i 16 20 -> to, io, ti, ii
        wavefront A.to A.io -> tow
    """,
}


def bound(name: str, steps: int, cells: int) -> Program:
    program = polybench.load(name).program
    first, *rest = program.sizes
    if name == "fdtd-2d":
        cells = max(cells, 1)  # its source writes row 0
    return program.bind({first: steps, **{n: cells + k for k, n in enumerate(rest)}})


def lines_of(name: str, program: Program, tile: tuple[int, ...], threads: int) -> list[str]:
    (sweeps,) = find_sweeps(identity_tree(program))
    lines = tiling_lines(sweeps, tile)
    if threads > 1:
        lines.append(wavefront_line(sweeps))
    rows = row_lines(sweeps) if name != "seidel-2d" else []
    return [*lines, *jam_lines(sweeps), *rows]


@pytest.mark.parametrize("name", WANTED)
def test_lines_of_arrays_beyond_the_cache(name: str) -> None:
    program = polybench.load(name).program.bind(polybench.sizes_of(name, "large"))
    found = str(affine_schedule(program, DESKTOP, 2)).splitlines()[1:]
    assert found == [line.strip() for line in WANTED[name].strip().splitlines()]
    alone = str(affine_schedule(program, DESKTOP, 1)).splitlines()[1:]
    assert alone == [line for line in found if not line.startswith("wavefront")]


@pytest.mark.parametrize("name", TILES)
def test_arrays_in_the_cache_are_left_alone(name: str) -> None:
    program = polybench.load(name).program.bind(polybench.sizes_of(name, "small"))
    assert "tile" not in str(affine_schedule(program, DESKTOP, 1))


@pytest.mark.parametrize("name", ["gemm", "floyd-warshall", "lu", "adi", "mvt", "deriche", "trmm"])
def test_what_is_no_sweep(name: str) -> None:
    program = polybench.load(name).program.bind(polybench.sizes_of(name, "small"))
    assert find_sweeps(identity_tree(program)) == []


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", TILES)
def test_same_as_the_oracle(name: str, threads: int) -> None:
    for steps, cells in SIZES:
        program = bound(name, steps, cells)
        cells_in_all = max(int(np.prod([f.const for f in a.shape])) for a in program.arguments)
        if cells_in_all * steps > MOST_CELLS:
            continue
        arrays = inputs(program)
        expected = run(program, {n: a.copy() for n, a in arrays.items()})
        for tile in TILES[name]:
            text = "\n".join(["schedule 1", *lines_of(name, program, tile, threads)])
            spec = Specialization(program, {}, target_isa(), threads=threads)
            kernel = Kernel(spec, ls.Schedule.parse(text))
            found = {n: a.copy() for n, a in arrays.items()}
            kernel.run_on(found)
            for array, values in expected.items():
                np.testing.assert_allclose(
                    found[array], values, rtol=1e-9, err_msg=f"{steps} {cells}\n{text}"
                )


@pytest.mark.parametrize(
    ("name", "line", "less"),
    [
        ("jacobi-2d", "fuse B.i A.i shift=1", "fuse B.i A.i shift=0"),
        ("jacobi-2d", "skew B.i B.t 2", "skew B.i B.t 1"),
        ("heat-3d", "fuse B.j A.j shift=1", "fuse B.j A.j shift=0"),
        ("heat-3d", "skew B.j B.t 2", "skew B.j B.t 1"),
        ("fdtd-2d", "fuse S0.i hz.i shift=1", "fuse S0.i hz.i shift=0"),
        ("fdtd-2d", "skew S0.i S0.t 1", "skew S0.i S0.t 0"),
        ("seidel-2d", "skew A.i A.t 1", "skew A.i A.t 0"),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_smaller_shift_or_skew_is_illegal(name: str, line: str, less: str, threads: int) -> None:
    program = bound(name, 9, 12)
    lines = lines_of(name, program, TILES[name][0], threads)
    assert line in lines
    legal, illegal = (
        build(Schedule.parse("\n".join(["schedule 1", *each])), program)
        for each in (lines, [less if each == line else each for each in lines])
    )
    assert legality.check(legal) is None
    assert legality.check(illegal) is not None


def ways() -> list[list[str]]:
    """Return schedules of two one-dimensional sweeps, legal and illegal ones."""
    found = []
    for shift, skew, tile in product((0, 1, 2), (0, 1, 2, 3), ("", "2 4", "5 3")):
        lines = [f"fuse B.i A.i shift={shift}", f"skew B.i B.t {skew}"]
        if tile:
            lines.append(f"tile B.t B.i {tile} -> to, io, ti, ii")
        fronts = "wavefront B.to B.io -> w" if tile else "wavefront B.t B.i -> w"
        inner = "distribute B.ii" if tile else "parallelize B.i"
        found += [lines, [*lines, fronts], [*lines, inner]]
    return found


def test_distances_say_what_all_pairs_of_instances_do(monkeypatch: pytest.MonkeyPatch) -> None:
    program = bound("jacobi-1d", 7, 13)
    trees = [build(Schedule.parse("\n".join(["schedule 1", *each])), program) for each in ways()]
    with_distances = [legality.check(tree) is None for tree in trees]
    monkeypatch.setattr(legality, "surely_apart", lambda *_: False)
    assert with_distances == [legality.check(tree) is None for tree in trees]
    assert 0 < sum(with_distances) < len(trees)
