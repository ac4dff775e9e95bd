"""The verbs, run for real on small kernels."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopstack.cli.display import SearchDisplay
from loopstack.cli.main import main
from loopstack.errors import StoreError
from loopstack.records import Progress, Store, default_store

MODULE = """
import loopstack as ls

@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))
"""
SIZES = ("--size", "m=24", "-s", "n=20", "-s", "k=28")


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LOOPSTACK_STORE", str(tmp_path / "records.db"))
    path = tmp_path / "product.py"
    path.write_text(MODULE)
    return f"{path}:matmul"


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def test_run_checks_and_times(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "run", target, *SIZES, "--threads", "1")
    assert (code, err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["kernel"].startswith("matmul(m=24, k=28, n=20), ")
    assert lines["kernel"].endswith(", 1 thread")
    assert lines["result"] == "right: equal to the reference within the computed error bound"
    assert "GFLOP/s" in out


def test_a_missing_size_is_one_message(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "run", target, "--size", "m=24")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("what", "piece"),
    [
        ("program", "program matmul"),
        ("loops", "for C."),
        ("nest", "nest matmul"),
        ("schedule", "schedule 1"),
        ("c", "matmul(const float"),
        ("roofline", "limited by"),
    ],
)
def test_show(target: str, what: str, piece: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "show", target, *SIZES, "--what", what)
    assert code == 0
    assert piece in out


def test_show_of_something_else(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "show", target, *SIZES, "--what", "soul")
    assert code == 2
    assert err == (
        "error: show('soul'): expected one of program, dependences, loops, nest, asm, c, roofline\n"
    )


def test_search_explain_and_records_belong_together(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (target, *SIZES, "--threads", "1")
    assert call(capsys, "explain", *words)[1].startswith("miss: the store has no record")
    code, out, _ = call(capsys, "search", *words, "--budget", "12 trials", "--seed", "3")
    assert code == 0
    for piece in ("schedule 1", "of peak", "vs default", "vs NumPy", "roofline", "12 candidates"):
        assert piece in out
    assert re.search(r"strategy \w+, seed 3", out)
    assert call(capsys, "explain", *words)[1].startswith("hit: ")
    on_two = call(capsys, "explain", target, *SIZES, "--threads", "2")[1]
    assert on_two == "miss: threads: stored 1, wanted 2\n"
    other = (target, "-s", "m=24", "-s", "n=20", "-s", "k=30", "--threads", "1")
    assert call(capsys, "explain", *other)[1] == (
        "miss: sizes: stored m=24 k=28 n=20, wanted m=24 k=30 n=20\n"
    )
    assert len([r for r in default_store().records() if r.final]) == 1


def test_search_goes_on(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = (target, *SIZES, "--threads", "1", "--budget", "8 trials")
    assert call(capsys, "search", *words)[0] == 0
    assert call(capsys, "search", *words, "--resume")[0] == 0
    assert len([r for r in default_store().records() if r.final]) == 2


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """A shell starts background jobs deaf to Ctrl-C, and tests may be one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard_interrupts")
def test_an_interrupted_search_keeps_the_best_and_can_go_on(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: SearchDisplay, progress: Progress) -> None:
        if progress.trials == 4 and progress.left:
            signal.raise_signal(signal.SIGINT)

    words = (target, *SIZES, "--threads", "1")
    with monkeypatch.context() as patch:
        patch.setattr(SearchDisplay, "__call__", interrupt)
        code, out, err = call(capsys, "search", *words, "--budget", "60s")
    assert (code, err) == (0, "")
    assert "4 candidates (0 failed) interrupted after" in out
    assert "vs NumPy     not compared after an interrupt" in out
    stored = default_store().records()
    assert sum(record.final for record in stored) == 1
    code, out, _ = call(capsys, "search", *words, "--budget", "9 trials", "--resume")
    assert code == 0
    assert "9 candidates" in out
    assert sum(record.final for record in default_store().records()) == 2


@pytest.mark.usefixtures("heard_interrupts")
def test_an_interrupt_before_anything_is_measured(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("loopstack.measure.Worker.submit", interrupt)
    words = (target, *SIZES, "--threads", "1", "--budget", "60s")
    assert call(capsys, "search", *words) == (130, "", "")


def test_a_store_that_fails_after_the_search_does_not_cost_the_result(
    target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise StoreError("the disk is full")

    monkeypatch.setattr(Store, "add", fail)
    words = (target, *SIZES, "--threads", "1", "--budget", "3 trials")
    with pytest.warns(UserWarning, match="the schedule found was not stored: the disk is full"):
        code, out, _ = call(capsys, "search", *words)
    assert code == 0
    assert "stored in    nothing: see the warning above" in out
    assert "schedule 1" in out


def test_code_for_another_cpu_can_be_shown(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    for isa in ("avx2", "avx512"):
        code, out, _ = call(capsys, "show", target, *SIZES, "--what", "asm", "--isa", isa)
        assert code == 0
        assert "vfmadd" in out


def test_an_unknown_strategy_gets_the_list(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "search", target, *SIZES, "--strategy", "luck")
    assert code == 2
    assert err == ("error: unknown strategy 'luck'; strategies: auto, default, evolve, random\n")


def test_a_budget_that_is_none(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "search", target, *SIZES, "--budget", "a while")
    assert code == 2
    assert err.startswith("error: budget 'a while' is not a time or a count; write for example")


def test_doctor_checks_a_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "doctor", "--quick")
    assert code == 0
    assert "kernel           compiles, runs and is right" in out
    assert "caches" in out


def test_stored_records_are_lines_of_json(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    call(capsys, "search", target, *SIZES, "--budget", "5 trials", "--threads", "1")
    lines = call(capsys, "records", "export", "-")[1].splitlines()
    assert all(json.loads(line)["key"]["isa"] for line in lines)


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "loopstack", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Compile, inspect, tune and measure" in done.stdout
