"""Records: tuned schedules that can be read, merged and explained.

Role: remember what was measured, so that the next call is fast without measuring.
Input: a :class:`Record` per search (and its trials); output: the best script for a key.
Invariants: a key is compared field by field, a hash only finds it faster; a store is never
rewritten to repair it; the machine is recorded but is no part of the identity.

    keys.py     RecordKey: what must be equal for a record to apply
    record.py   Record: one measured schedule, and its JSON line
    store.py    the SQLite file: best per key, history, several writers
    transfer.py export and merge JSON lines
    rename.py   a script in the names of another program
    explain.py  why a kernel has, or has not, a record
    lookup.py   the store in force, and the best script for a kernel
    tuning.py   one search from start to stored record

Where next: ``loopstack.kernel`` asks here before it takes the default schedule.
"""

from __future__ import annotations

from loopstack.records.explain import explain
from loopstack.records.keys import RecordKey, make_key
from loopstack.records.lookup import best_script, default_store
from loopstack.records.record import Record
from loopstack.records.store import Store
from loopstack.records.transfer import export_lines, merge_lines
from loopstack.records.tuning import (
    Progress,
    SearchResult,
    SearchTask,
    Trial,
    find_strategy,
    tune,
)

__all__ = [
    "Progress",
    "Record",
    "RecordKey",
    "SearchResult",
    "SearchTask",
    "Store",
    "Trial",
    "best_script",
    "default_store",
    "explain",
    "export_lines",
    "find_strategy",
    "make_key",
    "merge_lines",
    "tune",
]
