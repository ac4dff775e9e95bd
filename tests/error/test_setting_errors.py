"""Settings that make no sense: sizes, threads, seeds, budgets, knobs; the exact texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import loopstack as ls


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


SIZES = {"m": 3, "n": 4, "k": 5}
THREADS = (
    "threads must be an integer from 1 to 512, found {} (default: the CPUs this process may use)"
)


def refused(error: type[Exception], call: Callable[[], Any]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


# ---- sizes --------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [-1, 2.0, "2", None])
def test_a_size_that_is_no_count(value: Any) -> None:
    text = refused(ls.ShapeError, lambda: matmul.specialize(m=value, n=2, k=2))
    assert text == f"size m is {value!r}, expected an integer >= 0"


def test_an_integer_of_numpy_is_a_size() -> None:
    assert matmul.specialize(m=np.int32(2), n=2, k=2).specialization.sizes["m"] == 2


def test_a_size_beyond_any_memory() -> None:
    text = refused(ls.ShapeError, lambda: matmul.specialize(m=2**70, n=2, k=2))
    assert text == "size m is 1180591620717411303424, expected at most 140737488355328"


def test_an_array_beyond_any_memory() -> None:
    text = refused(ls.ShapeError, lambda: matmul.specialize(m=2**40, n=2, k=2**40))
    assert text == (
        "matmul: A would have shape (1099511627776, 1099511627776), more elements than a computer "
        "can address"
    )


def test_sizes_that_are_no_mapping() -> None:
    text = refused(ls.ArgumentError, lambda: matmul.specialize([1, 2, 3]))
    assert text == "sizes are a mapping such as {'m': 512}, found [1, 2, 3]"


def test_like_takes_a_list_as_well() -> None:
    like = [np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)]
    assert matmul.specialize(like=like).specialization.sizes == {"m": 2, "k": 3, "n": 4}


def test_constants_that_are_no_mapping() -> None:
    text = refused(ls.ArgumentError, lambda: matmul.specialize(SIZES, const=[1]))
    assert text == "const= is a mapping such as {'B': array}, found [1]"


# ---- threads ------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [0, -1, 1000, 2.5, True, "a"])
def test_a_thread_count_that_is_none(count: Any) -> None:
    expected = THREADS.format(repr(count))
    assert refused(ls.ArgumentError, lambda: matmul.specialize(SIZES, threads=count)) == expected
    assert refused(ls.ArgumentError, lambda: ls.kernel(threads=count)(len)) == expected
    search = {"budget": "1 trial", "threads": count}
    assert refused(ls.ArgumentError, lambda: matmul.search(SIZES, **search)) == expected


# ---- searches -----------------------------------------------------------------------------------
@pytest.mark.parametrize("budget", ["-1s", "0 trials", "0.4 trials", "abc", "", 10, None])
def test_a_budget_that_is_none(budget: Any) -> None:
    text = refused(ls.ArgumentError, lambda: matmul.search(SIZES, budget=budget))
    assert text == (
        f"budget {budget!r} is not a time or a count; write for example '20s', '2m', '1h' or "
        "'300 trials'"
    )


@pytest.mark.parametrize("seed", ["x", -5, 1.5, None])
def test_a_seed_that_is_none(seed: Any) -> None:
    expected = f"seed must be an integer >= 0, found {seed!r}"
    assert refused(ls.ArgumentError, lambda: matmul.search(SIZES, seed=seed)) == expected
    assert refused(ls.ArgumentError, lambda: matmul.specialize(SIZES).check(seed)) == expected


def test_progress_that_cannot_be_told() -> None:
    text = refused(ls.ArgumentError, lambda: matmul.search(SIZES, progress=3))
    assert text == "progress must be True, False or a function, found 3"


def test_a_store_that_cannot_be_written_is_said_before_the_search(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOOPSTACK_STORE", str(tmp_path / "file" / "records.db"))
    monkeypatch.setattr("loopstack.records.tuning.find_strategy", lambda _: ("none", None))
    text = refused(ls.StoreError, lambda: matmul.search(SIZES, budget="1000h"))
    assert text.startswith(f"cannot make {tmp_path / 'file'}: ")


def test_a_strategy_on_a_decorator_that_would_have_to_measure() -> None:
    text = refused(ls.ArgumentError, lambda: ls.kernel(strategy="evolve"))
    assert text == (
        "strategy='evolve': a plain call measures nothing, so a decorator takes only 'default'; "
        "search with .search(..., strategy='evolve'), calls use what it finds"
    )


# ---- schedules, text ----------------------------------------------------------------------------
@pytest.mark.parametrize("schedule", [None, 5, b"schedule 1", ["schedule 1"]])
def test_a_schedule_that_is_none(schedule: Any) -> None:
    kernel = matmul.specialize(SIZES)
    text = refused(ls.ArgumentError, lambda: kernel.with_schedule(schedule))
    found = type(schedule).__name__
    assert text == f"a schedule is a script (text) or an ls.Schedule, found {found}"


@pytest.mark.parametrize("emit", [ls.emit_c, ls.emit_numpy])
def test_text_of_something_else(emit: Callable[[Any], str]) -> None:
    text = refused(ls.ArgumentError, lambda: emit(3))
    assert text == "expected a Kernel, a decorated kernel or a Program, found int"


def test_scheduled_text_of_something_without_a_schedule() -> None:
    text = refused(ls.ArgumentError, lambda: ls.emit_c(matmul, scheduled=True))
    assert text == (
        "a schedule belongs to a Kernel, found KernelFunction: "
        "emit_c(f.specialize(...), scheduled=True)"
    )


def test_scheduled_text_for_strided_arrays() -> None:
    square = np.ones((8, 8), np.float32)
    kernel = matmul.specialize(like=(square.T, square))
    text = refused(ls.ArgumentError, lambda: ls.emit_c(kernel, scheduled=True))
    assert text == "scheduled C text is for dense row-major arrays, found strides"


# ---- the environment ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("LOOPSTACK_ISA", "sse", "one of avx2, avx512, neon, neon_fp16"),
        ("LOOPSTACK_NUM_THREADS", "0", "an integer from 1 to 512"),
        ("LOOPSTACK_NUM_THREADS", "2.0", "an integer from 1 to 512"),
        ("LOOPSTACK_CODE_MEMORY_LIMIT", "1", "a size of at least 1 MiB, such as 64M or 1G"),
        ("LOOPSTACK_STORE", "~nobody-of-this-name/x.db", "the path of a file"),
    ],
)
def test_a_variable_with_a_bad_value(
    name: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loopstack import knobs

    monkeypatch.setenv(name, value)
    knob = next(knob for knob in knobs.KNOBS.values() if knob.env == name)
    text = refused(ls.ArgumentError, knob.value)
    assert text == (
        f"the environment variable {name} must be {expected}, found {value!r} "
        f"(default: {knob.default_means})"
    )
