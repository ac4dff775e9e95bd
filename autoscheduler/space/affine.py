"""Slots of programs whose statements share loops.

    start        a known schedule (default, pluto, isl, ...) with its factors, or nests
    loops        nests: as written, or every statement with loops of its own
    each nest    the order of its loops, a skew, tiles, lanes, a jam, the loop that runs in parallel

Nothing here asks whether an answer is legal, or fits the others: the mask drops what is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

from autoscheduler.space.slots import Choice, Slot
from loopstack.ir.loop_tree import Loop, Node, Tree, identity_tree
from loopstack.ir.program import Program
from loopstack.schedule.script import Schedule, build

HEADER = "schedule 1"
START, LOOPS = "start", "loops"
NESTS = "nests"
WRITTEN, APART = "as written", "apart"
TILES = (None, 4, 8, 16, 32, 64, 128, 256)
SKEWS = (0, 1, 2)
JAMS = (1, 2, 4, 8)
FACTORS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)
FAR = 4
"""A factor's choices lie within this multiple of it."""
MOST_ORDERED = 4
"""Loops of a nest up to which every order is a choice; of deeper ones neighbours are swapped."""
SIZED = re.compile(r"(?:split|tile) [^>]*(?= ->)")
NUMBER = re.compile(r"(?<= )\d+\b")


@dataclass(frozen=True)
class AffineSlots:
    """The slots of one program with integer sizes; ``starts`` are scripts by name, best first."""

    program: Program
    starts: Mapping[str, str]
    threads: int

    @cached_property
    def slots(self) -> list[Slot]:
        everything = [Slot(START, (*self.starts, NESTS), ordered=False)]
        for name in self.starts:
            everything += self._factors[name]
        everything.append(Slot(LOOPS, tuple(self._nests), ordered=False))
        return everything + [s for nests in self._nests.values() for nest in nests
                             for s in nest.slots]  # fmt: skip

    def active(self, chosen: Mapping[str, Choice]) -> list[Slot]:
        """Return the slots whose answers count, given the others."""
        start = next(slot for slot in self.slots if slot.name == START)
        if chosen[START] != NESTS:
            return [start, *self._factors[chosen[START]]]
        loops = next(slot for slot in self.slots if slot.name == LOOPS)
        return [start, loops, *(s for nest in self._nests[chosen[LOOPS]] for s in nest.slots)]

    def script(self, chosen: Mapping[str, Choice]) -> str:
        """Print an assignment."""
        if chosen[START] != NESTS:
            return self._with_factors(chosen[START], chosen)
        lines = [HEADER, *self._structure[chosen[LOOPS]]]
        for nest in self._nests[chosen[LOOPS]]:
            lines += nest.lines(chosen)
        return "\n".join(lines) + "\n"

    # ---- known schedules --------------------------------------------------------------------
    @cached_property
    def _factors(self) -> dict[str, list[Slot]]:
        return {name: [_factor_slot(name, place, int(number[0]))
                       for place, (_, number) in enumerate(_numbers(script.split("\n")))]
                for name, script in self.starts.items()}  # fmt: skip

    def _with_factors(self, start: str, chosen: Mapping[str, Choice]) -> str:
        lines = self.starts[start].split("\n")
        answers = [chosen[slot.name] for slot in self._factors[start]]
        for (at, number), factor in reversed(list(zip(_numbers(lines), answers))):
            lines[at] = f"{lines[at][: number.start()]}{factor}{lines[at][number.end() :]}"
        return "\n".join(lines)

    # ---- nests ------------------------------------------------------------------------------
    @cached_property
    def _structure(self) -> dict[str, list[str]]:
        lines = list(_distributing(identity_tree(self.program).body))
        return {WRITTEN: [], APART: lines} if lines else {WRITTEN: []}

    @cached_property
    def _nests(self) -> dict[str, list[AffineNest]]:
        found = {}
        for way, lines in self._structure.items():
            script = "\n".join([HEADER, *lines])
            tree: Tree = build(Schedule.parse(script), self.program)
            chains = list(_chains(tree.body, ()))
            found[way] = [AffineNest(way, tuple(loop.name for loop in c), _is_innermost(c[-1]),
                                     self.threads) for c in chains]  # fmt: skip
        return found


def _numbers(lines: Sequence[str]) -> Iterator[tuple[int, re.Match[str]]]:
    """Yield (line, number) for every factor of a split or a tile."""
    for at, line in enumerate(lines):
        sized = SIZED.match(line)
        if sized:
            for number in NUMBER.finditer(line, 0, sized.end()):
                yield at, number


def _factor_slot(start: str, place: int, value: int) -> Slot:
    near = {f for f in FACTORS if value <= FAR * f and f <= FAR * value}
    return Slot(f"{start}: factor {place}", tuple(sorted(near | {value})), True, value)


def _distributing(nodes: Sequence[Node]) -> Iterator[str]:
    """Yield the lines that give every part of every body loops of its own, innermost first."""
    for node in nodes:
        if isinstance(node, Loop):
            yield from _distributing(node.body)
            if _leaf_count(node) > 1:
                yield f"distribute {node.name}"


def _leaf_count(node: Node) -> int:
    return sum(map(_leaf_count, node.body)) if isinstance(node, Loop) else 1


def _chains(nodes: Sequence[Node], above: tuple[Loop, ...]) -> Iterator[tuple[Loop, ...]]:
    """Yield every maximal perfect nest."""
    for loop in (node for node in nodes if isinstance(node, Loop)):
        chain = (*(above if len(nodes) == 1 else ()), loop)
        inner = [node for node in loop.body if isinstance(node, Loop)]
        if len(inner) == len(loop.body) == 1:
            yield from _chains(loop.body, chain)
        else:
            yield chain
            yield from _chains(inner, ())


def _is_innermost(loop: Loop) -> bool:
    return not any(isinstance(node, Loop) for node in loop.body)


@dataclass(frozen=True)
class AffineNest:
    """The slots of a perfect nest of ``loops``, outermost first, all named by one statement.

    By default the last one runs as lanes if it ``is_innermost``.
    """

    way: str
    loops: tuple[str, ...]
    is_innermost: bool
    threads: int

    @property
    def owner(self) -> str:
        return self.loops[0].partition(".")[0]

    @cached_property
    def indices(self) -> list[str]:
        return [loop.partition(".")[2] for loop in self.loops]

    @cached_property
    def slots(self) -> list[Slot]:
        inner = self.indices[-1] if self.is_innermost else "none"
        found = [self._slot("order", _orders(self.indices), False, " ".join(self.indices))]
        if len(self.loops) > 1:
            found.append(self._slot("skew", SKEWS))
        found += [self._slot(f"tile {index}", TILES) for index in self.indices]
        parallel = ("none", *self.indices) if self.threads > 1 else ("none",)
        found.append(self._slot("parallel", parallel, False, "none"))
        found.append(self._slot("lanes", ("none", *self.indices), False, inner))
        found.append(self._slot("jam", tuple(self.indices), False))
        return [*found, self._slot("by", JAMS)]

    def _slot(
        self, what: str, choices: Sequence[Choice], ordered: bool = True, default: Choice = None
    ) -> Slot:
        return Slot(f"{self.way}, {self.loops[0]}: {what}", tuple(choices), ordered, default)

    def lines(self, chosen: Mapping[str, Choice]) -> list[str]:
        """Return the commands of an assignment. Answers that others exclude are overruled."""
        ask = {slot.name.rpartition(": ")[2]: chosen[slot.name] for slot in self.slots}
        lines = []
        if ask.get("skew"):
            lines.append(f"skew {self.loops[1]} {self.loops[0]} {ask['skew']}")
        outer = {index: f"{index}_o" for index in self.indices if ask[f"tile {index}"]}
        lines += [f"split {self._loop(i)} {ask[f'tile {i}']} -> {o}, {i}"
                  for i, o in outer.items()]  # fmt: skip
        order = [*outer.values(), *ask["order"].split()]
        if order != self.indices:
            lines.append(f"reorder {self.owner} {' '.join(order)}")
        return lines + self._leaves(ask, outer)

    def _leaves(self, ask: Mapping[str, Choice], outer: Mapping[str, str]) -> list[str]:
        lines = []
        jam, lanes, parallel = ask["jam"], ask["lanes"], ask["parallel"]
        if ask["by"] > 1 and jam != lanes:
            lines.append(f"split {self._loop(jam)} {ask['by']} -> {jam}, {jam}_u tail=peel")
            lines.append(f"unroll_and_jam {self._loop(jam)}_u")
        if lanes != "none":
            lines.append(f"vectorize {self._loop(lanes)}")
        if parallel != "none" and (parallel != lanes or parallel in outer):
            lines.append(f"parallelize {self._loop(outer.get(parallel, parallel))}")
        return lines

    def _loop(self, index: str) -> str:
        return f"{self.owner}.{index}"


def _orders(indices: Sequence[str]) -> tuple[str, ...]:
    if len(indices) <= MOST_ORDERED:
        return tuple(map(" ".join, permutations(indices)))
    swapped = [" ".join(indices)]
    for at in range(len(indices) - 1):
        order = list(indices)
        order[at : at + 2] = reversed(order[at : at + 2])
        swapped.append(" ".join(order))
    return tuple(swapped)
