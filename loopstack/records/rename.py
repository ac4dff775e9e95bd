"""Carry a script over to a program that is the same but for its names.

A record is found by what a program computes, so its script may speak of ``C.k`` where the caller's
program says ``out.q``. Statements, their indices and the arrays correspond by position.

    split C.k 512 -> kc, ki    ->    split out.q 512 -> kc, ki
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from loopstack.ir.program import Program, Statement

WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?")


def rename_script(script: str, source: Program, target: Program) -> str:
    """Return ``script``, written for ``source``, in the names of ``target``.

    Requires: both have one canonical form. Names that the script introduces are kept, or get a
    trailing underscore where the target uses them already.
    """
    if _names(source) == _names(target):
        return script
    return "\n".join(_line(line, source, target) for line in script.splitlines()) + "\n"


def _names(program: Program) -> tuple[object, ...]:
    statements = tuple((s.name, s.indices) for s in program.statements)
    return (statements, tuple(a.name for a in program.arrays))


def _line(line: str, source: Program, target: Program) -> str:
    code, mark, comment = line.partition("#")
    verb, _, rest = code.partition(" ")
    if verb == "schedule":
        return line
    words = {**_global_names(source, target), **_local_names(rest, source, target)}
    taken = {index for s in target.statements for index in s.indices}

    def change(match: re.Match[str]) -> str:
        owner, dot, loop = match[0].partition(".")
        if dot:
            return f"{words.get(owner, owner)}.{_loop(loop, _pair(owner, source, target), taken)}"
        return words.get(owner) or (f"{owner}_" if _is_new(owner, taken) else owner)

    return f"{verb} {WORD.sub(change, rest)}{mark}{comment}" if rest else line


KEYWORDS = frozenset(
    {"align", "as", "at", "guard", "in", "local", "mask", "pad", "peel", "registers", "shift"}
    | {"tail", "where"}
)


def _is_new(word: str, taken: set[str]) -> bool:
    return word in taken and word not in KEYWORDS


def _global_names(source: Program, target: Program) -> dict[str, str]:
    names = {a.name: b.name for a, b in zip(source.arrays, target.arrays)}
    return names | {a.name: b.name for a, b in zip(source.statements, target.statements)}


def _local_names(rest: str, source: Program, target: Program) -> Mapping[str, str]:
    """Bare indices in a line belong to the first statement it names."""
    owners = (match[0].partition(".")[0] for match in WORD.finditer(rest))
    pair = next(filter(None, (_pair(owner, source, target) for owner in owners)), None)
    return dict(zip(pair[0].indices, pair[1].indices)) if pair else {}


def _pair(name: str, source: Program, target: Program) -> tuple[Statement, Statement] | None:
    for a, b in zip(source.statements, target.statements):
        if a.name == name:
            return a, b
    return None


def _loop(loop: str, pair: tuple[Statement, Statement] | None, taken: set[str]) -> str:
    indices = dict(zip(pair[0].indices, pair[1].indices)) if pair else {}
    return indices.get(loop) or (f"{loop}_" if _is_new(loop, taken) else loop)
