"""Records: tuned schedules that can be read, merged and explained.

Role: remember what was measured, so that the next call is fast without measuring.
Input: a :class:`Record` per search (and its trials); output: the best script for a key.
Invariants: a key is compared field by field, a hash only finds it faster; a store is never
rewritten to repair it; the machine is recorded but is no part of the identity.

    keys.py         RecordKey: what must be equal for a record to apply
    record.py       Record: one measured schedule, and its JSON line
    store.py        the SQLite file: best per key, history, several writers
    transfer.py     export and merge JSON lines
    rename.py       a script in the names of another program
    explanation.py  why a kernel has, or has not, a record
    lookup.py       the store in force, and the best script for a kernel
    tuning.py       one search from start to stored record

Where next: ``loopstack.kernel`` asks here before it takes the default schedule.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopstack.records.explanation import explain
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

_HOME = {
    "explanation": ("explain",),
    "keys": ("RecordKey", "make_key"),
    "lookup": ("best_script", "default_store"),
    "record": ("Record",),
    "store": ("Store",),
    "transfer": ("export_lines", "merge_lines"),
    "tuning": ("Progress", "SearchResult", "SearchTask", "Trial", "find_strategy", "tune"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
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


def __getattr__(name: str) -> Any:
    """Load a name on use: a call without a store needs none of the measuring behind records."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'loopstack.records' has no attribute {name!r}")
    value = getattr(import_module(f"loopstack.records.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
