"""Why a kernel does, or does not, use a stored schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from loopstack.records.keys import RecordKey
from loopstack.records.record import Record
from loopstack.records.store import Store

ORDER = ("program", "dtypes", "fp_mode", "isa", "sizes", "strides", "threads")
"""Fields from the most to the least telling: a record nearest in this order is named."""


@dataclass(frozen=True)
class Explanation:
    """``record`` is the hit, or the nearest miss; ``differs`` lists (field, stored, wanted)."""

    record: Record | None
    differs: tuple[tuple[str, object, object], ...] = ()

    @property
    def hit(self) -> bool:
        return self.record is not None and not self.differs

    def __str__(self) -> str:
        if self.record is None:
            return "miss: the store has no record of this program"
        if self.hit:
            return "hit: calls with these sizes use a stored schedule"
        return "\n".join(
            f"miss: {name}: stored {_show(stored)}, wanted {_show(wanted)}"
            for name, stored, wanted in map(self._named, self.differs)
        )

    def _named(self, difference: tuple[str, object, object]) -> tuple[str, object, object]:
        """Return a difference in the names of the record's own program, not canonical ones."""
        name, stored, wanted = difference
        if name != "sizes" or self.record is None or not self.record.source:
            return difference
        from loopstack.ir.canonical import canonical_sizes
        from loopstack.ir.reader import read_program

        names = {new: old for old, new in canonical_sizes(read_program(self.record.source)).items()}
        return name, _renamed(stored, names), _renamed(wanted, names)


def explain(store: Store, key: RecordKey) -> Explanation:
    """Look ``key`` up; on a miss name the fields in which the nearest record differs."""
    hit = store.best(key)
    if hit is not None:
        return Explanation(hit)
    rivals = [r for r in store.records() if r.key.program == key.program]
    if not rivals:
        return Explanation(None)
    nearest = max(rivals, key=lambda r: [getattr(r.key, f) == getattr(key, f) for f in ORDER])
    return Explanation(nearest, differences(nearest.key, key))


def differences(stored: RecordKey, wanted: RecordKey) -> tuple[tuple[str, object, object], ...]:
    """Return (field, stored, wanted) for every field that differs."""
    return tuple(
        (f.name, getattr(stored, f.name), getattr(wanted, f.name))
        for f in fields(RecordKey)
        if getattr(stored, f.name) != getattr(wanted, f.name)
    )


def _renamed(pairs: Any, names: Mapping[str, str]) -> tuple[tuple[str, object], ...]:
    return tuple((names.get(name, name), value) for name, value in pairs)


def _show(value: object) -> str:
    if isinstance(value, tuple) and value and all(isinstance(v, tuple) for v in value):
        return " ".join(f"{name}={entry}" for name, entry in value)
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)
