"""Evolution: the fastest candidates so far are mutated and crossed.

The population is the best ``POPULATION`` of all that was measured. Parents are drawn by rank; a
share of fresh random draws keeps the search from narrowing too early. Members that came from slots
change slots, members that are plain scripts (the default, earlier edits) are edited.
"""

from __future__ import annotations

import random
from bisect import insort
from dataclasses import dataclass, field

from autoscheduler.search.proposer import Proposal
from autoscheduler.search.random import RandomProposer, edited
from autoscheduler.space.slots import cross, mutate
from autoscheduler.space.templates import ProgramSpace

POPULATION = 24
FIRST_DRAWS = 40
FRESH_SHARE = 0.1
CROSS_SHARE = 0.25
EDIT_SHARE = 0.1


@dataclass(frozen=True, order=True)
class Member:
    median_ns: float
    number: int
    proposal: Proposal = field(compare=False)


class EvolveProposer:
    """Proposes random candidates first, then children of the best."""

    def __init__(self, space: ProgramSpace, start: Proposal, rng: random.Random) -> None:
        self._space, self._rng = space, rng
        self._random = RandomProposer(space, start, rng)
        self._members: list[Member] = []
        self._reported = 0

    def propose(self) -> Proposal | None:
        young = self._reported < FIRST_DRAWS
        if young or not self._members or self._rng.random() < FRESH_SHARE:
            return self._random.propose()
        return self._child()

    def report(self, proposal: Proposal, median_ns: float | None) -> None:
        self._reported += 1
        if median_ns is None:
            return
        insort(self._members, Member(median_ns, self._reported, proposal))
        del self._members[POPULATION:]

    def _child(self) -> Proposal | None:
        parent = self._parent()
        if not parent.slots or self._rng.random() < EDIT_SHARE:
            return edited(self._space, parent.script, self._rng)
        slots = dict(parent.slots)
        other = self._parent().slots
        if other and self._rng.random() < CROSS_SHARE:
            slots = cross(self._space.slots, slots, other, self._rng)
        slots = mutate(self._space.slots, slots, self._rng)
        return Proposal(self._space.script(slots), slots)

    def _parent(self) -> Proposal:
        """Draw by rank: the best are drawn most."""
        at = int(len(self._members) * self._rng.random() ** 2)
        return self._members[at].proposal
