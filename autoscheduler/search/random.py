"""Random search: every candidate is drawn anew, from the templates or by editing the default."""

from __future__ import annotations

import random

from autoscheduler.search.proposer import Proposal
from autoscheduler.space.edits import edit_script
from autoscheduler.space.slots import draw
from autoscheduler.space.templates import ProgramSpace
from loopstack.schedule.script import Schedule

EDIT_SHARE = 0.1


class RandomProposer:
    """Draws assignments; now and then a few random edits of the default script."""

    def __init__(self, space: ProgramSpace, start: Proposal, rng: random.Random) -> None:
        self._space, self._start, self._rng = space, start, rng

    def propose(self) -> Proposal | None:
        if not self._space.slots:
            start = self._rng.choice([self._start.script, *self._space.starts])
            return edited(self._space, start, self._rng)
        if self._rng.random() < EDIT_SHARE:
            return edited(self._space, self._start.script, self._rng)
        slots = draw(self._space.slots, self._rng)
        return Proposal(self._space.script(slots), slots)

    def report(self, proposal: Proposal, median_ns: float | None) -> None:
        """Random search learns nothing."""


def edited(space: ProgramSpace, script: str, rng: random.Random) -> Proposal | None:
    """Return ``script`` after one or two edits, or None when one of them does not apply."""
    from loopstack.errors import LoopStackError

    for _ in range(rng.choice((1, 1, 1, 2))):
        try:
            tree = space.trees.build(Schedule.parse(script))
        except (LoopStackError, KeyError, ValueError):
            return None
        script = edit_script(script, tree, rng, space.threads)
    return Proposal(script)
