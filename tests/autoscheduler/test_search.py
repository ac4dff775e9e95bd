"""Searches with the real worker, on small kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import loopstack as ls
from bench.suites import polybench
from loopstack.machine.features import target_isa
from loopstack.measure import Measured, MeasureTask, Worker
from loopstack.records import Progress, default_store


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


@ls.kernel
def softmax(x: ls.f32["i j"]) -> ls.f32["i j"]:
    i, j = ls.indices("i j")
    e = ls.exp(x[i, j] - ls.max(x[i, j], over=j))
    return e / ls.sum(e, over=j)


SIZES = {"m": 30, "n": 44, "k": 37}


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPSTACK_STORE", str(tmp_path / "records.db"))


@pytest.mark.parametrize("strategy", ["default", "random", "evolve", "auto"])
def test_every_strategy_finds_a_right_schedule(strategy: str) -> None:
    found = matmul.search(SIZES, budget="15 trials", strategy=strategy, threads=1)
    assert found.timing.median_ns > 0
    assert [t.said for t in found.history if t.fault] == []
    matmul.specialize(SIZES, threads=1).with_schedule(found.schedule).check()


def test_searched_sizes_use_the_record_from_the_next_call_on() -> None:
    found = matmul.search(SIZES, budget="15 trials", threads=1)
    assert str(matmul.specialize(SIZES, threads=1).schedule) == str(found.schedule)


def test_a_search_on_two_threads() -> None:
    found = softmax.search(i=64, j=70, budget="25 trials", threads=2)
    assert [t.said for t in found.history if t.fault] == []
    x = np.random.default_rng(0).random((64, 70), np.float32)
    kernel = softmax.specialize(i=64, j=70, threads=2)
    expected = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(kernel(x), expected, rtol=1e-5)


@pytest.mark.parametrize("strategy", ["random", "evolve"])
@pytest.mark.parametrize("name", ["jacobi-2d", "lu", "nussinov", "trisolv", "gemm"])
def test_affine_programs_are_searched_by_edits(name: str, strategy: str) -> None:
    kernel, sizes = polybench.load(name), polybench.sizes_of(name, "mini")
    found = kernel.search(sizes, budget="20 trials", strategy=strategy, threads=2)
    assert [t.said for t in found.history if t.fault] == []
    assert len({t.script for t in found.history}) == found.trials > 3
    kernel.specialize(sizes, threads=2).with_schedule(found.schedule).check()


def test_evolution_of_an_affine_program_starts_from_known_schedules() -> None:
    kernel, sizes = polybench.load("trmm"), polybench.sizes_of("trmm", "mini")
    found = kernel.search(sizes, budget="4 trials", strategy="evolve", threads=1)
    bound = kernel.specialize(sizes, threads=1)
    default, *others = [trial.script for trial in found.history]
    assert default == str(bound.specialization.default_schedule())
    assert {"schedule 1\n", str(ls.pluto(bound))} <= set(others)


def test_progress_can_be_watched() -> None:
    told: list[Progress] = []
    matmul.search(SIZES, budget="6 trials", threads=1, progress=told.append)
    assert [p.trials for p in told] == [1, 2, 3, 4, 5, 6, 6]  # the last: the finals begin


def test_the_store_keeps_the_winner_and_its_rivals() -> None:
    found = matmul.search(SIZES, budget="10 trials", threads=1)
    records = default_store().records()
    assert sum(r.final for r in records) == 1
    assert next(r for r in records if r.final).script == found.script
    assert all(r.strategy == "evolve" and r.source for r in records)


def test_an_illegal_script_is_a_typed_outcome() -> None:
    from loopstack.ir.printer import print_program

    task = MeasureTask(print_program(matmul.program), SIZES, target_isa())
    with Worker(task) as worker:
        outcome = worker.measure("schedule 1\nparallelize C.k\n")
        assert getattr(outcome, "kind", None) == "illegal"
        outcome = worker.measure("schedule 1\nvectorize C.zz\n")
        assert getattr(outcome, "kind", None) == "illegal"
        assert isinstance(worker.measure("schedule 1\nreorder C m k n\nvectorize C.n\n"), Measured)


def test_a_wrong_nest_is_caught() -> None:
    from loopstack.ir.printer import print_program
    from loopstack.lower.pipeline import lower
    from loopstack.schedule.script import Schedule, build

    task = MeasureTask(print_program(matmul.program), SIZES, target_isa())
    script = "schedule 1\nreorder C m k n\nvectorize C.n\n"
    nest = lower(build(Schedule.parse(script), task.bound), target_isa(), {}, 1)
    with Worker(task) as worker:
        outcome = worker.measure(script, nest.replace("mul(", "add("))
        assert getattr(outcome, "kind", None) == "wrong"
        outcome = worker.measure(script, nest.replace("for C.m = 0 .. 30", "for C.m = 0 .. 29"))
        assert getattr(outcome, "kind", None) == "wrong"
        assert isinstance(worker.measure(script, nest), Measured)
