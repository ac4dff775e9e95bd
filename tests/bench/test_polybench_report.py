"""What ``loopstack bench polybench`` prints, keeps and refuses; nothing is measured here."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from harness.compiled_c import needs_compiler

from bench.baselines import published
from bench.harness import polybench, polybench_report, polybench_rows, runner
from bench.harness.polybench_rows import Measured
from bench.suites.polybench import NAMES
from loopstack.errors import ArgumentError
from loopstack.measure.child import child_command
from loopstack.measure.timer import Timing

ROOT = Path(__file__).resolve().parents[2]


def row(
    kernel: str, ours_ns: float, gcc_ns: float, difference: float = 0.0, size: str = "mini",
    notes: dict[str, str] | None = None, **others_ns: float,
) -> Measured:  # fmt: skip
    times = {"default": ours_ns, "gcc": gcc_ns, **others_ns}
    timings = {name: Timing((time_ns,), 1e6) for name, time_ns in times.items()}
    differences = {"default": difference}
    return Measured(kernel, size, 1, timings, differences, 12.0, 3.25, notes or {})


def request(**changes: object) -> polybench.Request:
    given = {
        "size": "mini", "kernels": ("gemm",), "threads": (1,), "search": "", "kept": None,
        "resume": False,
    }  # fmt: skip
    return polybench.Request(**{**given, **changes})  # type: ignore[arg-type]


# ---- text ---------------------------------------------------------------------------------------
def test_summary_names_means_and_losses() -> None:
    assert polybench_report.summary([row("gemm", 1e6, 4e6), row("lu", 2e6, 1e6)]) == [
        "ms                    default        gcc       /gcc",
        "gemm 1t                     1          4      4.00x",
        "lu 1t                       2          1      0.50x",
        "",
        "geometric means 1t over gcc -O3 -march=native -ffast-math with restrict",
        "    default: 1.41x over 2 kernels",
        "",
        "losses to gcc: 1",
        "    lu 1t default/gcc 0.50x",
    ]


def test_a_peer_that_is_wrong_is_no_loss() -> None:
    fast = row("gemver", 2e6, 4e6, polly=1e6)
    wrong = Measured(**{**fast.__dict__, "differences": {"default": 0.0, "polly": 0.5}})
    assert list(polybench_report.notes(wrong)) == ["    polly WRONG by 5.0e-01"]
    cells = polybench_report.table([wrong])[1].split()
    assert " ".join(cells) == "gemver 1t 2 4 wrong 2.00x -"
    assert "polly" not in "\n".join(polybench_report.means([wrong], "1t"))
    assert wrong.wrong == []


def test_rivals_have_columns_and_reasons() -> None:
    rows = [
        row("gemm", 1e6, 4e6, pluto=2e6, notes={"isl": "refused: no band"}),
        row("lu", 1e6, 1e6, pluto=8e6, isl=2e6),
    ]
    assert list(polybench_report.notes(rows[0])) == ["    isl refused: no band"]
    lines = polybench_report.table(rows)
    assert lines[1].split() == ["gemm", "1t", "1", "2", "refused", "4", "4.00x"]
    means = polybench_report.means(rows, "1t")
    assert means[3:] == [
        "    isl: 0.50x over 1 kernels",
        "geometric means 1t over pluto's schedules by our code generator",
        "    default: 4.00x over 2 kernels",
        "geometric means 1t over isl's schedules by our code generator",
        "    default: 2.00x over 1 kernels",
    ]


def test_a_row_is_one_line() -> None:
    assert polybench_report.row_text(row("gemm", 1e6, 4e6)) == (
        "gemm            1t  default     1 ms  gcc     4 ms  default/gcc  4.00x"
        "  (analysis 12 ms, code 3.2 ms)"
    )


def test_a_wrong_result_of_ours_is_a_failure() -> None:
    assert row("gemm", 1.0, 1.0, difference=1e-3).wrong == ["default"]
    assert row("gemm", 1.0, 1.0, difference=1e-9).wrong == []
    assert row("gemm", 1.0, 1.0, notes={"searched": "InternalError: no"}).wrong == ["searched"]


# ---- published figures --------------------------------------------------------------------------
def test_published_figures_cover_every_kernel() -> None:
    assert set(published.figures()) == set(NAMES)
    for known in published.figures().values():
        assert all(known.relative(column) > 0 for column in published.COLUMNS)


def test_derived_figures_are_marked_and_of_one_size() -> None:
    assert published.derived_ratio("gemm", "small", 3.0, "all") is None
    assert published.derived_ratio("gemm", "large", 4.0, "all") == pytest.approx(4 * 87.3 / 122)
    small = polybench_report.summary([row("gemm", 1e6, 4e6)], peers=True)
    assert not any("derived" in line for line in small)
    large = polybench_report.summary([row("gemm", 1e6, 4e6, size="large")], peers=True)
    assert large[1].split() == ["gemm", "1t", "1", "4", "4.00x", "4.00x", "2.86x", "2.86x"]
    at = large.index("derived 1t, not measured here: by ratios to gcc on another machine")
    assert large[at + 1] == "    default: 4.00x the best sequential peer, over 1 kernels"


# ---- results ------------------------------------------------------------------------------------
def test_differences_are_relative_and_skip_what_should_be_nan() -> None:
    expected = {"A": np.array([1.0, -4.0, np.nan])}
    close = {"A": np.array([1.0, -4.4, 7.0])}
    assert polybench_rows.difference(close, expected) == pytest.approx(0.1)
    assert polybench_rows.difference({"A": np.full(3, np.nan)}, expected) == float("inf")


# ---- what is kept -------------------------------------------------------------------------------
def test_rows_are_kept_and_taken_up_again(tmp_path: Path) -> None:
    asked = request(kept=tmp_path / "rows.jsonl", resume=True)
    assert polybench.finished(asked) == []
    rows = [row("gemm", 1e6, 4e6), row("lu", 2e6, 1e6, notes={"polly": "no"})]
    polybench.keep(asked, rows)
    assert polybench.finished(asked) == rows
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_failed_write_leaves_the_rows_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request(kept=tmp_path / "rows.jsonl", resume=True)
    polybench.keep(asked, [row("gemm", 1e6, 4e6)])

    def full(self: Path, text: str) -> int:
        with self.open("w") as half:
            half.write(text[: len(text) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ArgumentError, match="No space left on device"):
        polybench.keep(asked, [row("gemm", 1e6, 4e6), row("lu", 2e6, 1e6)])
    assert polybench.finished(asked) == [row("gemm", 1e6, 4e6)]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_kept_row_without_what_is_asked_for_is_measured_again() -> None:
    (plain,) = request().tasks()
    (searched,) = request(search="10s").tasks()
    kept = [row("gemm", 1e6, 4e6)]
    assert polybench.is_answered(plain, kept)
    assert not polybench.is_answered(searched, kept)
    assert polybench.is_answered(searched, [row("gemm", 1e6, 4e6, searched=1e6)])
    assert not polybench.is_answered({**plain, "rivals": True}, kept)
    assert not polybench.is_answered({**plain, "kernel": "lu"}, kept)


def test_an_interrupt_keeps_the_rows_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(options: runner.Options, task: dict[str, object]) -> dict[str, object]:
        if task["kernel"] == "lu":
            raise KeyboardInterrupt
        return row(str(task["kernel"]), 1e6, 4e6).to_json()

    monkeypatch.setattr(runner, "_answer", answer)
    kept = tmp_path / "rows.jsonl"
    options = runner.Options(
        "polybench", (1,), size="mini", kernels=("gemm", "lu", "atax"), json=kept
    )
    assert runner.run(options) == runner.INTERRUPTED
    assert polybench.finished(request(kept=kept, resume=True)) == [row("gemm", 1e6, 4e6)]
    assert "interrupted" in capsys.readouterr().out


@needs_compiler
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_from_outside_and_resumed(tmp_path: Path, number: signal.Signals) -> None:
    """End a run in its second row: the file holds the first, and a second run adds the rest."""
    kept = tmp_path / "rows.jsonl"
    arguments = ["--size", "mini", "--threads", "1", "--kernels", "gemm,atax,mvt"]
    bench = ["bench", "polybench", *arguments, "--json", str(kept)]
    command = [*child_command("loopstack.cli"), *bench]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    while not kept.exists() and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(number)
    first.communicate(timeout=60)
    before = polybench.finished(request(kept=kept, resume=True))
    assert [r.kernel for r in before][:1] == ["gemm"]
    assert len(before) < 3
    done = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    after = polybench.finished(request(kept=kept, resume=True))
    assert [r.kernel for r in after] == ["gemm", "atax", "mvt"]
    assert after[: len(before)] == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": "tiny"}, "no size 'tiny'; sizes: mini, small, medium, large, extralarge"),
        ({"resume": True}, "--resume goes on with the rows of a file: name it with --json"),
    ],
)
def test_refusals(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        request(**changes)
    assert str(refused.value) == message


def test_an_unknown_kernel_gets_the_list() -> None:
    with pytest.raises(ArgumentError, match=r"^no kernel 'gem'; kernels: 2mm, 3mm, adi, "):
        request(kernels=("gem",))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "rows.jsonl"
    kept.write_text("not rows\n")
    with pytest.raises(ArgumentError, match="does not hold rows of this benchmark"):
        polybench.finished(request(kept=kept, resume=True))


def test_arrays_begin_on_a_page() -> None:
    for shape in ((3, 5), (7,), ()):
        array = polybench_rows.on_a_page(shape, np.float32)
        assert array.ctypes.data % polybench_rows.PAGE_BYTES == 0
        assert array.shape == shape
        assert array.dtype == np.float32
        assert not array.any()
    assert polybench_rows.on_a_page((0, 4), np.float32).shape == (0, 4)
