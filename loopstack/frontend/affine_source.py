"""The source of a parsed function: its syntax tree, and where each piece of it stands.

Lines in the tree count from where the function's text begins; here they are turned into places in
the user's file.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from loopstack.diagnostics import Location, frontend_error, pointing_at
from loopstack.errors import FrontendError


@dataclass(frozen=True)
class Source:
    """One function: the Python object, its syntax tree, its text and its place in a file."""

    function: FunctionType
    tree: ast.FunctionDef
    text: str
    line_offset: int

    @property
    def filename(self) -> str:
        return self.function.__code__.co_filename

    def location(self, node: ast.AST) -> Location:
        """Return where ``node`` stands in the user's file."""
        line = getattr(node, "lineno", self.tree.lineno)
        first = getattr(node, "col_offset", 0)
        last = getattr(node, "end_col_offset", None)
        if getattr(node, "end_lineno", line) != line:
            last = None
        return Location(self.filename, line + self.line_offset, first, last)

    def line(self, node: ast.AST) -> int:
        return self.location(node).line

    def segment(self, node: ast.AST) -> str:
        """Return the user's text of ``node`` on one line."""
        return " ".join((ast.get_source_segment(self.text, node) or "").split())

    def error(self, node: ast.AST, message: str, hint: str | None = None) -> FrontendError:
        return frontend_error(message, self.location(node), hint)

    def pointing_at(self, node: ast.AST) -> AbstractContextManager[None]:
        """Let errors of shared code point at ``node``."""
        return pointing_at(self.location(node))


def read_source(function: Callable[..., Any], decorator: str) -> Source:
    """Return the source of a function. Raises FrontendError where there is none to read."""
    if not isinstance(function, FunctionType):
        raise frontend_error(
            f"{decorator} takes a Python function, found {type(function).__name__}"
        )
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise FrontendError(
            f"the source of {function.__name__} cannot be read: {decorator} parses the text of a "
            "function\n   = define it in a file, a notebook cell or a module"
        ) from None
    # Indented text is parsed below a line of ours, so that columns are those of the file.
    is_indented = lines[0][:1].isspace()
    text = "".join(["if True:\n", *lines] if is_indented else lines)
    tree = _definition(function, text, decorator)
    return Source(function, tree, text, first - (2 if is_indented else 1))


def _definition(function: FunctionType, text: str, decorator: str) -> ast.FunctionDef:
    try:
        node = ast.parse(text).body[0]
    except SyntaxError:
        node = ast.Pass()
    if isinstance(node, ast.If):
        node = node.body[0]
    if isinstance(node, ast.FunctionDef):
        return node
    raise FrontendError(
        f"{decorator} takes a function made with def, found {function.__name__} at "
        f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    )
