"""Schedules: scripts of commands, what they print, and the trees they build.

    text --Schedule.parse--> Schedule --build--> Tree --legality.check--> legal, or IllegalSchedule

``parse`` knows syntax only; loops and statements are looked up when a script is built on a program
with integer sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches

from loopstack.errors import ArgumentError, IllegalSchedule
from loopstack.ir.loop_tree import Tree, identity_tree
from loopstack.ir.program import Program
from loopstack.poly import legality
from loopstack.poly.legality import Violation
from loopstack.schedule.command import Command
from loopstack.schedule.commands import COMMANDS, NOT_AVAILABLE_YET
from loopstack.schedule.reach import reaches_too_far
from loopstack.schedule.words import Words

VERSION = 1


@dataclass(frozen=True)
class Schedule:
    """An immutable script. Two schedules are equal when their canonical texts are.

    ``lines`` are the 1-based source lines of the commands, for messages.
    """

    commands: tuple[Command, ...] = ()
    lines: tuple[int, ...] = field(default=(), compare=False, repr=False)

    @staticmethod
    def parse(text: str) -> Schedule:
        """Read a script. Raises ScheduleSyntaxError with line and column."""
        commands: list[Command] = []
        numbers: list[int] = []
        seen_version = False
        for number, line in enumerate(text.splitlines(), 1):
            code = line.partition("#")[0]
            if not code or code.isspace():
                continue
            words = Words(code, number)
            if not seen_version:
                _read_version(words)
                seen_version = True
                continue
            commands.append(_read_command(words))
            numbers.append(number)
        if not seen_version:
            Words("", 1).fail(f"expected schedule {VERSION}")
        return Schedule(tuple(commands), tuple(numbers))

    def append(self, command: Command | str) -> Schedule:
        """Return this script with one more command, given as a value or as a line of text."""
        if isinstance(command, str):
            command = read_line(command, len(self.commands) + 2)
        lines = [self.line(number) for number in range(len(self.commands))]
        following = max(lines, default=1) + 1
        return Schedule((*self.commands, command), (*lines, following))

    def line(self, number: int) -> int:
        """Return the source line of command ``number``, the canonical one when it has none."""
        return self.lines[number] if number < len(self.lines) else number + 2

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in (f"schedule {VERSION}", *map(str, self.commands)))


def read_line(text: str, number: int = 1) -> Command:
    """Return the command of one line. Raises ScheduleSyntaxError."""
    return _read_command(Words(text, number))


def apply(tree: Tree, command: Command) -> Tree:
    """Return ``tree`` edited by one command. Raises ArgumentError; dependences are not checked."""
    return command.apply(tree)


def build(schedule: Schedule, program: Program) -> Tree:
    """Return the tree a script makes of a program with integer sizes; legality is not checked.

    Raises ArgumentError that names the command when it does not fit the tree it meets, and
    IllegalSchedule for an ``inline`` that would change results.
    """
    if program.sizes:
        raise ArgumentError(
            f"a schedule needs integer sizes; bind {', '.join(program.sizes)} first"
        )
    tree = identity_tree(program)
    for number, command in enumerate(schedule.commands):
        try:
            tree = command.apply(tree)
        except (ArgumentError, IllegalSchedule) as error:
            raise _located(schedule, number, error) from None
    return tree


def check(schedule: Schedule, program: Program) -> Tree:
    """Return the tree a script makes of a program, proven to compute what the program computes.

    Raises IllegalSchedule with a witness; it names the command after which the violation stands.
    Raises ArgumentError for loops that run beyond 56 bits.
    """
    tree = build(schedule, program)
    if reaches_too_far(tree):
        raise _first_to_reach(schedule, program)
    violation = legality.check(tree)
    if violation is None:
        return tree
    number, violation = _introduced_by(schedule, program, violation)
    if number is None:
        raise IllegalSchedule(f"the program's own loops: {violation}", violation)
    where = _where(schedule, number)
    raise IllegalSchedule(f"{where}\n  {violation}", violation)


def _first_to_reach(schedule: Schedule, program: Program) -> ArgumentError | IllegalSchedule:
    """Return the error of the command after which loops run too far."""
    tree = identity_tree(program)
    for number, command in enumerate(schedule.commands):
        tree = command.apply(tree)
        statement = reaches_too_far(tree)
        if statement:
            text = f"the loops of {statement} run to values beyond 2**56"
            return _located(schedule, number, ArgumentError(text))
    return ArgumentError("the program's own loops run to values beyond 2**56")


def _introduced_by(
    schedule: Schedule, program: Program, final: Violation
) -> tuple[int | None, Violation]:
    """Return the command after which the tree is illegal for good, and what it violates."""
    trees = [identity_tree(program)]
    for command in schedule.commands:
        trees.append(command.apply(trees[-1]))
    violation = final
    for number in reversed(range(len(schedule.commands))):
        before = legality.check(trees[number])
        if before is None:
            return number, violation
        violation = before
    return None, violation


def _where(schedule: Schedule, number: int) -> str:
    return f"line {schedule.line(number)}: {schedule.commands[number]}"


def _located(
    schedule: Schedule, number: int, error: ArgumentError | IllegalSchedule
) -> ArgumentError | IllegalSchedule:
    text = f"{_where(schedule, number)}\n  {error}"
    if isinstance(error, IllegalSchedule):
        return IllegalSchedule(text, error.witness)
    return ArgumentError(text)


def _read_version(words: Words) -> None:
    if words.peek != "schedule":
        words.fail(f"expected schedule {VERSION}")
    words.next += 1
    if words.peek != str(VERSION):
        words.fail(f"expected version {VERSION}")
    words.next += 1
    words.end()


def _read_command(words: Words) -> Command:
    keyword = words.peek
    words.next = 1
    found = COMMANDS.get(keyword)
    if found is not None:
        command = found.parse(words)
        words.end()
        return command
    if keyword in NOT_AVAILABLE_YET:
        words.refuse(f"command {keyword} is not available yet", 0)
    close = get_close_matches(keyword, COMMANDS, n=1)
    hint = f" (did you mean {close[0]}?)" if close else f"; commands are {', '.join(COMMANDS)}"
    words.refuse(f"unknown command {keyword}{hint}", 0)
