"""Evolution: the fastest candidates so far are mutated and crossed.

The population is the best ``POPULATION`` of all that was measured. Parents are drawn by rank; a
share of fresh random draws keeps the search from narrowing too early. Members that came from slots
change slots, members that are plain scripts (the default, earlier edits) are edited.
"""

from __future__ import annotations

import random
from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from autoscheduler.search.proposer import Proposal
from autoscheduler.search.random import AFFINE_EDIT_SHARE, EDIT_SHARE, RandomProposer, edited
from autoscheduler.space.affine import START
from autoscheduler.space.slots import cross, defaults, mutate
from autoscheduler.space.templates import ProgramSpace

POPULATION = 24
FIRST_DRAWS = 60
FIRST_FRESH_SHARE = 0.6
FRESH_SHARE = 0.1
CROSS_SHARE = 0.25


@dataclass(frozen=True, order=True)
class Member:
    median_ns: float
    number: int
    proposal: Proposal = field(compare=False)


class EvolveProposer:
    """Proposes the first answers of templates and random draws, then more and more children."""

    def __init__(self, space: ProgramSpace, start: Proposal, rng: random.Random) -> None:
        self._space, self._rng = space, rng
        self._random = RandomProposer(space, start, rng)
        self._members: list[Member] = []
        self._reported = 0
        self._first = list(self._starts())
        self._slots_of = {p.script: p.slots for p in self._first}

    def propose(self) -> Proposal | None:
        if self._first:
            return self._first.pop()
        young = self._reported < FIRST_DRAWS
        fresh = FIRST_FRESH_SHARE if young else FRESH_SHARE
        if not self._members or self._rng.random() < fresh:
            return self._random.propose()
        return self._child()

    def _starts(self) -> Iterator[Proposal]:
        """Yield the first answers of templates; of an affine program, each known schedule."""
        first = defaults(self._space.slots)
        for name in self._space.affine.starts if self._space.affine else ():
            yield self._from_slots({**first, START: name})
        if not self._space.affine:
            yield self._from_slots(first)

    def _from_slots(self, slots: Mapping[str, Any]) -> Proposal:
        return Proposal(self._space.script(slots), slots)

    def report(self, proposal: Proposal, median_ns: float | None) -> None:
        self._reported += 1
        if median_ns is None:
            return
        if not proposal.slots:
            proposal = Proposal(proposal.script, self._slots_of.get(proposal.script, {}))
        insort(self._members, Member(median_ns, self._reported, proposal))
        del self._members[POPULATION:]

    def _child(self) -> Proposal | None:
        parent = self._parent()
        edits = AFFINE_EDIT_SHARE if self._space.affine else EDIT_SHARE
        if not parent.slots and self._rng.random() > edits:
            parent = self._parent()  # slots lead further than edits: one more draw for them
        if not parent.slots or self._rng.random() < edits:
            return edited(self._space, parent.script, self._rng)
        slots = dict(parent.slots)
        other = self._parent().slots
        if other and self._rng.random() < CROSS_SHARE:
            slots = cross(self._space.slots, slots, other, self._rng)
        return self._from_slots({**slots, **mutate(self._space.active(slots), slots, self._rng)})

    def _parent(self) -> Proposal:
        """Draw by rank: the best are drawn most."""
        at = int(len(self._members) * self._rng.random() ** 2)
        return self._members[at].proposal
