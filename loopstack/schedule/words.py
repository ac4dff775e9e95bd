"""The words of one schedule line, read from left to right; every refusal says where it stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from loopstack.errors import ScheduleSyntaxError
from loopstack.ir.affine import Affine, affine
from loopstack.ir.affine import name as form_of

_WORD = re.compile(
    r"->|[A-Za-z_][\w.]*|-?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|inf\b)|[\[\],=+*]|-(?=[A-Za-z_])|\S+?(?=[\s\[\],=+*]|$)"
)
_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")
_LOOP = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+\Z")
_INTEGER = re.compile(r"-?\d+\Z")
Number = int | float
LARGEST_INTEGER = 2**31 - 1
"""Bounds and addresses made of factors and distances stay within 64 bits, and so do their sums."""


class Words:
    """A cursor over the words of a line. Raises ScheduleSyntaxError with line and column."""

    def __init__(self, text: str, line: int) -> None:
        self.text = text
        self.line = line
        self.words = _WORD.findall(text)
        self.next = 0

    # ---- one word ---------------------------------------------------------------------------
    @property
    def peek(self) -> str:
        """The next word, empty at the end of the line."""
        return self.words[self.next] if self.next < len(self.words) else ""

    def take(self, pattern: re.Pattern[str], wanted: str) -> str:
        word = self.peek
        if not pattern.match(word):
            self.fail(f"expected {wanted}")
        self.next += 1
        return word

    def loop(self) -> str:
        """Read a loop, ``Statement.index``."""
        return self.take(_LOOP, "a loop such as C.n")

    def dotted(self, wanted: str) -> str:
        """Read a name that may contain dots, such as a statement."""
        return self.take(_DOTTED, wanted)

    def name(self, wanted: str = "a new name") -> str:
        return self.take(_NAME, wanted)

    def integer(self, wanted: str = "an integer") -> int:
        word = self.peek
        if _INTEGER.match(word) and (len(word) > 11 or abs(int(word)) > LARGEST_INTEGER):
            self.fail(f"expected {wanted} of at most {LARGEST_INTEGER}")
        return int(self.take(_INTEGER, wanted))

    def number(self) -> Number:
        word = self.peek
        if _INTEGER.match(word):
            self.next += 1
            return int(word)
        try:
            value = float(word)
        except ValueError:
            self.fail("expected a number")
        self.next += 1
        return value

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            self.fail(f"expected {mark}")

    def accept(self, mark: str) -> bool:
        if self.peek != mark:
            return False
        self.next += 1
        return True

    # ---- several words ----------------------------------------------------------------------
    def names(self, wanted: str = "a new name") -> tuple[str, ...]:
        """Read one or more names separated by commas."""
        found = [self.name(wanted)]
        while self.accept(","):
            found.append(self.name(wanted))
        return tuple(found)

    def options(self, readers: Mapping[str, Callable[[Words], Any]]) -> dict[str, Any]:
        """Read ``key=value`` words up to the end of the line; absent options are left out."""
        found: dict[str, Any] = {}
        while self.peek:
            key = self.peek
            if key not in readers or key in found:
                allowed = " or ".join(f"{k}=" for k in readers if k not in found)
                self.fail(f"expected {allowed or 'the end of the line'}")
            self.next += 1
            self.expect("=")
            found[key] = readers[key](self)
        return found

    def choice(self, *allowed: str) -> str:
        if self.peek not in allowed:
            self.fail(f"expected {' or '.join(allowed)}")
        self.next += 1
        return allowed[allowed.index(self.words[self.next - 1])]

    def end(self) -> None:
        if self.peek:
            self.fail("expected the end of the line")

    def form(self) -> Affine:
        """Read an affine form over names, such as ``2*t + i - 3``."""
        total = self._term("an affine form such as 2*t + i")
        while self.peek:
            if self.accept("+"):
                total = total + self._term("a term")
            elif self.accept("-"):
                total = total - self._term("a term")
            elif self.peek[0] == "-" and _INTEGER.match(self.peek):
                total = total + self._term("a term")
            else:
                break
        return total

    def _term(self, wanted: str) -> Affine:
        if self.accept("-"):
            return -self._term(wanted)
        if not _INTEGER.match(self.peek):
            return form_of(self.name(wanted))
        factor = self.integer()
        if self.accept("*"):
            return form_of(self.name("a loop")) * factor
        return affine(factor)

    # ---- refusals ---------------------------------------------------------------------------
    def fail(self, message: str) -> NoReturn:
        """Raise at the next word: what was expected, what is there, the line and a caret."""
        found = self.peek or "the end of the line"
        self.refuse(f"{message}, found {found}", self.next)

    def refuse(self, message: str, word: int) -> NoReturn:
        """Raise ``message`` at word number ``word``."""
        columns = [m.start() for m in _WORD.finditer(self.text)]
        column = columns[word] if word < len(columns) else len(self.text.rstrip())
        where = f"line {self.line}, column {column + 1}"
        picture = f"  {self.text.rstrip()}\n  {' ' * column}^"
        raise ScheduleSyntaxError(f"{where}: {message}\n{picture}", self.line, column + 1)
