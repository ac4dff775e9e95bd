"""Files and functions stay short; every module says what it is for."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_FILE_LINES = 600
MOST_FUNCTION_LINES = 150
MOST_USUAL_LINES = 40
USUAL_SHARE = 0.97  # of functions are within MOST_USUAL_LINES
MOST_MEDIAN_LINES = 8
FOLDERS = ("loopstack", "autoscheduler", "csrc", "bench", "tests")
_HEAD = re.compile(r"^[\w:<>,&*~\s\[\]]+?([\w:~]+)\s*\([^;]*\)[^;{]*\{\s*$")
_NOT_A_FUNCTION = re.compile(r"\s*(if|for|while|switch|else|namespace|struct|class|enum|do)\b")


def sources(*suffixes: str, folders: tuple[str, ...] = FOLDERS) -> list[Path]:
    found = (p for folder in folders for p in (ROOT / folder).rglob("*") if p.suffix in suffixes)
    return sorted(p for p in found if not is_table(p))


def is_table(path: Path) -> bool:
    """Tables are data: ``..._table.py`` or ``table_...``; goldens and results are not code."""
    data = {"golden", "results", "__pycache__"} & set(path.parts)
    return bool(data) or path.stem.endswith("_table") or path.stem.startswith("table_")


@cache
def functions(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return (name, first line, number of lines) of every function in a file."""
    return tuple(_functions(path))


def _functions(path: Path) -> Iterator[tuple[str, int, int]]:
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1
    else:
        yield from _cpp_functions(path.read_text().splitlines())


_LITERAL = re.compile(r"""'(\\.|[^'\\])'|"(\\.|[^"\\])*"|//.*""")


def _cpp_functions(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    lines = [_LITERAL.sub("0", line) for line in lines]
    for first, line in enumerate(lines):
        match = _HEAD.match(line) if line.endswith("{") else None
        if not match or _NOT_A_FUNCTION.match(line):
            continue
        depth = 0
        for last in range(first, len(lines)):
            depth += lines[last].count("{") - lines[last].count("}")
            if depth <= 0:
                yield match.group(1), first + 1, last - first + 1
                break


def describe(path: Path, line: int = 1) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_files_are_short():
    lengths = {p: p.read_text().count("\n") for p in sources(".py", ".cpp", ".hpp", ".h")}
    long = [f"{describe(p)} {n} lines" for p, n in lengths.items() if n > MOST_FILE_LINES]
    assert not long, "\n".join(long)


def test_no_function_is_long():
    long = [
        f"{describe(path, line)} {name} {size} lines"
        for path in sources(".py", ".cpp", ".hpp", ".h")
        for name, line, size in functions(path)
        if size > MOST_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("suffixes", [(".py",), (".cpp", ".hpp", ".h")])
def test_functions_are_short_as_a_rule(suffixes):
    folders = tuple(f for f in FOLDERS if f != "tests")
    found = [
        (size, describe(path, line), name)
        for path in sources(*suffixes, folders=folders)
        for name, line, size in functions(path)
    ]
    sizes = [size for size, _, _ in found]
    usual = sum(size <= MOST_USUAL_LINES for size in sizes)
    longest = "\n".join(f"{s} {where} {name}" for s, where, name in sorted(found)[-20:])
    assert statistics.median(sizes) <= MOST_MEDIAN_LINES, longest
    assert usual >= USUAL_SHARE * len(sizes), longest


def test_every_module_says_what_it_is_for():
    python = sources(".py", folders=("loopstack", "autoscheduler"))
    silent = [
        describe(path)
        for path in python
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    cpp = sources(".hpp", ".h", folders=("csrc",))
    silent += [describe(p) for p in cpp if not p.read_text().lstrip().startswith(("//", "/*"))]
    assert not silent, "\n".join(silent)


def test_no_drawers():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
    bad = [describe(p) for p in sources(".py", ".cpp", ".hpp", ".h") if p.stem in drawers]
    assert not bad, "\n".join(bad)
