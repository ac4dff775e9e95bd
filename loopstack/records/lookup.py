"""The store in force, and the best schedule it knows for a kernel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from loopstack import knobs
from loopstack.ir.program import Program
from loopstack.records.keys import make_key
from loopstack.records.rename import rename_script
from loopstack.records.store import Store


def default_store() -> Store:
    """Return the store the ``store`` setting names (``LOOPSTACK_STORE``)."""
    return _store_at(knobs.STORE.value())


@lru_cache(maxsize=8)
def _store_at(path: Path) -> Store:
    return Store(path)


def best_script(
    program: Program,
    sizes: Mapping[str, int],
    isa: str,
    threads: int,
    strides: Mapping[str, tuple[int, ...]] | None = None,
) -> str | None:
    """Return the best stored script of an unbound program, in its own names; None if unknown.

    Raises StoreError when there is a store and it cannot be read.
    """
    from loopstack.ir.reader import read_program

    store = default_store()
    if not store.exists():
        return None
    record = store.best(make_key(program, sizes, isa, threads, strides))
    if record is None or not record.source:
        return record.script if record else None
    return rename_script(record.script, read_program(record.source), program)
