"""Malformed nests: each file ends with ``# error LINE:COLUMN: TEXT``, all that is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.nest_case import NESTS

from loopstack import _loopnest

FILES = sorted((NESTS / "errors").glob("*.nest"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_error(path: Path, isa: str) -> None:
    text = path.read_text()
    with pytest.raises(_loopnest.NestError) as caught:
        _loopnest.compile(text, isa)
    error = caught.value
    assert f"# error {error.line}:{error.column}: {error}" == text.splitlines()[-1]
