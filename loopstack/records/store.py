"""The record store: one SQLite file that several processes read and write.

Write-ahead logging lets readers go on while one writes; a writer waits for its turn. Every record
is kept (history); the best of a key is a query: final ones before trials, then the lowest median.
A damaged store is refused and put aside whole, never repaired in place. A file that was never a
store (a mistaken path) is refused and left where it is.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep

from loopstack.errors import StoreError
from loopstack.records.keys import RecordKey
from loopstack.records.record import Record

SCHEMA_VERSION = 1
WAIT_S = 30.0
MAGIC = b"SQLite format 3\0"
STORE_SUFFIX = ".db"
SCHEMA = """
CREATE TABLE record (
    id        INTEGER PRIMARY KEY,
    digest    TEXT NOT NULL,
    final     INTEGER NOT NULL,
    median_ns REAL NOT NULL,
    line      TEXT NOT NULL UNIQUE
);
CREATE INDEX record_by_key ON record (digest, final DESC, median_ns);
"""
INSERT = "INSERT OR IGNORE INTO record (digest, final, median_ns, line) VALUES (?, ?, ?, ?)"


class Store:
    """A store at ``path``; the file is made at the first write. Safe to use from several threads:
    every call opens its own connection."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self._checked: tuple[int, int] | None = None

    def add(self, *records: Record) -> int:
        """Append records in one transaction; return how many were new."""
        with self._writing() as connection:
            return _insert(connection, records)

    def best(self, key: RecordKey) -> Record | None:
        """Return the record to use for ``key``, or None."""
        return next(self._of_key(key), None)

    def history(self, key: RecordKey) -> list[Record]:
        """Return all records of ``key``, best first."""
        return list(self._of_key(key))

    def records(self) -> list[Record]:
        """Return all records, oldest first."""
        return self._select("SELECT line FROM record ORDER BY id")

    def prune(self, keep: int = 1) -> int:
        """Keep the best ``keep`` records of each key; return how many were removed."""
        ranked = (
            "SELECT id, row_number() OVER (PARTITION BY digest ORDER BY final DESC, median_ns, id)"
            " AS place FROM record"
        )
        with self._writing() as connection:
            query = f"DELETE FROM record WHERE id IN (SELECT id FROM ({ranked}) WHERE place > ?)"
            return connection.execute(query, (keep,)).rowcount

    def _of_key(self, key: RecordKey) -> Iterator[Record]:
        query = "SELECT line FROM record WHERE digest = ? ORDER BY final DESC, median_ns, id"
        found = self._select(query, key.digest)
        return (record for record in found if record.key == key)

    def _select(self, query: str, *values: object) -> list[Record]:
        if not self.exists():
            return []
        with self._open() as connection:
            return [Record.from_line(line) for (line,) in connection.execute(query, values)]

    def exists(self) -> bool:
        """Return whether there is a store. Raises StoreError for a path that cannot be one."""
        try:
            if self.path.exists() and not self.path.is_file():
                raise StoreError(
                    f"{self.path} is not a file.\nSet LOOPSTACK_STORE to the path of a file."
                )
            return self.path.exists()
        except OSError as error:
            reason = error.strerror
            raise StoreError(f"cannot use the record store {self.path}: {reason}") from error

    def check_writable(self) -> None:
        """Raise StoreError now if records could not be added, rather than after a long search."""
        with self._writing():
            pass

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {self.path.parent}: {error.strerror}") from error
        self.exists()
        with self._open(writing=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _open(self, writing: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connect(writing)) as connection:
                self._verify(connection)
                yield connection
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"cannot use the record store {self.path}: {error}.\n{_hint(error)}"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._refuse(str(error)) from error

    def _connect(self, writing: bool) -> sqlite3.Connection:
        """Open the file; one that we may only read is opened without its write-ahead log."""
        if writing or _may_write(self.path):
            return sqlite3.connect(self.path, WAIT_S, isolation_level=None)
        uri = f"{self.path.absolute().as_uri()}?immutable=1"
        return sqlite3.connect(uri, WAIT_S, isolation_level=None, uri=True)

    def _verify(self, connection: sqlite3.Connection) -> None:
        """Make or check the schema; the whole file is checked once per inode and process."""
        identity = os.stat(self.path)
        if self._checked == (identity.st_dev, identity.st_ino):
            return
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        if _schema_version(connection) == 0:
            _make_schema(connection, self.path)
        _refuse_other_version(connection, self.path)
        self._checked = (identity.st_dev, identity.st_ino)

    def _refuse(self, reason: str) -> StoreError:
        if not _may_be_ours(self.path):
            return StoreError(
                f"{self.path} is not a record store ({reason}); it was left as it is.\n"
                "Set LOOPSTACK_STORE to another file."
            )
        kept = put_aside(self.path)
        return StoreError(
            f"the record store {self.path} is damaged ({reason}).\n"
            f"It was kept as {kept}; the next use starts a new store.\n"
            f"To save what can be read: sqlite3 {kept} .recover"
        )


def _may_write(path: Path) -> bool:
    """SQLite makes its log beside the file, so the folder counts as well."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _hint(error: sqlite3.OperationalError) -> str:
    if "locked" in str(error):
        return "Another process is writing to it; try again, or end that process."
    return "Set LOOPSTACK_STORE to a file that you may read and write."


def _make_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Turn an empty file into a store. Raises StoreError for somebody else's database."""
    found = connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()
    if found is not None and _schema_version(connection) == 0:  # ours appear with their version
        raise StoreError(
            f"{path} is a database of something else (it has a table {found[0]!r}).\n"
            "Set LOOPSTACK_STORE to another file."
        )
    _log_ahead(connection)
    connection.execute("BEGIN IMMEDIATE")
    if _schema_version(connection) == 0:  # nobody else was faster
        for command in filter(str.strip, SCHEMA.split(";")):
            connection.execute(command)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite itself does not wait here for others that do so."""
    deadline = monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if monotonic() > deadline:
                raise
            sleep(0.01)


def _refuse_other_version(connection: sqlite3.Connection, path: Path) -> None:
    found = _schema_version(connection)
    if found != SCHEMA_VERSION:
        raise StoreError(
            f"the record store {path} has schema version {found}; this version of LoopStack reads "
            f"version {SCHEMA_VERSION}.\nUpgrade LoopStack, or set LOOPSTACK_STORE to another file."
        )


def _schema_version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _insert(connection: sqlite3.Connection, records: Sequence[Record] | Iterable[Record]) -> int:
    rows = [(r.key.digest, int(r.final), r.median_ns, r.to_line()) for r in records]
    return sum(connection.execute(INSERT, row).rowcount for row in rows)


def _may_be_ours(path: Path) -> bool:
    """Tell a damaged store from somebody's text file that a mistaken setting names."""
    with path.open("rb") as content:
        return content.read(len(MAGIC)) == MAGIC or path.suffix == STORE_SUFFIX


def put_aside(path: Path) -> Path:
    """Rename a file (with its write-ahead log) to the first free ``.damaged-N`` name."""
    number = 1
    while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))
    return kept
