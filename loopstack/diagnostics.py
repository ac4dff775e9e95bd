"""Point at the user's source: where an operator was applied, and the line with a caret.

An :class:`Origin` is cheap to take (a code object and an instruction offset) and is turned into a
file, line and column only when an error is shown.

    B has 2 dimensions (k n), found 3 subscripts
      --> model.py:12
       |
    12 |     return ls.sum(A[m, k] * B[k, n, m], over=k)
       |                             ^^^^^^^^^^
       = write B[.., ..]
"""

from __future__ import annotations

import itertools
import linecache
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import CodeType, FrameType

from loopstack.errors import FrontendError

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


@dataclass(frozen=True)
class Origin:
    """One place in a user's code; resolved on demand."""

    code: CodeType
    instruction: int

    def locate(self) -> Location:
        line, end_line, column, end_column = _position(self.code, self.instruction)
        if end_line != line:
            end_column = None
        return Location(self.code.co_filename, line, column, end_column)


@dataclass(frozen=True)
class Location:
    """``line`` is 1-based; ``column`` and ``end_column`` are 0-based byte offsets, or None."""

    filename: str
    line: int
    column: int | None = None
    end_column: int | None = None

    def locate(self) -> Location:
        return self


_POINTED_AT: ContextVar[Location | None] = ContextVar("pointed_at", default=None)


@contextmanager
def pointing_at(place: Location) -> Iterator[None]:
    """Let errors point at ``place``: for code that is parsed, and has no frame of its own."""
    token = _POINTED_AT.set(place)
    try:
        yield
    finally:
        _POINTED_AT.reset(token)


def user_origin() -> Origin | Location | None:
    """Return what is pointed at, else where the innermost frame outside LoopStack is executing."""
    place = _POINTED_AT.get()
    if place is not None:
        return place
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return None if frame is None else Origin(frame.f_code, frame.f_lasti)


@dataclass(frozen=True)
class Signature:
    """The ``def`` line of a function, or what a regular expression finds in its signature."""

    code: CodeType
    pattern: str | None = None

    def locate(self) -> Location:
        """Return the place; decorators are passed over, and without source there is no column."""
        filename = self.code.co_filename
        start = self._first_line()
        for line in range(start, max(self._body_line(start), start + 1)):
            text = linecache.getline(filename, line)
            found = re.search(self.pattern, text) if self.pattern else None
            if found is not None:
                return Location(filename, line, *(len(text[:n].encode()) for n in found.span()))
        return Location(filename, start)

    def _first_line(self) -> int:
        first = self.code.co_firstlineno
        for line in range(first, self._body_line(first) + 1):
            if re.match(r"\s*(async\s+)?def\b", linecache.getline(self.code.co_filename, line)):
                return line
        return first

    def _body_line(self, start: int) -> int:
        """Return the first line of the body: the least one after ``start`` that has code."""
        lines = [line for _, _, line in self.code.co_lines() if line is not None and line > start]
        return min(lines, default=start + 1)


def _position(code: CodeType, instruction: int) -> tuple[int, int | None, int | None, int | None]:
    positions = getattr(code, "co_positions", None)
    if positions is not None:
        line, end_line, column, end = next(
            itertools.islice(positions(), instruction // 2, None), (None, None, None, None)
        )
        if line is not None:
            return line, end_line, column, end
    return _line_only(code, instruction), None, None, None


def _line_only(code: CodeType, instruction: int) -> int:
    for start, stop, line in code.co_lines():
        if start <= instruction < stop and line is not None:
            return line
    return code.co_firstlineno


def render(message: str, location: Location | None, hint: str | None = None) -> str:
    """Return ``message`` followed by the source line, a caret, and what to try."""
    parts = [message]
    if location is not None:
        parts.append(f"  --> {location.filename}:{location.line}")
        parts += _excerpt(location)
    if hint:
        parts.append(f"   = {hint}")
    return "\n".join(parts)


def _excerpt(location: Location) -> list[str]:
    source = linecache.getline(location.filename, location.line).rstrip("\n")
    if not source.strip():
        return []
    number = str(location.line)
    margin = " " * len(number)
    lines = [f"{margin} |", f"{number} | {source}"]
    if location.column is not None:
        lines.append(f"{margin} | {_underline(source, location.column, location.end_column)}")
    return lines


def _underline(source: str, column: int, end_column: int | None) -> str:
    """Return blanks and carets below ``source``; columns arrive as UTF-8 byte offsets."""
    data = source.encode()
    start = len(data[:column].decode(errors="replace"))
    stop = len(data[: end_column or column + 1].decode(errors="replace"))
    indent = "".join("\t" if c == "\t" else " " for c in source[:start])
    return indent + "^" * max(1, stop - start)


def frontend_error(
    message: str, where: Origin | Location | Signature | None = None, hint: str | None = None
) -> FrontendError:
    """Return a FrontendError at ``where`` (default: the user's current line)."""
    place = where or user_origin()
    location = None if place is None else place.locate()
    text = render(message, location, hint)
    if location is None:
        return FrontendError(text)
    return FrontendError(text, line=location.line, caret=location.column)
