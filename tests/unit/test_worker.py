"""The worker process: typed outcomes, and a parent that survives whatever a candidate does."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopstack.errors import CandidateFault, InternalError
from loopstack.measure import Measured, MeasureTask, Worker, client
from loopstack.measure.protocol import Closed, read_message, write_message

FAKE = Path(__file__).parents[1] / "harness" / "fake_worker.py"
TASK = MeasureTask(program="", sizes={"n": 4}, isa="avx2", strides={"A": (1, 4)})


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker(TASK, command=(sys.executable, str(FAKE))) as started:
        yield started


def fault_of(outcome: object) -> CandidateFault:
    assert isinstance(outcome, CandidateFault)
    return outcome


# ---- messages -----------------------------------------------------------------------------------
def test_messages_round_trip() -> None:
    stream = io.BytesIO()
    for message in ({"a": 1}, {"text": "é\n", "list": [1.5, None]}):
        write_message(stream, message)
    stream.seek(0)
    assert read_message(stream) == {"a": 1}
    assert read_message(stream) == {"text": "é\n", "list": [1.5, None]}
    with pytest.raises(Closed):
        read_message(stream)


def test_a_cut_off_message_is_an_end() -> None:
    stream = io.BytesIO()
    write_message(stream, {"a": 1})
    with pytest.raises(Closed):
        read_message(io.BytesIO(stream.getvalue()[:-2]))


def test_a_frame_of_absurd_length_is_refused() -> None:
    with pytest.raises(Closed, match="a frame of 4294967295 bytes"):
        read_message(io.BytesIO(b"\xff\xff\xff\xff"))


def test_a_task_survives_json() -> None:
    import json

    assert MeasureTask.from_json(json.loads(json.dumps(TASK.to_json()))) == TASK


# ---- outcomes -----------------------------------------------------------------------------------
def test_a_good_candidate_is_measured(worker: Worker) -> None:
    outcome = worker.measure("time 120")
    assert isinstance(outcome, Measured)
    assert outcome.timing.median_ns == 120.0


def test_a_wrong_candidate_is_a_fault_and_the_worker_is_replaced(worker: Worker) -> None:
    fault = fault_of(worker.measure("wrong"))
    assert (fault.kind, str(fault)) == ("wrong", "C[0] is 1.0, expected 2.0")
    assert isinstance(worker.measure("time 5"), Measured)
    assert worker.starts == 2


def test_a_crash_loses_one_candidate(worker: Worker) -> None:
    fault = fault_of(worker.measure("crash"))
    assert (fault.kind, str(fault)) == ("crash", "the process ended with SIGABRT")
    assert isinstance(worker.measure("time 5"), Measured)


def test_a_quiet_exit_is_a_crash(worker: Worker) -> None:
    fault = fault_of(worker.measure("exit"))
    assert (fault.kind, str(fault)) == ("crash", "the process ended with exit code 3")


def test_a_hang_is_ended_by_the_worker_itself(worker: Worker) -> None:
    fault = fault_of(worker.measure("hang", limit_s=0.2))
    assert (fault.kind, str(fault)) == ("hang", "ran past its time limit")
    assert isinstance(worker.measure("time 5"), Measured)


def test_a_hang_that_ignores_its_limit_is_ended_by_the_parent(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "GRACE_S", 0.2)
    assert fault_of(worker.measure("deaf hang", limit_s=0.1)).kind == "hang"
    assert isinstance(worker.measure("time 5"), Measured)


def test_many_faults_in_a_row(worker: Worker) -> None:
    kinds = [fault_of(worker.measure(s)).kind for s in ("crash", "wrong", "crash", "exit")]
    assert kinds == ["crash", "wrong", "crash", "crash"]
    assert isinstance(worker.measure("time 5"), Measured)


def test_our_own_bug_is_reported_as_ours(worker: Worker) -> None:
    with pytest.raises(InternalError, match="the measuring worker failed: RuntimeError: a bug"):
        worker.measure("bug")
    assert isinstance(worker.measure("time 5"), Measured)


def test_the_parent_may_work_while_a_candidate_is_measured(worker: Worker) -> None:
    worker.submit("time 7")
    outcome = worker.collect()
    assert isinstance(outcome, Measured)


def test_a_duel_gives_one_timing_a_script(worker: Worker) -> None:
    timings = worker.duel(["time 3", "time 4"], rounds=5)
    assert not isinstance(timings, CandidateFault)
    assert [(t.median_ns, len(t.samples)) for t in timings] == [(3.0, 5), (4.0, 5)]


def test_stopping_gives_up_a_candidate_and_nothing_else(worker: Worker) -> None:
    worker.submit("hang", limit_s=60.0)
    worker.stop()
    assert worker._cache.parent.exists()
    assert isinstance(worker.measure("time 5"), Measured)


def test_closing_removes_the_process_and_its_files() -> None:
    worker = Worker(TASK, command=(sys.executable, str(FAKE)))
    worker.measure("time 1")
    folder = worker._cache.parent
    assert folder.exists()
    worker.close()
    assert not folder.exists()


def test_a_worker_that_cannot_start_says_so() -> None:
    said = "did not start: the process ended with exit code 4"
    worker = Worker(TASK, command=(sys.executable, "-c", "raise SystemExit(4)"))
    with pytest.raises(InternalError, match=said):
        worker.measure("time 1")
