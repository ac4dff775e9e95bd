"""The mask: a script becomes a legal tree and nest text, or it never existed.

Illegal, ill-formed and unlowerable scripts are dropped here, by exact analysis; nothing is learned
from them. Scripts that lower to the same nest up to loop names are one candidate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from autoscheduler.space.trees import TreeCache
from loopstack.errors import LoopStackError
from loopstack.lower.pipeline import lower
from loopstack.poly import legality
from loopstack.schedule.script import Schedule

LOOP = re.compile(r"^\s*for\s+(\S+)\s*=", re.MULTILINE)
SUM = re.compile(r"-?(?:\d+\*)?[\w.]+(?: [+-] (?:\d+\*)?[\w.]+)+")
TERM = re.compile(r"([+-] |-|)((?:\d+\*)?[\w.]+)")
WORD = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Candidate:
    """A script that may be measured, and the nest text it lowers to."""

    script: str
    nest: str


@dataclass
class Mask:
    """Admits each distinct legal schedule of one program once. Counts what it turned away."""

    trees: TreeCache
    isa: str
    threads: int
    strides: Mapping[str, tuple[int, ...]]
    refused: int = 0
    repeated: int = 0
    _scripts: set[str] = field(default_factory=set)
    _nests: set[str] = field(default_factory=set)

    def admit(self, script: str) -> Candidate | None:
        """Return a candidate, or None when it is illegal or was admitted before."""
        if script in self._scripts:
            self.repeated += 1
            return None
        self._scripts.add(script)
        candidate = self._lower(script)
        if candidate is None:
            self.refused += 1
            return None
        key = without_loop_names(candidate.nest)
        if key in self._nests:
            self.repeated += 1
            return None
        self._nests.add(key)
        return candidate

    def _lower(self, script: str) -> Candidate | None:
        try:
            tree = self.trees.build(Schedule.parse(script))
            if legality.check(tree) is not None:
                return None
            nest = lower(tree, self.isa, dict(self.strides), self.threads)
        except (LoopStackError, AssertionError, KeyError, ValueError):
            return None
        return Candidate(script, nest)


def without_loop_names(nest: str) -> str:
    """Number the loops of a nest text in order of appearance, and sort the terms of its sums."""
    names: dict[str, str] = {}
    for match in LOOP.finditer(nest):
        names.setdefault(match[1], f"L{len(names)}")
    renamed = WORD.sub(lambda word: names.get(word[0], word[0]), nest)
    return SUM.sub(_sorted_terms, renamed)


def _sorted_terms(match: re.Match[str]) -> str:
    """Terms are sorted by name in a nest text, so their order follows the names we replaced."""
    signed = ("-" + term if "-" in sign else "+" + term for sign, term in TERM.findall(match[0]))
    return " ".join(sorted(signed))
