"""Why a kernel does, or does not, use a stored schedule."""

from __future__ import annotations

from dataclasses import dataclass, fields

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
            return "hit"
        return "\n".join(
            f"miss: {name} differs: stored {_show(stored)}, wanted {_show(wanted)}"
            for name, stored, wanted in self.differs
        )


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


def _show(value: object) -> str:
    if isinstance(value, tuple) and value and all(isinstance(v, tuple) for v in value):
        return " ".join(f"{name}={entry}" for name, entry in value)
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)
