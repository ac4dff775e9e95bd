"""Find the loops and statements a command names, or say which names there are.

A loop is addressed as ``Statement.index``: by its own name, or through any statement below it
(``B.i`` finds the loop ``A.i`` that A and B share).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from loopstack.errors import ArgumentError
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Node, Prefetch, Tree

Path = tuple[Loop, ...]
ROOT = "root"
HINT_CUTOFF = 0.75
"""How alike two names must be to suggest one for the other."""


def find_loop(tree: Tree, reference: str) -> Path:
    """Return the loops from the root down to the one addressed. Raises ArgumentError."""
    path = _search(tree.body, reference)
    if path is not None:
        return path
    statement, _, index = reference.rpartition(".")
    above, leaf = find_leaf(tree, statement)
    matches = [n for n, loop in enumerate(above) if index_of(loop) == index]
    if not matches:
        bound = dict(leaf.binding).get(index)
        matches = [
            n for n, loop in enumerate(above) if bound is not None and bound == form_of(loop.name)
        ]
    if len(matches) == 1:
        return above[: matches[0] + 1]
    names = [loop.name for loop in above]
    if matches:
        clash = " and ".join(above[n].name for n in matches)
        raise ArgumentError(f"{reference} is ambiguous: {clash}; use the loop's own name")
    have = ", ".join(names) or "none"
    raise ArgumentError(
        f"no loop {reference}; the loops of {statement} are {have}{_hint(reference, names)}"
    )


def find_leaf(tree: Tree, statement: str) -> tuple[Path, Leaf]:
    """Return the loops above a statement, and its leaf. Raises ArgumentError."""
    found = _search_leaf(tree.body, statement)
    if found is None:
        names = list(tree.leaves())
        raise ArgumentError(
            f"no statement {statement}; the statements are {', '.join(names)}"
            f"{_hint(statement, names)}"
        )
    return found


def index_of(loop: Loop) -> str:
    """Return the part of a loop's name after its statement."""
    return loop.name.rpartition(".")[2]


def owner_of(loop: Loop) -> str:
    """Return the part of a loop's name before its index."""
    return loop.name.rpartition(".")[0]


def leaves_below(nodes: Iterable[Node]) -> list[Leaf]:
    """Return the leaves below ``nodes`` in text order."""
    found: list[Leaf] = []
    for node in nodes:
        if isinstance(node, Leaf):
            found.append(node)
        elif isinstance(node, Loop):
            found += leaves_below(node.body)
    return found


def reads_array(leaf: Leaf, array: str) -> bool:
    return any(load.array == array for load in loads(leaf.expr))


def is_copy(tree: Tree, leaf: Leaf) -> bool:
    """Tell whether a leaf is a pack's copy, not a statement of the program."""
    return leaf.statement not in tree.program.statement_by_name


def new_loop_name(tree: Tree, owner: str, index: str, replaced: Sequence[str] = ()) -> str:
    """Return ``owner.index``; raises ArgumentError when another loop has this name.

    Loops in ``replaced`` are about to go, so their names are free.
    """
    name = f"{owner}.{index}"
    if name not in replaced and _search(tree.body, name) is not None:
        raise ArgumentError(f"there is a loop {name} already; choose another name than {index}")
    if index == ROOT:
        raise ArgumentError(f"{ROOT} stands for the place outside all loops; choose another name")
    return name


def check_new_statement(tree: Tree, name: str) -> None:
    """Raise ArgumentError when a statement, an array or a buffer has this name already."""
    taken = name in tree.leaves() or name in tree.program.array_by_name
    if taken or any(b.array.name == name for b in tree.buffers):
        raise ArgumentError(f"the name {name} is taken; choose another one")


def _search(nodes: Sequence[Node], name: str) -> Path | None:
    for node in nodes:
        if isinstance(node, Loop):
            if node.name == name:
                return (node,)
            below = _search(node.body, name)
            if below is not None:
                return (node, *below)
    return None


def _search_leaf(nodes: Sequence[Node], statement: str) -> tuple[Path, Leaf] | None:
    for node in nodes:
        if isinstance(node, Loop):
            found = _search_leaf(node.body, statement)
            if found is not None:
                return (node, *found[0]), found[1]
        elif not isinstance(node, Prefetch) and node.statement == statement:
            return (), node
    return None


def _hint(wanted: str, names: Sequence[str]) -> str:
    close = get_close_matches(wanted, names, n=1, cutoff=HINT_CUTOFF)
    return f" (did you mean {close[0]}?)" if close else ""
