"""When statements run, as a tree of bands: what scheduling algorithms return.

    for c0: for c1: { S; for c2: T }        Band(c0, c1)
                                              InOrder
                                                Single(S)
                                                Band(c2) - Single(T)

A band's rows give every statement below it one affine form a loop; statements with equal values
share the iteration. A row that repeats what outer rows say is a loop that runs once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Union

from loopstack.ir.affine import Affine


@dataclass(frozen=True)
class Single:
    """All loops of one statement are found."""

    statement: str


@dataclass(frozen=True)
class InOrder:
    """Parts that run one after the other."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Band:
    """Loops that every statement below shares, outermost first.

    ``rows`` are forms over each statement's indices, one a loop. ``permutable``: the loops may be
    tiled and swapped. ``coincident`` loops carry no dependence that outer bands leave.
    """

    rows: Mapping[str, tuple[Affine, ...]]
    permutable: bool
    coincident: tuple[bool, ...]
    inside: Part

    @property
    def depth(self) -> int:
        return len(self.coincident)


Part = Union[Single, InOrder, Band]


def statements_of(part: Part) -> list[str]:
    """Return the statements below a part, in the order they run in."""
    if isinstance(part, Single):
        return [part.statement]
    if isinstance(part, InOrder):
        return [name for p in part.parts for name in statements_of(p)]
    return statements_of(part.inside)


def rows_of(part: Part, statement: str) -> list[Affine]:
    """Return all rows of one statement, outermost first."""
    if isinstance(part, Single):
        return []
    if isinstance(part, InOrder):
        holder = next(p for p in part.parts if statement in statements_of(p))
        return rows_of(holder, statement)
    return [*part.rows[statement], *rows_of(part.inside, statement)]


def describe(part: Part, indent: str = "") -> str:
    """Return the tree as text: a line for each band, statement and list of parts."""
    return "\n".join(_lines(part, indent)) + "\n"


def _lines(part: Part, indent: str) -> Iterator[str]:
    if isinstance(part, Single):
        yield f"{indent}{part.statement}"
    elif isinstance(part, InOrder):
        yield f"{indent}in order"
        for inner in part.parts:
            yield from _lines(inner, indent + "  ")
    else:
        kind = "permutable" if part.permutable else "fixed"
        marks = " ".join("parallel" if c else "carried" for c in part.coincident)
        yield f"{indent}band {kind}: {marks}"
        for name, forms in part.rows.items():
            yield f"{indent}  {name}: {', '.join(map(str, forms))}"
        yield from _lines(part.inside, indent + "  ")
