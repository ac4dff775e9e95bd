"""Random search: every candidate is drawn anew, from the templates or by editing the default."""

from __future__ import annotations

import random

from autoscheduler.search.proposer import Proposal
from autoscheduler.space.affine import START, AffineSlots
from autoscheduler.space.edits import edit_script
from autoscheduler.space.slots import defaults, draw, draw_near
from autoscheduler.space.templates import ProgramSpace
from loopstack.schedule.script import Schedule

EDIT_SHARE, AFFINE_EDIT_SHARE = 0.1, 0.5


class RandomProposer:
    """Draws assignments; now and then a few random edits of the default script."""

    def __init__(self, space: ProgramSpace, start: Proposal, rng: random.Random) -> None:
        self._space, self._start, self._rng = space, start, rng

    def propose(self) -> Proposal | None:
        if self._space.affine:
            return self._near_a_start(self._space.affine)
        if self._rng.random() < EDIT_SHARE:
            return edited(self._space, self._start.script, self._rng)
        slots = draw(self._space.slots, self._rng)
        return Proposal(self._space.script(slots), slots)

    def _near_a_start(self, affine: AffineSlots) -> Proposal | None:
        """Change a known schedule here and there: draws of all slots at once are mostly illegal."""
        start = self._rng.choice([self._start.script, *self._space.starts])
        if self._rng.random() < AFFINE_EDIT_SHARE:
            return edited(self._space, start, self._rng)
        ways = next(slot for slot in affine.slots if slot.name == START)
        chosen = {**defaults(affine.slots), START: self._rng.choice(ways.choices)}
        chosen = draw_near(affine.active(chosen), chosen, self._rng, self._rng.choice((1, 2, 3)))
        return Proposal(self._space.script(chosen), chosen)

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
