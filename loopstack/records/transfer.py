"""Records as JSON lines: copy tuned schedules between machines, review them, keep them in git."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from loopstack.errors import StoreError
from loopstack.records.record import Record
from loopstack.records.store import Store


def export_lines(store: Store, target: TextIO) -> int:
    """Write every record as one line; return how many."""
    records = store.records()
    for record in records:
        target.write(record.to_line() + "\n")
    return len(records)


def merge_lines(store: Store, lines: Iterable[str]) -> int:
    """Add records from JSON lines; return how many were new.

    All or nothing: one line that is no record, and none is added. Raises StoreError.
    """
    records: list[Record] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(Record.from_line(line))
        except StoreError as error:
            raise StoreError(f"line {number}: {error}") from error
    return store.add(*records)
