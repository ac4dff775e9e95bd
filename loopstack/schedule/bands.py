"""Put other loops in the place of a band, each an affine form over the old ones.

A band is a perfect nest of loops; all statements below it move together. Bounds of the new loops
follow from the statements' domains in lowering.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Kind, Loop, Tree
from loopstack.schedule.inverse import invert
from loopstack.schedule.lookup import Path, find_loop, leaves_below
from loopstack.schedule.order import require_perfect
from loopstack.schedule.rewrite import Nodes, add_constraint, references, replace_at, with_forms


def find_band(tree: Tree, loops: Sequence[str], command: str) -> tuple[Path, Path]:
    """Return the path of the innermost of the loops, and the loops.

    Raises ArgumentError unless each stands directly inside the one before.
    """
    paths = [find_loop(tree, loop) for loop in loops]
    band = tuple(path[-1] for path in paths)
    if paths[-1][-len(band) :] != band:
        raise ArgumentError(f"{command} needs the loops of a nest in order, outermost first")
    return paths[-1], band


def change_band(
    tree: Tree, path: Path, band: Sequence[Loop], new: Mapping[str, Affine], command: str,
    kinds: Mapping[str, Kind] | None = None,
) -> Tree:  # fmt: skip
    """Return the tree with the innermost loops of ``path``, ``band``, replaced by ``new``.

    ``new`` gives each new loop as a form over the old ones, ``kinds`` the kinds of those that are
    no plain loops; a loop that stays as it is keeps its extent, kind and tail.
    """
    require_perfect(path[path.index(band[0]) :], command)
    _require_plain(tree, band, new, command)
    body = nest_of(band, new, band[-1].body, command, kinds)
    return replace_at(tree, path[: path.index(band[0]) + 1], body)


def nest_of(
    band: Sequence[Loop], new: Mapping[str, Affine], body: Nodes, command: str,
    kinds: Mapping[str, Kind] | None = None,
) -> Nodes:  # fmt: skip
    """Return ``body`` below the ``new`` loops; it stood below the loops of ``band``."""
    for loop in band:
        if loop.extent is not None and new.get(loop.name) != form_of(loop.name):
            body = add_constraint(body, form_of(loop.name))
            body = add_constraint(body, loop.extent - 1 - form_of(loop.name))
    inverse = invert(new, [loop.name for loop in band], command)
    body = with_forms(body, inverse.value, inverse.constraint)
    for condition in inverse.conditions:
        body = add_constraint(body, condition)
    known = {loop.name: loop for loop in band if new.get(loop.name) == form_of(loop.name)}
    for name in reversed(list(new)):
        same = known.get(name) or Loop(name, ())
        kind = (kinds or {}).get(name, same.kind)
        body = (Loop(name, body, same.extent, kind, same.tail),)
    return body


def _require_plain(
    tree: Tree, band: Sequence[Loop], new: Mapping[str, Affine], command: str
) -> None:
    """Refuse a change of loops that have a kind, or that buffers and stages are placed at."""
    for loop in band:
        if new.get(loop.name) == form_of(loop.name):
            continue
        if loop.kind != "seq":
            raise ArgumentError(f"{command} needs plain loops, but {loop.name} is {loop.kind}")
        placed = references(tree, loop.name)
        if placed:
            raise ArgumentError(
                f"{command} would lose the loop {loop.name} that {placed[0]} is placed at"
            )
    below = {leaf.write.array for leaf in leaves_below(band[-1].body)}
    local = sorted(b.array.name for b in tree.buffers if b.array.name in below)
    if local:
        raise ArgumentError(f"{command} would part {local[0]} from its readers; {command} first")
