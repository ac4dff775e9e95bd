"""Independent iterations of an outer loop as lanes, where every inner loop carries a value.

    for i: { s = 0;  for j: y[i, j] = s = f(x[i, j], s) }          a recurrence along j for each i

    for lo: { for li (lanes): s[i] = 0;  for j: for li (lanes): y[i, j] = s[i] = f(x[i, j], s[i]) }

Recurrences wait for latencies, not for memory: two vectors of them hide each other's. Scalars that
each iteration sets anew get a copy an iteration first. What an iteration of ``lo`` keeps between
its inner loops stays in the cache; the iterations of ``lo`` may run in parallel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Node
from loopstack.schedule.access_shape import StatementShape
from loopstack.schedule.greedy import Draft
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.lookup import leaves_below

VECTORS = 2
GROUPS = 4
"""Groups of lanes below which they do not pay."""


def lanes_of_rows(
    draft: Draft, shapes: Mapping[str, StatementShape], hardware: Hardware, threads: int
) -> set[str]:
    """Run outer iterations of recurrences as lanes; return the statements that are done."""
    return _lanes_below(draft, draft.tree.body, shapes, hardware, threads)


def _lanes_below(
    draft: Draft, nodes: Sequence[Node], shapes: Mapping[str, StatementShape], hardware: Hardware,
    threads: int,
) -> set[str]:  # fmt: skip
    """Try every loop whose inner loops carry values, outermost first."""
    done: set[str] = set()
    for loop in [node for node in nodes if isinstance(node, Loop)]:
        names = _names(loop)
        if not names <= shapes.keys():
            continue
        width = VECTORS * hardware.lanes(min(shapes[name].item_bytes for name in names))
        enough = _trips(loop, shapes) >= GROUPS * width * threads
        if enough and _has_recurrence(draft, loop) and _group(draft, loop, width, threads):
            done |= names
        else:
            done |= _lanes_below(draft, loop.body, shapes, hardware, threads)
    return done


def _names(node: Node) -> set[str]:
    return {leaf.statement for leaf in leaves_below([node])}


def _trips(loop: Loop, shapes: Mapping[str, StatementShape]) -> int:
    extents = [shapes[leaf.statement].extents[index]
               for leaf in leaves_below([loop]) for index, form in leaf.binding
               if loop.name in form.names]  # fmt: skip
    return max(extents, default=0)


def _has_recurrence(draft: Draft, loop: Loop) -> bool:
    """Tell whether a body of statements and loops over statements has a loop that is no lanes."""
    inner = [node for node in loop.body if isinstance(node, Loop)]
    flat = all(isinstance(leaf, Leaf) for node in inner for leaf in node.body)
    return flat and any(not _would(draft, [f"vectorize {node.name}"]) for node in inner)


def _would(draft: Draft, lines: list[str]) -> bool:
    """Tell whether lines are legal, without keeping them."""
    mark = draft.mark()
    legal = draft.attempt(lines)
    draft.undo(mark)
    return legal


def _copies(draft: Draft, loop: Loop) -> list[str]:
    """Return the lines that give each iteration its own scalars."""
    used = dict.fromkeys(name for leaf in leaves_below([loop]) for name in _arrays_of(leaf))
    owned = {leaf.write.array for leaf in leaves_below([loop])}
    temporaries = [name for name in used
                   if name in owned and not draft.tree.array(name).is_argument]  # fmt: skip
    owner, index = loop.name.rsplit(".", 1)
    return [f"expand {name} at {loop.name} -> {name}_{owner}_{index}" for name in temporaries]


def _arrays_of(leaf: Leaf) -> list[str]:
    return [leaf.write.array, *(load.array for load in loads(leaf.expr))]


def _group(draft: Draft, loop: Loop, width: int, threads: int) -> bool:
    owner, index = loop.name.rsplit(".", 1)
    lines = _copies(draft, loop)
    lines += [f"split {loop.name} {width} -> {index}o, {index}l", f"distribute {owner}.{index}l"]
    for node in loop.body:
        first = leaves_below([node])[0].statement
        if isinstance(node, Loop):
            inner = node.name.rsplit(".", 1)[1]
            lines.append(f"interchange {first}.{index}l {first}.{inner}")
        lines.append(f"vectorize {first}.{index}l")
    if threads > 1:
        lines.append(f"parallelize {owner}.{index}o")
    return draft.attempt(lines)
