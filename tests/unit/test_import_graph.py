"""Imports run one way between the areas of the compiler; heavy ones happen on use."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "loopstack"

# frontend -> ir <- poly <- schedule <- lower <- runtime <- measure <- records
LEAVES = frozenset({"errors", "knobs"})
CHAIN = ("ir", "poly", "schedule", "lower", "runtime", "measure", "records")
ALLOWED: dict[str, frozenset[str]] = {
    **{area: frozenset(CHAIN[: i + 1]) | {"machine"} for i, area in enumerate(CHAIN)},
    "ir": frozenset({"ir"}),
    "frontend": frozenset({"frontend", "ir", "diagnostics"}),
    "reference": frozenset({"reference", "ir"}),
    "emit": frozenset({"emit", "ir"}),
    "machine": frozenset({"machine"}),
    "errors": frozenset(),
    "knobs": frozenset({"knobs"}),
    "diagnostics": frozenset({"diagnostics"}),
}
# The oracle and the views sit beside the chain: they are asked for results, on use.
ON_USE: dict[str, frozenset[str]] = {
    "measure": frozenset({"reference"}),
    "frontend": frozenset({"poly"}),
}
ON_TOP = frozenset({"cli", "interop", "api", "kernel", "kernel_function", "__init__"})
NATIVE = "_loopnest"
HEAVY = frozenset({"torch", "islpy", "typer", "rich"})
HEAVY_HOMES = {"torch": "interop", "islpy": "poly/isl.py", "typer": "cli", "rich": "cli"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def area(path: Path) -> str:
    """Return the area of a file: its folder, or its stem at top level."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


@cache
def imports(path: Path) -> tuple[tuple[str, int, bool], ...]:
    """Return (dotted module, line, at load) of every import that runs."""
    return tuple(_walk(ast.parse(path.read_text()).body, at_load=True))


def _walk(body: list[ast.stmt], at_load: bool) -> Iterator[tuple[str, int, bool]]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, at_load) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{a.name}", node.lineno, at_load) for a in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _walk(node.orelse, at_load)
        else:
            inside = at_load and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            for field in ("body", "orelse", "finalbody"):
                yield from _walk(getattr(node, field, []), inside)
            for handler in getattr(node, "handlers", []):
                yield from _walk(handler.body, inside)


def ours(dotted: str) -> str | None:
    """Return the area that ``loopstack.x.y`` names, or None for someone else's module."""
    parts = dotted.split(".")
    if parts[0] != "loopstack":
        return None
    return parts[1] if len(parts) > 1 else "__init__"


def test_arrows_run_one_way():
    wrong = []
    for path in modules():
        home = area(path)
        if home not in ALLOWED:
            continue
        for dotted, line, at_load in imports(path):
            target = ours(dotted)
            allowed = ALLOWED[home] | LEAVES | {home, NATIVE}
            if not at_load:
                allowed |= ON_USE.get(home, frozenset())
            if target is not None and target not in allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {home} -> {target} ({dotted})")
    assert not wrong, "\n".join(wrong)


def test_every_area_is_known():
    top = {area(path) for path in modules()}
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert folders & top <= set(ALLOWED) | ON_TOP


def test_the_compiler_does_not_name_the_autoscheduler():
    users = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules()
        for dotted, line, _ in imports(path)
        if dotted.split(".")[0] == "autoscheduler"
    ]
    assert not users


def test_heavy_modules_are_imported_on_use_and_at_home():
    wrong = []
    for path in modules():
        where = path.relative_to(PACKAGE).as_posix()
        for dotted, line, at_load in imports(path):
            root = dotted.split(".")[0]
            if root not in HEAVY:
                continue
            home = HEAVY_HOMES[root]
            inside = where == home or where.startswith(f"{home}/")
            if (root in ("torch", "islpy") and not inside) or (at_load and not inside):
                wrong.append(f"{where}:{line} imports {dotted}")
    assert not wrong, "\n".join(wrong)


def test_only_bindings_need_pybind11():
    csrc = ROOT / "csrc"
    sources = [p for p in csrc.rglob("*") if p.suffix in (".cpp", ".hpp", ".h")]
    users = {p.relative_to(csrc).parts[0] for p in sources if "<pybind11/" in p.read_text()}
    assert users <= {"bindings"}


def test_importing_loads_nothing_heavy():
    native = pytest.importorskip("loopstack._loopnest")
    home = Path(native.__file__).parents[1]
    code = f"import sys, loopstack; print(sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=home)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
