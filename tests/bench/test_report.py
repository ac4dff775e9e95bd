"""The bench's bookkeeping: ratios, geometric means, losses, files. Nothing is measured."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.harness import report, runner
from bench.harness.child import load_suite, suite_names
from bench.harness.rows import Result
from loopstack.cli.versus_numpy import numpy_environment
from loopstack.errors import ArgumentError
from loopstack.measure import Timing


def result(ours: float, numpy: float, row: str = "128", threads: int = 1) -> Result:
    timings = {"default": Timing((ours,) * 3, 100.0), "numpy": Timing((numpy,) * 3, 100.0)}
    return Result("gemm", row, threads, False, timings, 100.0, sizes={"m": 128})


def test_a_ratio_above_one_means_ours_is_faster() -> None:
    found = report.ratio(result(10.0, 20.0), "default", "numpy")
    assert found is not None
    assert found.ratio == 2.0
    assert report.ratio(result(10.0, 20.0), "default", "onnxruntime") is None


def test_geometric_mean() -> None:
    assert report.geomean([1.0, 4.0]) == pytest.approx(2.0)
    assert math.isnan(report.geomean([]))


def test_the_summary_lists_losses() -> None:
    lines = report.summary_lines([result(10.0, 20.0), result(40.0, 20.0, "256")])
    assert lines == [
        "geometric means (above 1: ours is faster)",
        "    1t default/numpy: 1.00x over 2 rows",
        "losses: 1",
        "    gemm 256 1t: default/numpy 0.50x [0.50 .. 0.50]",
    ]


def test_rows_survive_json() -> None:
    made = result(10.0, 20.0)
    assert Result.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_the_file_holds_ratios_with_their_spread() -> None:
    value = report.to_json([result(10.0, 20.0)], [], {})
    assert value["rows"][0]["ratios"] == {"default/numpy": {"ratio": 2.0, "low": 2.0, "high": 2.0}}


def test_a_row_that_failed_is_kept_as_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    results: list[Result] = []
    failures: list[str] = []
    runner.take({"failed": "128: WrongResult: ..."}, results, failures)
    runner.take(result(1.0, 2.0).to_json(), results, failures)
    assert (len(results), failures) == (1, ["128: WrongResult: ..."])
    assert "FAILED 128" in capsys.readouterr().out


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"^cannot write "):
        runner.write(tmp_path / "no" / "such.json", {})


def test_numpy_is_not_crippled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "1")
    found = numpy_environment(2)
    assert "OPENBLAS_CORETYPE" not in found
    assert "OPENBLAS_L2_SIZE" not in found
    assert found["OPENBLAS_NUM_THREADS"] == "2"


def test_suites_load_by_path() -> None:
    assert suite_names() == ["conv", "gemm", "softmax"]
    for name in suite_names():
        rows = load_suite(name).ROWS
        assert any(row["quick"] for row in rows)
        assert len({row["name"] for row in rows}) == len(rows)


def test_the_gemm_suite_has_every_shape_worth_comparing() -> None:
    names = {row["name"] for row in load_suite("gemm").ROWS}
    assert names == {
        "64", "128", "256", "512", "1024", "2048", "127x257x513", "4096x64x64", "16x1024x4096",
        "1x1024x1024", "b64_32x32x64",
    }  # fmt: skip
