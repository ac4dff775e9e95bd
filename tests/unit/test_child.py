"""A child process sees the modules its parent sees, whatever folder it is started in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import loopstack
from loopstack.measure.child import child_command


def test_a_package_of_the_same_name_in_the_working_folder_is_not_taken(
    tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "loopstack").mkdir()
    (tmp_path / "loopstack" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "probe.py").write_text("import loopstack; print(loopstack.__file__)")
    monkeypatch.chdir(tmp_path)
    command = child_command("probe", [str(tmp_path / "tool")])
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (loopstack.__file__, "")
