"""The thread team: who runs what, limits, concurrent callers, forks, workspaces."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import machine_code
from harness.machine_code import needs_x86

from loopstack import _loopnest, knobs
from loopstack.errors import ArgumentError
from loopstack.runtime import threads

pytestmark = needs_x86


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    """Allow four threads, also where there are fewer CPUs."""
    threads.set_num_threads(4)
    yield
    threads.set_num_threads(None)


def thread_numbers(count: int, wanted: int, **slow: int) -> np.ndarray[Any, Any]:
    """Return which thread ran each iteration, and see that each ran once."""
    found = np.zeros(count, np.int64)
    _loopnest.run(machine_code.numbers_threads(count, **slow), [found.ctypes.data], wanted)
    assert (found >> 8 == 1).all()
    return found & 255


def test_slices_are_contiguous() -> None:
    found = thread_numbers(1000, 4)
    changes = np.flatnonzero(np.diff(found))
    assert {int(thread) for thread in found} <= set(range(4))
    assert len(changes) <= 4 * 8  # no more than the borders of pieces


def test_others_help_with_a_slow_slice() -> None:
    """The first half takes 100 ms, the second none: thread 1 takes pieces of thread 0's end."""
    runs = (thread_numbers(160, 2, slow=80, steps=4_000_000) for _ in range(20))
    assert any(found[79] == 1 and found[0] == 0 for found in runs)


@pytest.mark.parametrize(("count", "wanted"), [(0, 4), (1, 4), (3, 4), (1000, 3), (7, 1)])
def test_every_iteration_runs_once(count: int, wanted: int) -> None:
    found = thread_numbers(count, wanted)
    assert set(found.tolist()) <= set(range(min(count, wanted)))


def test_one_thread_touches_no_team() -> None:
    _loopnest.stop_team()
    thread_numbers(100, 1)
    assert threads.team_info().workers == 0


def test_team_starts_when_needed_and_stops() -> None:
    _loopnest.stop_team()
    thread_numbers(100, 3)
    assert threads.team_info().workers == 2
    thread_numbers(100, 4)
    assert threads.team_info().workers == 3
    _loopnest.stop_team()
    assert threads.team_info().workers == 0
    thread_numbers(100, 2)
    assert threads.team_info().workers == 1


def test_limit_bounds_existing_kernels() -> None:
    threads.set_num_threads(2)
    assert max(thread_numbers(100, 4)) <= 1
    assert threads.team_info().limit == 2
    threads.set_num_threads(1)
    assert max(thread_numbers(100, 4)) == 0


def test_default_limit_is_what_may_be_used() -> None:
    threads.set_num_threads(None)
    info = threads.team_info()
    assert info.limit == info.available == knobs.value("num_threads") == threads.available_cpus()


def test_bad_thread_count() -> None:
    with pytest.raises(ArgumentError) as caught:
        threads.set_num_threads(0)
    assert str(caught.value) == (
        "num_threads must be an integer from 1 to 512, found 0 "
        "(default: the CPUs this process may use)"
    )


def test_concurrent_callers_all_finish() -> None:
    loaded = machine_code.numbers_threads(500)
    wrong: list[Any] = []

    def call() -> None:
        for _ in range(200):
            found = np.zeros(500, np.int64)
            _loopnest.run(loaded, [found.ctypes.data], 4)
            if found.min() < 256 or found.max() > 259:
                wrong.append(found)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not wrong


def test_affinity_is_respected() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no CPU affinity here")
    first = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{first}}});"
        "from loopstack.runtime import threads; print(threads.team_info())"
    )
    environment = {k: v for k, v in os.environ.items() if k != "LOOPSTACK_NUM_THREADS"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == "TeamInfo(limit=1, workers=0, available=1)"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_cgroup_quota(tmp_path: Path) -> None:
    def quota(groups: str) -> int:
        write(tmp_path / "groups", groups)
        return _loopnest.cpus_in_cgroup_quota(str(tmp_path / "groups"), str(tmp_path / "mount"))

    mount = tmp_path / "mount"
    write(mount / "a/cpu.max", "350000 100000\n")
    write(mount / "a/b/cpu.max", "max 100000\n")
    write(mount / "cpu/c/cpu.cfs_quota_us", "150000\n")
    write(mount / "cpu/c/cpu.cfs_period_us", "100000\n")
    write(mount / "cpu/free/cpu.cfs_quota_us", "-1\n")
    write(mount / "cpu/free/cpu.cfs_period_us", "100000\n")
    assert quota("0::/a/b\n") == 4
    assert quota("0::/\n") == quota("0::/elsewhere\n") == quota("") == quota("nonsense") == 0
    assert quota("3:memory:/c\n4:cpu,cpuacct:/c/inside\n") == 2
    assert quota("4:cpu,cpuacct:/c\n0::/a\n") == 2
    assert quota("4:cpu:/free\n") == 0
    assert _loopnest.cpus_in_cgroup_quota("/does/not/exist", str(mount)) == 0


def test_environment_sets_the_limit() -> None:
    code = "from loopstack.runtime import threads; print(threads.team_info().limit)"
    environment = {**os.environ, "LOOPSTACK_NUM_THREADS": "7"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == "7"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process")
def test_forked_child_makes_its_own_team() -> None:
    thread_numbers(100, 4)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            fresh = threads.team_info().workers == 0
            right = len(thread_numbers(10, 4)) == 10 and threads.team_info().workers == 3
            status = 0 if fresh and right else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert max(thread_numbers(100, 4)) <= 3
    assert threads.team_info().workers == 3


def test_exit_with_idle_workers_is_clean() -> None:
    code = (
        "import numpy as np; from harness import machine_code as m;"
        "from loopstack import _loopnest; from loopstack.runtime import threads;"
        "threads.set_num_threads(4);"
        "x = np.zeros(64, np.int64); _loopnest.run(m.numbers_threads(64), [x.ctypes.data], 4);"
        "print(threads.team_info().workers)"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert (found.returncode, found.stdout.strip(), found.stderr) == (0, "3", "")


# ---- the frame ----------------------------------------------------------------------------------


def frame_of(threads_wanted: int, **sizes: int) -> list[int]:
    """Return workspace, private workspace, private stride and threads of one call."""
    found = np.zeros(4, np.int64)
    loaded = machine_code.stores_frame(**sizes)
    _loopnest.run(loaded, [found.ctypes.data], threads_wanted)
    return [int(v) for v in found]


def test_no_workspace_unless_asked() -> None:
    assert frame_of(1) == [0, 0, 0, 1]


def test_workspace_layout() -> None:
    shared, private, stride, count = frame_of(3, workspace_bytes=5000, private_bytes=100)
    assert shared % 4096 == 0
    assert private == shared + 8192
    assert (stride, count) == (4096, 3)


def test_workspace_is_kept_between_calls() -> None:
    first = frame_of(1, workspace_bytes=100_000)[0]
    assert frame_of(1, workspace_bytes=100_000)[0] == first
    assert frame_of(1, workspace_bytes=1000)[0] == first


def test_threads_have_their_own_workspace() -> None:
    mine, theirs = frame_of(1, workspace_bytes=1000)[0], []
    thread = threading.Thread(target=lambda: theirs.append(frame_of(1, workspace_bytes=1000)[0]))
    thread.start()
    thread.join()
    assert theirs[0] != mine


def test_impossible_workspace_is_a_memory_error() -> None:
    with pytest.raises(MemoryError):
        frame_of(1, workspace_bytes=1 << 60)
    v = np.zeros(4, np.int64)
    k = _loopnest.Callable(
        machine_code.stores_frame(private_bytes=1 << 60),
        [("v", "i64", "inout", (4,), (8,), None)],
        lambda args, kwargs: None,
    )
    with pytest.raises(MemoryError) as caught:
        k(v)
    assert str(caught.value) == (
        "no memory for the workspace: 0 bytes shared, 1152921504606846976 a thread"
    )
