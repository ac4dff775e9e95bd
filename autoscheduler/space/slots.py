"""Slots: the questions a template asks, each with a short ordered list of answers.

An assignment maps slot names to answers. Choices are plain JSON values, so that an assignment can
be stored and a later search can go on from it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Choice = Any
Assignment = dict[str, Choice]


@dataclass(frozen=True)
class Slot:
    """``choices`` are ordered where order means something: a mutation prefers a neighbour."""

    name: str
    choices: tuple[Choice, ...]
    ordered: bool = True
    default: Choice = None

    def first(self) -> Choice:
        return self.default if self.default in self.choices else self.choices[0]


def draw(slots: Sequence[Slot], rng: random.Random) -> Assignment:
    """Answer every slot at random."""
    return {slot.name: rng.choice(slot.choices) for slot in slots}


def defaults(slots: Sequence[Slot]) -> Assignment:
    """Answer every slot with its default."""
    return {slot.name: slot.first() for slot in slots}


def mutate(slots: Sequence[Slot], parent: Mapping[str, Choice], rng: random.Random) -> Assignment:
    """Change one slot, sometimes two or three; ordered slots mostly step to a neighbour."""
    child = complete(slots, parent)
    open_slots = [slot for slot in slots if len(slot.choices) > 1]
    if not open_slots:
        return child
    count = min(rng.choices((1, 2, 3), weights=(6, 3, 1))[0], len(open_slots))
    for slot in rng.sample(open_slots, count):
        child[slot.name] = _another(slot, child[slot.name], rng)
    return child


def draw_near(
    slots: Sequence[Slot], parent: Mapping[str, Choice], rng: random.Random, rounds: int
) -> Assignment:
    """Change ``parent`` a few times over."""
    child = dict(parent)
    for _ in range(rounds):
        child.update(mutate(slots, child, rng))
    return child


def _another(slot: Slot, current: Choice, rng: random.Random) -> Choice:
    at = slot.choices.index(current)
    if slot.ordered and rng.random() < 0.7:
        near = [i for i in (at - 1, at + 1) if 0 <= i < len(slot.choices)]
        return slot.choices[rng.choice(near)]
    return rng.choice([c for i, c in enumerate(slot.choices) if i != at])


def cross(
    slots: Sequence[Slot],
    one: Mapping[str, Choice],
    other: Mapping[str, Choice],
    rng: random.Random,
) -> Assignment:
    """Take each answer from one of two parents."""
    a, b = complete(slots, one), complete(slots, other)
    return {slot.name: (a if rng.random() < 0.5 else b)[slot.name] for slot in slots}


def complete(slots: Sequence[Slot], known: Mapping[str, Choice]) -> Assignment:
    """Return an answer for every slot: the known one where it is still a choice."""
    return {
        slot.name: known[slot.name]
        if slot.name in known and known[slot.name] in slot.choices
        else slot.first()
        for slot in slots
    }
