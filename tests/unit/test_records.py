"""Records and JSON lines."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from loopstack.errors import StoreError
from loopstack.records import Record, RecordKey, Store, explain, export_lines, merge_lines

KEY = RecordKey("program p\n", (("s0", 4),), (), (("a0", "f32"),), "avx2", 1, "reassociate")


def record(median_ns: float = 10.0, key: RecordKey = KEY, **fields: object) -> Record:
    return Record(key, f"schedule 1\n# {median_ns}\n", (median_ns,), **fields)  # type: ignore[arg-type]


def test_line_round_trip() -> None:
    made = record(
        12.5, source="program x\n", flops=3.0, strategy="evolve", seed=7, final=True,
        slots={"C: mr": 6}, machine="some CPU", versions={"loopstack": "1"}, created="2020-01-01",
    )  # fmt: skip
    assert Record.from_line(made.to_line()) == made


def test_a_line_is_one_line() -> None:
    assert "\n" not in record().to_line()


def test_a_line_that_is_no_record_is_refused() -> None:
    with pytest.raises(StoreError, match=r"^not a record: 'hello'"):
        Record.from_line("hello")


def test_a_record_of_a_later_format_is_refused() -> None:
    line = record().to_line().replace('"version": 1', '"version": 9')
    with pytest.raises(StoreError, match=r"^a record of format 9; this version reads format 1$"):
        Record.from_line(line)


def test_export_and_merge_give_the_same_store(tmp_path: Path) -> None:
    first, second = Store(tmp_path / "a.db"), Store(tmp_path / "b.db")
    first.add(record(1.0), record(2.0, final=True))
    text = io.StringIO()
    assert export_lines(first, text) == 2
    assert merge_lines(second, text.getvalue().splitlines()) == 2
    assert second.records() == first.records()


def test_merging_twice_adds_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    line = record().to_line()
    assert merge_lines(store, [line]) == 1
    assert merge_lines(store, [line, "\n"]) == 0


def test_merging_is_all_or_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    with pytest.raises(StoreError, match=r"^line 2: not a record"):
        merge_lines(store, [record().to_line(), "broken"])
    assert store.records() == []


# ---- explain ------------------------------------------------------------------------------------
def test_explain_says_hit(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    store.add(record())
    assert str(explain(store, KEY)) == "hit: calls with these sizes use a stored schedule"


def test_explain_without_any_record_of_the_program(tmp_path: Path) -> None:
    found = explain(Store(tmp_path / "a.db"), KEY)
    assert str(found) == "miss: the store has no record of this program"
    assert not found.hit


def test_explain_names_the_field_that_differs(tmp_path: Path) -> None:
    from dataclasses import replace

    store = Store(tmp_path / "a.db")
    store.add(record())
    wanted = replace(KEY, threads=2)
    assert str(explain(store, wanted)) == "miss: threads: stored 1, wanted 2"


def test_explain_takes_the_nearest_record(tmp_path: Path) -> None:
    from dataclasses import replace

    store = Store(tmp_path / "a.db")
    store.add(record(key=replace(KEY, isa="avx512", threads=4)), record(key=KEY))
    wanted = replace(KEY, sizes=(("s0", 8),))
    assert str(explain(store, wanted)) == "miss: sizes: stored s0=4, wanted s0=8"
