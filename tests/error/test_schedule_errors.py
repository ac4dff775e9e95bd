"""What a user reads when a schedule is refused: the exact texts, in schedule_errors/*.txt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import programs
from harness import scheduled_programs as more
from harness.imperfect import carried_row
from harness.witnesses import Replay

from loopstack.errors import (
    ArgumentError,
    IllegalSchedule,
    LoopStackError,
    ScheduleSyntaxError,
)
from loopstack.poly import legality
from loopstack.poly.legality import Violation
from loopstack.schedule.script import Schedule, build, check

FOLDER = Path(__file__).with_name("schedule_errors")
CLASSES: dict[str, type[LoopStackError]] = {
    "syntax": ScheduleSyntaxError,
    "argument": ArgumentError,
    "illegal": IllegalSchedule,
}
PROGRAMS = {
    "matmul": programs.matmul().bind({"m": 8, "n": 8, "k": 8}),
    "softmax": programs.softmax().bind({"i": 4, "j": 8}),
    "blur": more.blur().bind({"n": 8}),
    "jacobi": programs.jacobi_1d().bind({"T": 3, "N": 8}),
    "pad": programs.pad_then_exp().bind({"n": 8}),
    "ordered": more.ordered_sum().bind({"m": 4, "n": 4, "k": 4}),
    "conv": more.conv_1d().bind({"o": 8, "r": 3}),
    "in_place": more.in_place().bind({"n": 4}),
    "seidel": more.seidel().bind({"T": 4, "N": 8}),
    "scaled": more.scaled_rows().bind({"n": 5}),
    "lu": programs.lu().bind({"N": 6}),
    "carried": carried_row().bind({"N": 4}),
    "overwritten": more.overwritten_input().bind({"n": 4}),
}


def cases() -> Iterator[tuple[str, str, str, str]]:
    """Yield (error class, program, script, message) for every block of every file."""
    for kind in CLASSES:
        for block in (FOLDER / f"{kind}.txt").read_text().split("\n\n")[1:]:
            lines = block.strip("\n").split("\n")
            script = [line[2:] for line in lines if line.startswith("| ")]
            message = "\n".join(lines[1 + len(script) :])
            yield kind, lines[0][2:], "\n".join(["schedule 1", *script]), message


@pytest.mark.parametrize(("kind", "program", "script", "message"), list(cases()))
def test_message(kind: str, program: str, script: str, message: str) -> None:
    with pytest.raises(CLASSES[kind]) as refused:
        check(Schedule.parse(script), PROGRAMS[program])
    assert str(refused.value) == message


@pytest.mark.parametrize("case", [case for case in cases() if case[0] == "illegal"])
def test_witnesses_are_true(case: tuple[str, str, str, str]) -> None:
    schedule, program = Schedule.parse(case[2]), PROGRAMS[case[1]]
    with pytest.raises(IllegalSchedule) as refused:
        check(schedule, program)
    witness = refused.value.witness
    if isinstance(witness, Violation):  # others are of commands that rewrite the program
        trees = [build(Schedule(schedule.commands[: n + 1]), program)
                 for n in range(len(schedule.commands))]  # fmt: skip
        (tree,) = [tree for tree in trees if legality.check(tree) == witness]
        Replay(tree, witness).check()


def test_syntax_errors_carry_their_position() -> None:
    with pytest.raises(ScheduleSyntaxError) as refused:
        Schedule.parse("schedule 1\n# a comment\nsplit C.m 4 -> mo mi\n")
    assert (refused.value.line, refused.value.column) == (3, 19)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: expected schedule 1, found the end of the line\n  \n  ^"),
        (
            "split C.m 4 -> a, b",
            "line 1, column 1: expected schedule 1, found split\n  split C.m 4 -> a, b\n  ^",
        ),
        (
            "schedule 2",
            "line 1, column 10: expected version 1, found 2\n  schedule 2\n           ^",
        ),
    ],
)
def test_the_first_line_is_the_version(text: str, message: str) -> None:
    with pytest.raises(ScheduleSyntaxError) as refused:
        Schedule.parse(text)
    assert str(refused.value) == message


def test_the_command_that_made_it_illegal_for_good_is_named() -> None:
    """Reversed twice, the time loop is as before: only running it in parallel is wrong."""
    script = "schedule 1\nreverse S0.t\nreverse S0.t\n\nparallelize S0.t # no\n"
    with pytest.raises(IllegalSchedule, match=r"\Aline 5: parallelize S0.t\n  output"):
        check(Schedule.parse(script), PROGRAMS["jacobi"])


def test_the_witness_travels_with_the_error() -> None:
    with pytest.raises(IllegalSchedule) as refused:
        check(Schedule.parse("schedule 1\nparallelize C.k"), PROGRAMS["matmul"])
    witness = refused.value.witness
    assert isinstance(witness, Violation)
    assert (witness.kind, witness.element, witness.loop) == ("reduction", "C[0, 0]", "C.k")
    assert (witness.source, witness.target) == ("C[m=0, n=0, k=0]", "C[m=0, n=0, k=1]")


def test_sizes_must_be_bound() -> None:
    with pytest.raises(ArgumentError) as refused:
        build(Schedule(), programs.matmul())
    assert str(refused.value) == "a schedule needs integer sizes; bind m, k, n first"
