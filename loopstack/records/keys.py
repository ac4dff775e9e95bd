"""The identity of a record: everything that must be equal for a schedule to apply.

Two keys are equal when all fields are; the hash is an index, never the judge. The machine is not
in it: a record of another machine with the same instruction set still beats no record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopstack.ir.program import Program

Pairs = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class RecordKey:
    """``program`` is the canonical text: names do not matter in it, nor anywhere else here.

    ``sizes`` pairs canonical size names with values; ``strides`` (elements; only those that differ
    from C order) and ``dtypes`` pair argument positions. ``isa`` names the set of instructions that
    generated code may use.
    """

    program: str
    sizes: Pairs
    strides: Pairs
    dtypes: Pairs
    isa: str
    threads: int
    fp_mode: str

    @cached_property
    def digest(self) -> str:
        """A hash to look up by; equality is checked on the fields."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def text(self) -> str:
        """One line of JSON, the same for equal keys."""
        return json.dumps(self.to_json(), separators=(",", ":"), sort_keys=True)

    def to_json(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> RecordKey:
        return RecordKey(**{name: _frozen(entry) for name, entry in value.items()})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def make_key(
    program: Program,
    sizes: Mapping[str, int],
    isa: str,
    threads: int,
    strides: Mapping[str, tuple[int, ...]] | None = None,
) -> RecordKey:
    """Return the key of an unbound program at given sizes."""
    from loopstack.ir.canonical import canonical_sizes, program_key

    renamed = canonical_sizes(program)
    return RecordKey(
        program=program_key(program),
        sizes=tuple(sorted((renamed[name], int(value)) for name, value in sizes.items())),
        strides=_odd_strides(program.bind(dict(sizes)), strides or {}),
        dtypes=tuple((f"a{n}", a.dtype) for n, a in enumerate(program.arguments)),
        isa=isa,
        threads=threads,
        fp_mode="reassociate" if program.reassociate else "strict",
    )


def _odd_strides(program: Program, strides: Mapping[str, tuple[int, ...]]) -> Pairs:
    odd: list[tuple[str, Any]] = []
    for position, array in enumerate(program.arguments):
        given = tuple(strides.get(array.name, ()))
        if given and given != _dense_strides([form.evaluate({}) for form in array.shape]):
            odd.append((f"a{position}", given))
    return tuple(odd)


def _dense_strides(extents: list[int]) -> tuple[int, ...]:
    steps = [1] * len(extents)
    for axis in reversed(range(len(extents) - 1)):
        steps[axis] = steps[axis + 1] * max(extents[axis + 1], 1)
    return tuple(steps)
