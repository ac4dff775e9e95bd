"""A user's mistake shows the user's lines; a bug of ours keeps every frame."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loopstack as ls
from loopstack.tracebacks import hide_our_frames

PACKAGE = str(Path(ls.__file__).parent)
HERE = __file__


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


@ls.kernel
def raises(x: ls.f32["n"]) -> ls.f32["n"]:
    raise ValueError("the user's own")


@ls.kernel
def misspelt(x: ls.f32["n"]) -> ls.f32["n"]:
    n = ls.indices("n")
    return x[n] + x[n, n]


def files(call: Callable[[], Any]) -> tuple[Exception, list[str]]:
    """Return the error of a call and the file of each frame, outermost first."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return caught.value, [f.filename for f in traceback.extract_tb(caught.value.__traceback__)]


ONES = np.ones((2, 2), np.float32)
MISTAKES: dict[str, Callable[[], Any]] = {
    "argument": lambda: matmul(ONES, 3),
    "size": lambda: matmul.specialize(m=1),
    "schedule": lambda: matmul.specialize(m=4, n=4, k=4).with_schedule("schedule 1\nunroll"),
    "illegal": lambda: matmul.specialize(m=4, n=4, k=4).with_schedule(
        "schedule 1\nparallelize C.k"
    ),
    "view": lambda: matmul.specialize(m=4, n=4, k=4).show("soul"),
    "einsum": lambda: ls.einsum("ij", 3.0),
    "search": lambda: matmul.search(m=1, n=1, k=1, strategy="luck"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_one_frame_of_ours_at_most(name: str) -> None:
    error, found = files(MISTAKES[name])
    assert isinstance(error, ls.LoopStackError)
    ours = [file for file in found if file.startswith(PACKAGE)]
    assert ours == [f"{PACKAGE}/tracebacks.py"]
    assert set(found) - set(ours) == {HERE}


@pytest.mark.parametrize("kernel", [raises, misspelt])
def test_an_error_in_the_kernel_ends_in_the_kernel(kernel: Any) -> None:
    _, found = files(lambda: kernel(np.ones(2, np.float32)))
    assert found[-1] == HERE
    assert [file for file in found if file.startswith(PACKAGE)] == [f"{PACKAGE}/tracebacks.py"]


def test_the_users_own_exception_stays_what_it_is() -> None:
    error, _ = files(lambda: raises(np.ones(2, np.float32)))
    assert type(error) is ValueError
    assert str(error) == "the user's own"


@pytest.mark.parametrize("bug", [KeyError("ours"), ls.InternalError("ours")])
def test_bugs_of_ours_keep_their_frames(bug: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise bug

    monkeypatch.setattr("loopstack.frontend.sizes._check_memory", broken)
    error, found = files(lambda: matmul.specialize(m=1, n=1, k=1))
    assert error is bug
    assert f"{PACKAGE}/frontend/sizes.py" in found


def test_a_wrapped_function_stays_what_it_was() -> None:
    def double(x: int) -> int:
        """Return twice ``x``."""
        return 2 * x

    wrapped = hide_our_frames(double)
    assert wrapped(4) == 8
    assert (wrapped.__name__, wrapped.__doc__) == ("double", double.__doc__)
