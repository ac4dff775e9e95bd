"""What a damaged, foreign or unusable store says, and that nothing of it is lost."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

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
        f"cannot use the record store {tmp_path}: unable to open database file"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_may_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Store(path).add(RECORD)
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot use the record store"):
            Store(path).add(RECORD)
    finally:
        tmp_path.chmod(0o700)
