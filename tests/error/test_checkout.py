"""Importing in a source checkout that was never built: the installed package, or one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import loopstack

PACKAGE = Path(loopstack.__file__).parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the package's own first files and no compiled part."""
    folder = tmp_path / "clone" / "loopstack"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "checkout.py"):
        shutil.copy(PACKAGE / name, folder)
    return folder.parent


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder that holds what looks like an installed package."""
    folder = tmp_path / "installed" / "loopstack"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "api.py").write_text(
        "affine = einsum = emit_c = emit_numpy = get_num_threads = isa = isl = kernel = None\n"
        "pluto = scalar = set_num_threads = None\n"
    )
    (folder / f"_loopnest{EXTENSION_SUFFIXES[0]}").write_text("")
    return folder.parent


def run(words: list[str], checkout: Path, path: str) -> subprocess.CompletedProcess[str]:
    unsafe = {n: v for n, v in os.environ.items() if n != "PYTHONSAFEPATH"}
    return subprocess.run(
        [sys.executable, "-S", *words],
        cwd=checkout, env={**unsafe, "PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip


def test_without_an_installed_package_one_sentence_says_what_to_do(checkout: Path) -> None:
    done = run(["-c", "import loopstack"], checkout, "")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: {checkout} is a source checkout of LoopStack without its compiled part, and "
        f"no other LoopStack is installed: run `pip install {checkout}` first."
    )
    assert "circular" not in done.stderr


@pytest.mark.parametrize(
    "code", ["import loopstack as ls", "import loopstack.api, loopstack as ls"]
)
def test_an_installed_package_is_found(checkout: Path, installed: Path, code: str) -> None:
    show = f"{code}; import sys; print(sys.modules['loopstack'].__file__, ls.__file__)"
    done = run(["-c", show], checkout, str(installed))
    assert done.stderr == ""
    assert done.stdout.split() == [str(installed / "loopstack" / "__init__.py")] * 2


def test_modules_of_the_checkout_stay_importable(checkout: Path, installed: Path) -> None:
    (checkout / "mine.py").write_text("import loopstack\n")
    done = run(["-c", "import loopstack, mine; print(mine.__file__)"], checkout, str(installed))
    assert (done.stdout.strip(), done.stderr) == (str(checkout / "mine.py"), "")
