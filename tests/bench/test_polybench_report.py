"""What ``loopstack bench polybench`` prints, keeps and refuses; nothing is measured here."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.harness import polybench
from bench.harness.polybench_rows import Measured
from loopstack.errors import ArgumentError
from loopstack.measure.timer import Timing


def row(kernel: str, ours_ns: float, gcc_ns: float, difference: float = 0.0) -> Measured:
    timings = {"default": Timing((ours_ns,), 1e6), "gcc": Timing((gcc_ns,), 1e6)}
    return Measured(kernel, "mini", 1, timings, difference, 12.0, 3.25)


def request(**changes: object) -> polybench.Request:
    given = {
        "size": "mini", "kernels": ("gemm",), "threads": (1,), "search": "", "kept": None,
        "resume": False,
    }  # fmt: skip
    return polybench.Request(**{**given, **changes})  # type: ignore[arg-type]


def test_summary_names_means_and_losses() -> None:
    assert polybench.summary([row("gemm", 1e6, 4e6), row("lu", 2e6, 1e6)]) == [
        "geometric means over gcc -O3 -march=native -ffast-math with restrict",
        "    1t default: 1.41x over 2 kernels",
        "losses: 1",
        "    lu 1t default/gcc 0.50x",
    ]


def test_a_row_is_one_line() -> None:
    assert polybench.row_text(row("gemm", 1e6, 4e6)) == (
        "gemm            1t  default     1 ms  gcc     4 ms  default/gcc  4.00x"
        "  (analysis 12 ms, code 3.2 ms)"
    )


def test_a_wrong_result_is_told_from_a_free_one() -> None:
    assert not polybench.is_right(row("gemm", 1.0, 1.0, difference=1e-3))
    assert polybench.is_right(row("gramschmidt", 1.0, 1.0, difference=1.0))


def test_rows_are_kept_and_taken_up_again(tmp_path: Path) -> None:
    asked = request(kept=tmp_path / "rows.jsonl", resume=True)
    assert polybench.finished(asked) == []
    rows = [row("gemm", 1e6, 4e6), row("lu", 2e6, 1e6)]
    polybench.keep(asked, rows)
    assert polybench.finished(asked) == rows


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
