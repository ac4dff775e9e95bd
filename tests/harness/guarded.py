"""Catch accesses outside of arrays: memory next to unreadable pages, and calls in a child.

    with GuardedArray((5, 7), np.float32, side="high") as a:  # ends where a PROT_NONE page begins
        report = run_in_fork(lambda: kernel(a.array))
        assert report.ok, report

``side="low"`` puts the first element right behind an unreadable page. One side at a time is exact;
the other side has up to a page of slack.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Side = Literal["low", "high"]
PAGE_BYTES = mmap.PAGESIZE
_LIBC = ctypes.CDLL(None, use_errno=True)
_PROT_NONE = 0
_MAP_NORESERVE = 0x4000  # Linux; the module mmap has no name for it
_SPARSE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE


class GuardedArray:
    """A dense array whose first or last element is flush against an unreadable page."""

    def __init__(
        self,
        shape: Sequence[int],
        dtype: np.typing.DTypeLike,
        side: Side = "high",
        is_sparse: bool = False,
    ) -> None:
        """``is_sparse``: larger than memory, of which few pages are used."""
        dtype = np.dtype(dtype)
        size_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        inner = max(-(-size_bytes // PAGE_BYTES), 1) * PAGE_BYTES
        flags = _SPARSE if is_sparse else mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
        self._map = mmap.mmap(-1, inner + 2 * PAGE_BYTES, flags=flags)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        offset = PAGE_BYTES if side == "low" else PAGE_BYTES + inner - size_bytes
        self.array = np.ndarray(tuple(shape), dtype, self._map, offset)
        self._guards = (base, base + PAGE_BYTES + inner)
        for guard in self._guards:
            _protect(guard, _PROT_NONE)

    @staticmethod
    def holding(values: np.ndarray, side: Side = "high") -> GuardedArray:
        """Copy ``values`` into a guarded array."""
        guarded = GuardedArray(values.shape, values.dtype, side)
        guarded.array[...] = values
        return guarded

    def __enter__(self) -> GuardedArray:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Make the guard pages ordinary again; the memory goes with the last view."""
        for guard in self._guards:
            _protect(guard, mmap.PROT_READ | mmap.PROT_WRITE)


def _protect(address: int, protection: int) -> None:
    if _LIBC.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(PAGE_BYTES), protection) != 0:
        raise OSError(ctypes.get_errno(), "mprotect failed")


@dataclass(frozen=True)
class Report:
    """How a child ended: its result, or the signal or error that stopped it."""

    ok: bool
    value: Any = None
    signal: int | None = None
    error: str = ""

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {signal.Signals(self.signal).name}"
        return "ok" if self.ok else self.error


def run_in_fork(function: Callable[[], Any], timeout_s: int = 60) -> Report:
    """Run ``function`` in a forked child; its (picklable) result comes back in the report.

    A child that runs longer than ``timeout_s`` is stopped by its own alarm: SIGALRM.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _run_child(function, writer, timeout_s)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Report(False, signal=os.WTERMSIG(status))
    ok, value = pickle.loads(data)
    return Report(True, value) if ok else Report(False, error=value)


def _run_child(function: Callable[[], Any], writer: int, timeout_s: int) -> None:
    """Never returns: the child must not run its parent's exit handlers."""
    import faulthandler

    faulthandler.disable()  # the parent reports the signal; a second trace would be noise
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(timeout_s)
    try:
        answer = pickle.dumps((True, function()))
    except BaseException as error:
        answer = pickle.dumps((False, f"{type(error).__name__}: {error}"))
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(answer)
    os._exit(0)
