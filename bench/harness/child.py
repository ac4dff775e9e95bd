"""The process that measures: ``python -m bench.harness.child``, one per thread count.

Reads one JSON object of options on standard input, writes one JSON line per row.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from loopstack.errors import LoopStackError
from loopstack.measure.worker import prefer_steady_scheduling

SUITES = Path(__file__).resolve().parents[1] / "suites"


def load_suite(name: str) -> ModuleType:
    """Import a suite by path."""
    spec = importlib.util.spec_from_file_location(f"suite_{name}", SUITES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def suite_names() -> list[str]:
    return sorted(path.stem for path in SUITES.glob("*.py") if path.stem != "__init__")


def main() -> None:
    """Measure every row that the options ask for."""
    options = json.load(sys.stdin)
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever libraries print goes to standard error
    steady = prefer_steady_scheduling()
    for answer in measure(options):
        results.write(json.dumps({**answer, "steady": steady}) + "\n")
        results.flush()


def measure(options: dict[str, Any]) -> Any:
    """Yield one JSON value a row; a row that fails says why instead of ending the run."""
    from bench.harness.rows import measure_row

    for row in load_suite(options["suite"]).ROWS:
        if options["quick"] and not row["quick"]:
            continue
        for constant in (False, True) if row["constant"] else (False,):
            try:
                yield measure_row(
                    options["suite"], row, options["threads"], options["quick"],
                    options["search"], constant,
                ).to_json()  # fmt: skip
            except LoopStackError as error:
                kind = "constant " if constant else ""
                yield {"failed": f"{kind}{row['name']}: {type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
