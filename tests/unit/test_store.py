"""The record store: best per key, history, several writers."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from loopstack.records import Record, RecordKey, Store

KEY = RecordKey("program p\n", (("s0", 4),), (), (("a0", "f32"),), "avx2", 1, "reassociate")


def record(median_ns: float, key: RecordKey = KEY, final: bool = False) -> Record:
    return Record(key, f"schedule 1\n# {median_ns}\n", (median_ns,), final=final)


def test_a_store_that_does_not_exist_is_empty_and_stays_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "records.db")
    assert store.best(KEY) is None
    assert store.records() == []
    assert not store.path.exists()


def test_the_best_is_the_fastest(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "records.db")
    store.add(record(30.0), record(10.0), record(20.0))
    best = store.best(KEY)
    assert best is not None
    assert best.median_ns == 10.0


def test_a_final_record_beats_a_faster_trial(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")
    store.add(record(10.0), record(12.0, final=True))
    best = store.best(KEY)
    assert best is not None
    assert best.final


def test_other_keys_do_not_answer(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")
    store.add(record(10.0))
    assert store.best(replace(KEY, threads=2)) is None


def test_a_colliding_hash_does_not_answer(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")
    impostor = replace(KEY, threads=2)
    object.__setattr__(impostor, "digest", KEY.digest)
    store.add(record(1.0, impostor), record(10.0))
    best = store.best(KEY)
    assert best is not None
    assert best.median_ns == 10.0


def test_history_is_kept_best_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")
    for time_ns in (3.0, 1.0, 2.0):
        store.add(record(time_ns))
    assert [r.median_ns for r in store.history(KEY)] == [1.0, 2.0, 3.0]


def test_prune_keeps_the_best_of_each_key(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")
    other = replace(KEY, threads=2)
    store.add(*(record(t) for t in (3.0, 1.0, 2.0)), record(9.0, other))
    assert store.prune(keep=2) == 1
    assert sorted(r.median_ns for r in store.records()) == [1.0, 2.0, 9.0]


def test_threads_write_at_the_same_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.db")

    def write(base: int) -> None:
        for n in range(20):
            store.add(record(float(base + n)))

    writers = [threading.Thread(target=write, args=(100 * w,)) for w in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(store.records()) == 80


WRITER = """
import sys
from loopstack.records import Record, RecordKey, Store
key = RecordKey("program p\\n", (("s0", 4),), (), (("a0", "f32"),), "avx2", 1, "reassociate")
store, base = Store(sys.argv[1]), int(sys.argv[2])
for n in range(25):
    store.add(Record(key, f"schedule 1\\n# {base + n}\\n", (float(base + n),)))
"""


def test_processes_write_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(100 * w)]) for w in range(4)
    ]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert len(Store(path).records()) == 100
