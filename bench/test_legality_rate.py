"""How many candidates a search can check for legality in a second.

``pytest bench/test_legality_rate.py -s``. Candidates are random: a script as it is written or the
default one, changed by one to five edits; among them tiles of one and two levels, skews,
wavefronts, shifted fusions and partitions. A round checks candidates as a search does, in turn,
from a program object that nothing is known of: those that the fast test settles, then all of them,
the others up to where isl would be asked. A printed line says how many are settled.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from autoscheduler.space.edits import edit_script
from autoscheduler.space.trees import TreeCache
from bench.suites import polybench
from loopstack.errors import LoopStackError
from loopstack.ir.loop_tree import Loop, Tree
from loopstack.poly import legality
from loopstack.schedule.script import Schedule

KERNELS = ("gemm", "jacobi-2d", "seidel-2d", "lu", "heat-3d", "correlation")
COUNT = 200
FACTORS = (4, 8, 16, 32, 64)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("which", ["settled", "all"])
def test_candidates(benchmark: Any, name: str, which: str) -> None:
    everything = candidates(name)
    settled = [tree for tree in everything if legality.is_legal(tree)]
    trees = settled if which == "settled" else everything

    def check_all() -> None:
        for tree in _of_new_program(trees):
            legality.is_legal(tree)

    benchmark.pedantic(check_all, rounds=5)
    rate = len(trees) / benchmark.stats.stats.min
    benchmark.extra_info["candidates_per_s"] = round(rate)
    share = f"{len(settled)} of {len(everything)} surely legal"
    print(f"\n{name}, {which}: {rate:.0f} candidates/s; {share}")


def _of_new_program(trees: list[Tree]) -> list[Tree]:
    """Return the trees over copies of their programs, one for each."""
    programs = {id(tree.program): replace(tree.program) for tree in trees}
    return [replace(tree, program=programs[id(tree.program)]) for tree in trees]


@cache
def candidates(name: str) -> list[Tree]:
    """Return ``COUNT`` trees of a kernel, different ones, legal or not."""
    sizes = polybench.sizes_of(name, "medium")
    kernel = polybench.load(name).specialize(threads=2, **sizes)
    starts = ["schedule 1\n", str(kernel.schedule)]
    cache, rng = TreeCache(kernel.program), random.Random(name)
    found: dict[str, Tree] = {}
    while len(found) < COUNT:
        found.update(_walk(rng.choice(starts), cache, rng))
    return list(found.values())[:COUNT]


def _walk(script: str, cache: TreeCache, rng: random.Random) -> Iterator[tuple[str, Tree]]:
    """Yield a script and its tree after each of some edits."""
    tree = cache.build(Schedule.parse(script))
    for _ in range(rng.randint(1, 5)):
        longer = _changed(script, tree, rng)
        try:
            tree = cache.build(Schedule.parse(longer))
        except (LoopStackError, KeyError, ValueError):
            continue
        if longer != script:
            yield longer, tree
        script = longer


def _changed(script: str, tree: Tree, rng: random.Random) -> str:
    lines = _band_lines(tree, rng) if rng.random() < 0.4 else []
    if lines:
        return script + "\n".join(lines) + "\n"
    return edit_script(script, tree, rng)


def _band_lines(tree: Tree, rng: random.Random) -> list[str]:
    """Return a change of a random nest: a skew, tiles, tiles along a diagonal, and so on."""
    band = [rng.choice(list(tree.loops().values()))]
    while len(band) < 3 and len(band[-1].body) == 1 and isinstance(band[-1].body[0], Loop):
        band.append(band[-1].body[0])
    names = [loop.name for loop in band]
    tag = f"{rng.randrange(1 << 20):x}"
    kind = rng.choice(("skew", "tile", "wavefront", "fuse", "partition", "skewed tiles"))
    if kind == "fuse":
        return _fusion(tree, rng)
    if kind == "partition":
        owner, _, index = names[0].rpartition(".")
        return [f"partition {owner} where {index} < {rng.choice(FACTORS)} -> part{tag}"]
    if len(band) < 2:
        return []
    skews = [f"skew {name} {names[0]} {rng.choice((1, 2))}" for name in names[1:]]
    tiles = [_tiles(names, tag, rng)]
    owner = names[0].rpartition(".")[0]
    if kind == "skew":
        return skews[:1]
    if kind == "tile":
        return tiles
    if kind == "skewed tiles":
        return skews + tiles
    return [*skews, *tiles, f"wavefront {owner}.o{tag}0 {owner}.o{tag}1 -> w{tag}"]


def _tiles(names: list[str], tag: str, rng: random.Random) -> str:
    sizes = " ".join(str(rng.choice(FACTORS)) for _ in names)
    made = [f"{letter}{tag}{n}" for letter in "oi" for n in range(len(names))]
    return f"tile {' '.join(names)} {sizes} -> {', '.join(made)}"


def _fusion(tree: Tree, rng: random.Random) -> list[str]:
    bodies = [tree.body, *(loop.body for loop in tree.loops().values())]
    pairs = [
        (a.name, b.name)
        for body in bodies
        for a, b in pairwise(body)
        if isinstance(a, Loop) and isinstance(b, Loop)
    ]
    return [f"fuse {' '.join(rng.choice(pairs))} shift={rng.choice((0, 1, 2))}"] if pairs else []
