"""The command line, as far as it goes without compiling: help, user errors, records."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopstack.cli import bench as bench_verb
from loopstack.cli.main import installed_version, main
from loopstack.cli.target import load_file, parse_sizes
from loopstack.errors import ArgumentError, InternalError
from loopstack.records import Record, RecordKey, default_store

VERBS = ["run", "show", "search", "explain", "doctor", "bench"]
RECORD_VERBS = ["list", "export", "merge", "prune"]


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Run the command line; return (exit code, standard output, standard error)."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "--version") == (0, f"loopstack {installed_version()}\n", "")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, verb, "--help")
    assert code == 0
    assert f"Example: loopstack {verb}" in out


@pytest.mark.parametrize("verb", RECORD_VERBS)
def test_record_verbs_have_help_with_an_example(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(capsys, "records", verb, "--help")
    assert code == 0
    assert f"Example: loopstack records {verb}" in out


# ---- what a user gets wrong ---------------------------------------------------------------------
@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(
        "import loopstack as ls\n\n"
        "def plain(x):\n    return x\n\n"
        "@ls.kernel\n"
        'def double(x: ls.f32["i"]) -> ls.f32["i"]:\n'
        '    i = ls.indices("i")\n'
        "    return 2.0 * x[i]\n"
    )
    return path


def test_a_target_without_a_function(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "run", "matmul.py")
    assert (code, out, err) == (2, "", "error: expected FILE.py:FUNCTION, found 'matmul.py'\n")


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "show", "no/such.py:f")[::2] == (2, "error: no such file: no/such.py\n")


def test_a_function_that_is_not_there(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", f"{module}:triple")
    assert code == 2
    assert err == f"error: {module} has no function 'triple'; {module} has: double\n"


def test_a_function_that_is_not_decorated(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", f"{module}:plain")
    assert code == 2
    assert err == (
        f"error: 'plain' in {module} is not decorated with @ls.kernel or @ls.affine; "
        f"{module} has: double\n"
    )


def test_a_size_without_a_value(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", f"{module}:double", "--size", "i")
    assert (code, err) == (2, "error: expected --size NAME=VALUE such as m=512, found 'i'\n")


def test_a_size_given_twice(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", f"{module}:double", "-s", "i=4", "-s", "i=5")
    assert (code, err) == (2, "error: size i is given twice: 4 and 5\n")


def test_more_memory_than_there_is(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", f"{module}:double", "-s", f"i={1 << 46}")
    assert code == 2
    assert err.startswith("error: not enough memory: Unable to allocate ")


def test_a_file_that_raises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.py"
    path.write_text("x = 1\ny = x / 0\n")
    code, _, err = call(capsys, "run", f"{path}:f")
    assert code == 2
    assert err == (
        f"error: {path} cannot be imported: ZeroDivisionError: division by zero (line 2)\n"
    )


def test_a_file_that_does_not_parse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.py"
    path.write_text("def f(:\n")
    code, _, err = call(capsys, "run", f"{path}:f")
    assert code == 2
    assert err.startswith(f"error: {path} cannot be imported: SyntaxError: invalid syntax")
    assert "Traceback" not in err


def test_an_unknown_instruction_set(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", f"{module}:double", "-s", "i=4", "--isa", "mmx")
    assert code == 2
    assert err == (
        "error: unknown instruction set 'mmx': expected one of avx2, avx512, neon, neon_fp16\n"
    )


def test_a_suite_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "bench", "sorting")
    assert (code, err) == (2, "error: no suite 'sorting'; suites: conv, gemm, softmax, polybench\n")


BUDGETS = "write for example '20s', '2m', '1h' or '300 trials'"
UNUSABLE = {
    ("--search", "soon"): f"budget 'soon' is not a time or a count; {BUDGETS}",
    ("--search", "-1s"): f"budget '-1s' is not a time or a count; {BUDGETS}",
    ("--threads", "0"): "--threads must be an integer from 1 to 512, found 0 "
    "(default: the CPUs this process may use)",
    ("--threads", "1000"): "--threads must be an integer from 1 to 512, found 1000 "
    "(default: the CPUs this process may use)",
    ("--isa", "mmx"): "--isa must be one of avx2, avx512, neon, neon_fp16, found 'mmx' "
    "(default: the widest this CPU has)",
    ("--json", "/no/such/x.json"): "cannot write /no/such/x.json: No such file or directory",
    ("--json", "/"): "cannot write /: Is a directory",
    ("--json", "/dev/null"): "cannot write /dev/null: it is no regular file",
    ("--kernels", " ,"): "--kernels ' ,' names no kernel; write for example gemm,lu",
    ("--kernels", "gem"): "no kernel 'gem'; kernels: 2mm, 3mm, ",
}


@pytest.mark.parametrize("words", UNUSABLE, ids=" ".join)
def test_bench_refuses_before_it_measures(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "bench", "polybench", "--size", "mini", *words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {UNUSABLE[words]}")


def test_bench_without_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_verb, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    with pytest.raises(ArgumentError) as caught:
        bench_verb.find_bench(tmp_path)
    assert str(caught.value) == (
        "bench/ is not here: the benchmarks are part of the source checkout, not of the installed "
        "package.\nRun this command inside a checkout of LoopStack."
    )


# ---- bugs of ours ------------------------------------------------------------------------------
def test_a_bug_leaves_what_repeats_it_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise InternalError("the nest is odd", "nest text")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("loopstack.cli.records.default_store", broken)
    code, _, err = call(capsys, "records", "list")
    (kept,) = tmp_path.iterdir()
    assert (code, kept.read_text()) == (1, "the nest is odd\n\nnest text\n")
    assert err == (
        f"internal error: the nest is odd\nWhat repeats it was written to {kept}.\n"
        "Please report this bug in LoopStack.\n"
    )


# ---- targets ------------------------------------------------------------------------------------
def test_sizes_parse() -> None:
    assert parse_sizes(["m=512", "n=3"]) == {"m": 512, "n": 3}
    assert parse_sizes(None) == {}


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_mine.py").write_text("VALUE = 7\n")
    (tmp_path / "imports_it.py").write_text("from neighbour_of_mine import VALUE\n")
    assert load_file(tmp_path / "imports_it.py").VALUE == 7


# ---- records ------------------------------------------------------------------------------------
PROGRAM = """program matmul reassociate
sizes m
input x: f32[$m]
output y: f32[$m]
statement y(i) order 0 0
  where i; $m - i - 1
  y[i] = x[i]
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "records.db"
    monkeypatch.setenv("LOOPSTACK_STORE", str(path))
    key = RecordKey("p", (("s0", 512),), (), (("a0", "f32"),), "avx2", 2, "reassociate")
    default_store().add(
        Record(key, "schedule 1\n", (10.0,), PROGRAM, final=True, strategy="evolve"),
        Record(key, "schedule 1\n# b\n", (20.0,), PROGRAM),
    )
    return path


def test_list_shows_winners(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "records", "list")
    assert code == 0
    assert "matmul" in out
    assert "m=512" in out
    assert out.splitlines()[-1] == f"1 record in {store}"


def test_a_table_in_a_pipe_keeps_a_record_in_one_line(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = call(capsys, "records", "list", "--all")[1].splitlines()
    assert len(lines) == 4
    assert lines[0].split() == [
        "program", "sizes", "isa", "threads", "median", "GFLOP/s", "strategy", "machine",
    ]  # fmt: skip
    assert lines[1].split() == ["matmul", "m=512", "avx2", "2", "10", "ns", "0.0", "evolve"]


def test_export_then_merge(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = tmp_path / "tuned.jsonl"
    assert call(capsys, "records", "export", lines)[1] == f"wrote 2 records to {lines}\n"
    monkeypatch.setenv("LOOPSTACK_STORE", str(tmp_path / "other.db"))
    assert call(capsys, "records", "merge", lines)[1] == "added 2 records\n"
    assert call(capsys, "records", "merge", lines)[1] == "added 0 records\n"


def test_prune(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "records", "prune")[1] == "removed 1 record\n"


def test_merging_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "records", "merge", "no-such-file.jsonl")
    assert (code, err) == (2, "error: cannot read no-such-file.jsonl: No such file or directory\n")


def test_merging_a_file_that_is_not_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tuned.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    code, _, err = call(capsys, "records", "merge", path)
    assert code == 2
    assert err == f"error: cannot read {path}: it is not text (invalid start byte)\n"


def test_a_damaged_store_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.db"
    path.write_bytes(b"garbage" * 1000)
    monkeypatch.setenv("LOOPSTACK_STORE", str(path))
    code, _, err = call(capsys, "records", "list")
    assert code == 2
    assert err.startswith(f"error: the record store {path} is damaged")
    assert "Traceback" not in err
