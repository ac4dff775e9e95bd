"""What every schedule command is: a frozen value that parses, prints, and edits a tree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from loopstack.ir.loop_tree import Tree
from loopstack.schedule.words import Words


class Command(ABC):
    """One line of a schedule. Subclasses are frozen dataclasses whose fields are the line's words.

    ``apply`` never checks dependences: ``loopstack.poly.legality`` judges the tree that results.
    """

    keyword: ClassVar[str]

    @classmethod
    @abstractmethod
    def parse(cls, words: Words) -> Command:
        """Read the words after the keyword. Raises ScheduleSyntaxError."""

    @abstractmethod
    def apply(self, tree: Tree) -> Tree:
        """Return the edited tree. Raises ArgumentError when the request does not fit the tree."""

    @abstractmethod
    def __str__(self) -> str:
        """Return the canonical line."""


def options_text(**values: object) -> str:
    """Return `` key=value`` for every value that is given."""
    return "".join(f" {key}={value}" for key, value in values.items() if value is not None)
