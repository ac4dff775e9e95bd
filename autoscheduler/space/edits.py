"""Edits: changes to a script that know nothing of the program but its loops.

They reach what no template offers (loops of triangular solvers, skewed stencils, chains), from any
script as a start. Most edits are illegal or useless; the mask drops the illegal ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

from loopstack.ir.loop_tree import Loop, Tree

Edit = Callable[[str, Tree, random.Random], list[str]]
FACTORS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)
SIZED = re.compile(r"(?:split|tile) [^>]*(?= ->)")
NUMBER = re.compile(r"(?<= )\d+\b")
FAR_SHARE = 0.3
"""Of changed factors, those that become any other one; the rest become a neighbour."""


def edit_script(script: str, tree: Tree, rng: random.Random, threads: int = 2) -> str:
    """Return a changed script: a command added, dropped or given another factor.

    Loops become parallel only where there are ``threads`` to share them.
    """
    lines = script.rstrip("\n").split("\n")
    kind = rng.choices(("add", "factor", "drop"), weights=(6, 3, 1))[0]
    if kind == "add":
        verbs = VERBS if threads > 1 else {v: e for v, e in VERBS.items() if v != "parallelize"}
        lines = _add(lines, tree, rng, verbs)
    else:
        lines = _factor(lines, rng) if kind == "factor" else _drop(lines, rng)
    return "\n".join(lines) + "\n"


def _drop(lines: list[str], rng: random.Random) -> list[str]:
    if len(lines) < 2:
        return lines
    at = rng.randrange(1, len(lines))
    return lines[:at] + lines[at + 1 :]


def _factor(lines: list[str], rng: random.Random) -> list[str]:
    """Change one factor of a split or a tile."""
    places = [
        (at, number)
        for at, line in enumerate(lines)
        if (sized := SIZED.match(line))
        for number in NUMBER.finditer(line, 0, sized.end())
    ]
    if not places:
        return lines
    at, number = rng.choice(places)
    line = lines[at]
    factor = _other_factor(int(number[0]), rng)
    changed = f"{line[: number.start()]}{factor}{line[number.end() :]}"
    return [*lines[:at], changed, *lines[at + 1 :]]


def _other_factor(factor: int, rng: random.Random) -> int:
    if rng.random() < FAR_SHARE:
        return rng.choice(FACTORS)
    return max(2, rng.choice((factor // 2, factor * 2, factor * 3 // 4, factor * 3 // 2)))


def _add(lines: list[str], tree: Tree, rng: random.Random, verbs: Mapping[str, Edit]) -> list[str]:
    loops = sorted(tree.loops())
    if not loops:
        return lines
    name = rng.choice(loops)
    verb = rng.choice(sorted(verbs))
    return lines + verbs[verb](name, tree, rng)


def _split(name: str, tree: Tree, rng: random.Random) -> list[str]:
    loop = name.split(".", 1)[1]
    taken = {other.split(".", 1)[1] for other in tree.loops()}
    outer, inner = f"{loop}_o", f"{loop}_i"
    if {outer, inner} & taken:
        return []
    return [f"split {name} {rng.choice(FACTORS)} -> {outer}, {inner}"]


def _swap(name: str, tree: Tree, rng: random.Random) -> list[str]:
    """Exchange a loop with the one directly inside it."""
    node = tree.loops()[name]
    if len(node.body) != 1 or not isinstance(node.body[0], Loop):
        return []
    statement, loop = name.split(".", 1)
    inner = node.body[0].name.split(".", 1)[1]
    return [f"reorder {statement} {inner} {loop}"]


def _tile(name: str, tree: Tree, rng: random.Random) -> list[str]:
    """Tile a loop together with the one directly inside it."""
    node = tree.loops()[name]
    if len(node.body) != 1 or not isinstance(node.body[0], Loop):
        return []
    pair = [name, node.body[0].name]
    loops = [loop.split(".", 1)[1] for loop in pair]
    made = [f"{loop}_o" for loop in loops] + [f"{loop}_i" for loop in loops]
    if set(made) & {other.split(".", 1)[1] for other in tree.loops()}:
        return []
    sizes = " ".join(str(rng.choice(FACTORS)) for _ in pair)
    return [f"tile {' '.join(pair)} {sizes} -> {', '.join(made)}"]


def _fuse(name: str, tree: Tree, rng: random.Random) -> list[str]:
    """Fuse a loop with the next one beside it."""
    path = tree.path(name)
    beside = path[-2].body if len(path) > 1 else tree.body
    loops = [node.name for node in beside if isinstance(node, Loop)]
    at = loops.index(name)
    return [f"fuse {name} {loops[at + 1]}"] if at + 1 < len(loops) else []


def _vectorize(name: str, tree: Tree, rng: random.Random) -> list[str]:
    """Vectorise a loop with no other vector loop around or inside it."""
    path = tree.path(name)
    if any(loop.kind == "vector" for loop in path) or _has_vector(path[-1]):
        return []
    return [f"vectorize {name}"]


def _has_vector(loop: Loop) -> bool:
    inner = [node for node in loop.body if isinstance(node, Loop)]
    return any(node.kind == "vector" or _has_vector(node) for node in inner)


def _annotate(verb: str) -> Edit:
    def line(name: str, tree: Tree, rng: random.Random) -> list[str]:
        return [f"{verb} {name}"]

    return line


VERBS: Mapping[str, Edit] = {
    "split": _split,
    "tile": _tile,
    "swap": _swap,
    "fuse": _fuse,
    "distribute": _annotate("distribute"),
    "reverse": _annotate("reverse"),
    "vectorize": _vectorize,
    "parallelize": _annotate("parallelize"),
    "unroll": _annotate("unroll"),
    "jam": _annotate("unroll_and_jam"),
}
