"""Every example in the README and in help texts runs as it is written, but for long budgets."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from loopstack.cli.main import main

README = Path(__file__).parents[2] / "README.md"
VERBS = ("run", "show", "search", "explain", "doctor")
RECORD_VERBS = ("list", "export", "merge", "prune")
MATMUL = """
import loopstack as ls

@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))
"""


def test_the_python_of_the_readme(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 2
    script = tmp_path / "readme.py"
    script.write_text(re.sub(r'budget="\d+s"', 'budget="3 trials"', "\n".join(blocks)))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "schedule 1" in done.stdout


def test_the_verbs_of_the_readme_exist(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = set(re.findall(r"^\| `loopstack (\w+)", README.read_text(), re.MULTILINE))
    assert verbs
    listed = help_of(capsys)
    assert all(re.search(rf"^  {verb}\b", listed, re.MULTILINE) for verb in verbs)


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    return capsys.readouterr().out


def example_of(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return the words of the example in a verb's help text, with few trials for a budget."""
    paragraphs = help_of(capsys, *words).split("\n\n")
    text = next(p for p in paragraphs if p.strip().startswith("Example: loopstack"))
    found = shlex.split(text)[2:]
    return ["3 trials" if re.fullmatch(r"\d+s", word) else word for word in found]


@pytest.mark.parametrize("verb", [*VERBS, *(f"records {verb}" for verb in RECORD_VERBS)])
def test_the_example_of_a_verb(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOPSTACK_STORE", str(tmp_path / "records.db"))
    Path("matmul.py").write_text(MATMUL)
    Path("tuned.jsonl").write_text("")
    example = example_of(capsys, *verb.split())
    with pytest.raises(SystemExit) as ended:
        main(example)
    printed = capsys.readouterr()
    assert (ended.value.code or 0, printed.err) == (0, "")
    assert printed.out
