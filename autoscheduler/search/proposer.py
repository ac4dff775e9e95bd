"""What a search asks for candidates.

A proposer sees the program's space, a seeded generator and what was measured so far. It may propose
anything: the mask decides what is measured.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from autoscheduler.space.templates import ProgramSpace


@dataclass(frozen=True)
class Proposal:
    """A script, and the assignment it was printed from where there is one."""

    script: str
    slots: Mapping[str, Any] = field(default_factory=dict)


class Proposer(Protocol):
    """Proposes candidates and is told how they did."""

    def __init__(self, space: ProgramSpace, start: Proposal, rng: random.Random) -> None: ...

    def propose(self) -> Proposal | None:
        """Return a candidate; None when this attempt led to nothing."""

    def report(self, proposal: Proposal, median_ns: float | None) -> None:
        """Take note of a timing; None for a fault."""
