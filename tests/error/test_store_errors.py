"""What a damaged, foreign or unusable store says, and that nothing of it is lost."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest

from loopstack.errors import StoreError
from loopstack.records import Record, RecordKey, Store

KEY = RecordKey("program p\n", (("s0", 4),), (), (("a0", "f32"),), "avx2", 1, "reassociate")
RECORD = Record(KEY, "schedule 1\n", (10.0,))


def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(b"not a database, but somebody's words\n" * 100)
    content = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store(path).best(KEY)
    kept = tmp_path / "records.db.damaged-1"
    assert str(caught.value) == (
        f"the record store {path} is damaged (file is not a database).\n"
        f"It was kept as {kept}; the next use starts a new store.\n"
        f"To save what can be read: sqlite3 {kept} .recover"
    )
    assert kept.read_bytes() == content
    assert not path.exists()


def test_after_the_refusal_a_new_store_works(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(StoreError):
        Store(path).add(RECORD)
    assert Store(path).add(RECORD) == 1


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    for content in (b"one" * 2000, b"two" * 2000):
        path.write_bytes(content)
        with pytest.raises(StoreError):
            Store(path).records()
    assert (tmp_path / "records.db.damaged-1").read_bytes() == b"one" * 2000
    assert (tmp_path / "records.db.damaged-2").read_bytes() == b"two" * 2000


def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Store(path).add(*(Record(KEY, f"schedule 1\n# {n}\n", (float(n),)) for n in range(1, 200)))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x07" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        Store(path).records()
    assert (tmp_path / "records.db.damaged-1").read_bytes() == bytes(content)


def test_a_store_of_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Store(path).add(RECORD)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(StoreError) as caught:
        Store(path).best(KEY)
    assert str(caught.value) == (
        f"the record store {path} has schema version 7; this version of LoopStack reads version 1."
        "\nUpgrade LoopStack, or set LOOPSTACK_STORE to another file."
    )
    assert path.exists()


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE note (text TEXT)")
    connection.close()
    content = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store(path).add(RECORD)
    assert str(caught.value) == (
        f"{path} is a database of something else (it has a table 'note').\n"
        "Set LOOPSTACK_STORE to another file."
    )
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "records.db")
    with pytest.raises(StoreError) as caught:
        store.add(RECORD)
    assert str(caught.value).startswith(f"cannot make {tmp_path / 'file'}: ")


def test_a_path_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        Store(tmp_path).records()
    assert str(caught.value) == (
        f"{tmp_path} is not a file.\nSet LOOPSTACK_STORE to the path of a file."
    )


def test_a_file_that_was_never_a_store_stays_where_it_is(tmp_path: Path) -> None:
    """A mistyped setting must not cost the user a file."""
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * 100)
    for use in (lambda: Store(path).best(KEY), lambda: Store(path).add(RECORD)):
        with pytest.raises(StoreError) as caught:
            use()
        assert str(caught.value) == (
            f"{path} is not a record store (file is not a database); it was left as it is.\n"
            "Set LOOPSTACK_STORE to another file."
        )
    assert path.read_text() == "remember the milk\n" * 100
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_device_is_not_touched(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.db"
    os.mkfifo(pipe)
    for use in (lambda: Store(pipe).best(KEY), lambda: Store(pipe).add(RECORD)):
        with pytest.raises(StoreError, match="is not a file"):
            use()
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe.db"]


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 3000)
    with pytest.raises(StoreError) as caught:
        Store(path).best(KEY)
    assert str(caught.value) == f"cannot use the record store {path}: File name too long"


def test_a_store_locked_by_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.db"
    Store(path).add(RECORD)
    monkeypatch.setattr("loopstack.records.store.WAIT_S", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError) as caught:
        Store(path).add(RECORD)
    assert str(caught.value) == (
        f"cannot use the record store {path}: database is locked.\n"
        "Another process is writing to it; try again, or end that process."
    )
    assert Store(path).best(KEY) == RECORD
    other.close()
    assert Store(path).records() == [RECORD]


class _Busy(sqlite3.Connection):
    """Refuses write-ahead logging twice, as SQLite does while another process switches to it."""

    refusals = 2

    def execute(self, command: str, *values: Any) -> sqlite3.Cursor:
        if "journal_mode" in command and self.refusals:
            self.refusals -= 1
            raise sqlite3.OperationalError("database is locked")
        return super().execute(command, *values)


def test_a_new_store_waits_for_others_that_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "records.db")
    busy = sqlite3.connect(store.path, isolation_level=None, factory=_Busy)
    monkeypatch.setattr(store, "_connect", lambda writing: busy)
    assert store.add(RECORD) == 1


def test_a_store_that_may_not_be_written_is_still_read() -> None:
    """Runs in a child that gives up root's rights, in a folder that others may look into."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.db"
        Store(path).add(RECORD)
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        told = _as_nobody(path)
        Path(folder).chmod(0o755)
    assert told == [
        repr(RECORD),
        f"cannot use the record store {path}: attempt to write a readonly database.\n"
        "Set LOOPSTACK_STORE to a file that you may read and write.",
    ]


def _as_nobody(path: Path) -> list[str]:
    """Return what reading and then writing the store gives without special rights."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writer, "w") as answers:
            json.dump(_try_both(path), answers)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        told: list[str] = json.load(answers)
    os.waitpid(child, 0)
    return told


def _try_both(path: Path) -> list[str]:
    if os.geteuid() == 0:
        os.setuid(65534)
    told = [repr(Store(path).best(KEY))]
    try:
        Store(path).add(RECORD)
    except StoreError as error:
        told.append(str(error))
    return told
