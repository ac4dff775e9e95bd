"""Compare text with a stored file; ``pytest --update-golden`` stores it anew."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Golden:
    """``golden(text, "matmul.c")`` compares with ``tests/golden/<test file>/matmul.c``."""

    folder: Path
    update: bool

    def __call__(self, text: str, file_name: str) -> None:
        path = self.folder / file_name
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return
        if not path.exists():
            pytest.fail(
                f"no golden {path}: look at the text, then run with --update-golden\n{text}"
            )
        wanted = path.read_text()
        if text != wanted:
            lines = (wanted.splitlines(), text.splitlines())
            diff = difflib.unified_diff(*lines, "golden", "found", lineterm="")
            pytest.fail(f"{path} differs:\n" + "\n".join(diff), pytrace=False)
