"""What a call costs beside the kernel's own work: an empty kernel, called from Python.

``pytest bench/test_call_overhead.py``. Compare each row with ``empty_call``, a C function that
takes the same arguments and does nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loopstack import _loopnest
from loopstack.runtime.jit import compile_nest

EMPTY = "nest empty\narray x f32 argument 0\nworkspace 0 0\n{\n}\n"
A, B, C = (np.zeros((16, 16), np.float32) for _ in range(3))


def kernel(release_gil: bool = False) -> Any:
    rows = [
        (name, "f32", role, A.shape, A.strides, None)
        for name, role in (("A", "input"), ("B", "input"), ("C", "output"))
    ]
    loaded = compile_nest(EMPTY).loaded
    return _loopnest.Callable(loaded, rows, lambda args, kwargs: None, 1, release_gil, "empty")


def dispatcher() -> Any:
    made = _loopnest.Dispatcher(lambda args, kwargs: None)
    made.add(kernel())
    return made


@pytest.mark.parametrize("what", ["empty_call", "out", "out, GIL released", "dispatcher, out"])
def test_numpy_out(benchmark: Any, what: str) -> None:
    call = {
        "empty_call": lambda: _loopnest.empty_call,
        "out": kernel,
        "out, GIL released": lambda: kernel(release_gil=True),
        "dispatcher, out": dispatcher,
    }[what]()
    benchmark.pedantic(_repeat, (call, A, B, C), rounds=200, warmup_rounds=5)


def test_numpy_allocates(benchmark: Any) -> None:
    call = kernel()
    benchmark.pedantic(_repeat_allocating, (call, A, B), rounds=200, warmup_rounds=5)


def test_torch_out(benchmark: Any) -> None:
    torch = pytest.importorskip("torch")
    a, b, c = (torch.zeros(16, 16) for _ in range(3))
    benchmark.pedantic(_repeat, (kernel(), a, b, c), rounds=200, warmup_rounds=5)


def _repeat(call: Any, a: Any, b: Any, c: Any) -> None:
    """A thousand calls: divide the reported microseconds by a thousand, or read them as ns."""
    for _ in range(1000):
        call(a, b, out=c)


def _repeat_allocating(call: Any, a: Any, b: Any) -> None:
    for _ in range(1000):
        call(a, b)
