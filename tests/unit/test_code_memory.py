"""Executable memory: reuse, protection, bounds, threads, fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness.machine_code import needs_x86

from loopstack import _loopnest, knobs

pytestmark = needs_x86


def stores(value: int, padding: int = 0) -> bytes:
    """Machine code that stores ``value`` in the first int64 of argument 0."""
    emit, rdi, rax, rcx = _loopnest.encode, 7, 0, 1
    code = [
        emit("mov", [("r64", rax), ("mem", {"base": rdi})]),
        emit("mov", [("r64", rax), ("mem", {"base": rax})]),
        emit("mov", [("r64", rcx), ("imm", value + (1 << 40))]),
        emit("mov", [("mem", {"base": rax}), ("r64", rcx)]),
        emit("ret", []),
    ]
    return b"".join(code) + bytes(padding)


def load(value: int, padding: int = 0) -> _loopnest.LoadedCode:
    return _loopnest.load(_loopnest.Code(stores(value, padding)))


def result_of(loaded: _loopnest.LoadedCode) -> int:
    out = np.zeros(1, np.int64)
    _loopnest.run(loaded, [out.ctypes.data], 1)
    return int(out[0]) - (1 << 40)


def mappings_of(address: int) -> list[str]:
    """The permission field of the mappings that hold an address."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, permissions = line.split()[:2]
        low, high = (int(part, 16) for part in span.split("-"))
        if low <= address < high:
            found.append(permissions)
    return found


def test_code_is_executable_and_not_writable() -> None:
    loaded = load(1)
    assert loaded.address % 64 == 0
    (permissions,) = mappings_of(loaded.address)
    assert permissions.startswith("r-x")
    writable_code = [
        line.split()[1]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if "loopnest-code" in line and line.split()[1].startswith("rwx")
    ]
    assert writable_code == []


def test_freed_space_is_reused() -> None:
    kept = [load(n, 1000 * n) for n in range(5)]
    before = _loopnest.code_memory()
    for n in range(20_000):
        if n % 2000 == 0:
            assert result_of(load(n, 5000)) == n
        else:
            load(n, 5000)
    after = _loopnest.code_memory()
    assert after["used"] == before["used"]
    assert after["mapped"] <= before["mapped"] + (4 << 20)
    assert [result_of(k) for k in kept] == list(range(5))


@pytest.fixture
def tiny_limit() -> Iterator[None]:
    _loopnest.set_code_memory_limit(_loopnest.code_memory()["mapped"] + 100_000)
    yield
    _loopnest.set_code_memory_limit(knobs.CODE_MEMORY_LIMIT.value())


def test_the_limit_is_named_and_freeing_helps(tiny_limit: None) -> None:
    with pytest.raises(_loopnest.CodeMemoryError, match=r"exhausted: .* limit \d+"):
        _loopnest.load(_loopnest.Code(stores(1, 8 << 20)))
    assert result_of(load(2)) == 2


def test_many_threads_load_run_and_free() -> None:
    failures: list[str] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        held: list[tuple[int, _loopnest.LoadedCode]] = []
        for n in range(400):
            held.append((seed * 1000 + n, load(seed * 1000 + n, int(rng.integers(4000)))))
            if len(held) > 20:
                value, loaded = held.pop(int(rng.integers(len(held))))
                if result_of(loaded) != value:
                    failures.append(f"thread {seed}: {value}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def churn(count: int) -> bool:
    """Load and free over and over; tell whether every piece of code did what it should."""
    return all(result_of(load(n, n % 3000)) == n for n in range(count))


def test_parent_and_child_do_not_overwrite_each_other() -> None:
    inherited = [load(n) for n in range(50)]
    child = os.fork()
    if child == 0:
        ok = False
        try:
            ok = churn(500) and [result_of(k) for k in inherited] == list(range(50))
            del inherited
            ok = ok and churn(200)
        finally:
            os._exit(0 if ok else 1)
    # Meanwhile the parent frees what the child still runs, and fills the space anew.
    fresh = []
    for n in range(50):
        inherited[n] = load(1000 + n)
        fresh.append(load(2000 + n))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert [result_of(k) for k in inherited] == [1000 + n for n in range(50)]
    assert [result_of(k) for k in fresh] == [2000 + n for n in range(50)]
    assert churn(200)
