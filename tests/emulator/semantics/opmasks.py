"""Opmask registers: moves, logic, tests, and exchange with vector signs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emulator.decoder import Decoded, mask_bits
from emulator.semantics.registry import I32, I64, Builder, Step, register

WIDTHS = {"b": 8, "w": 16, "d": 32, "q": 64}

LOGIC: dict[str, Callable[[int, int], int]] = {
    "kand": lambda a, b: a & b,
    "kandn": lambda a, b: ~a & b,
    "kor": lambda a, b: a | b,
    "kxor": lambda a, b: a ^ b,
    "kxnor": lambda a, b: ~(a ^ b),
}


def move(bits: int) -> Builder:
    """Build kmov between opmasks, general registers and memory; upper bits become zero."""

    def build(d: Decoded) -> Step:
        k, ones = d.state.k, (1 << bits) - 1
        get = d.integer(1) if not d.is_k(1) else _reader(k, d.number(1))
        if not d.is_k(0):
            put = d.integer_sink(0)
            return lambda: put(get() & ones)
        number = d.number(0)

        def step() -> None:
            k[number] = get() & ones

        return step

    return build


def _reader(k: list[int], number: int) -> Callable[[], int]:
    return lambda: k[number]


def binary(function: Callable[[int, int], int], bits: int) -> Builder:
    def build(d: Decoded) -> Step:
        k, to, a, b = d.state.k, d.number(0), d.number(1), d.number(2)

        def step() -> None:
            k[to] = function(k[a], k[b]) & ((1 << bits) - 1)

        return step

    return build


def invert(bits: int) -> Builder:
    def build(d: Decoded) -> Step:
        k, to, a = d.state.k, d.number(0), d.number(1)

        def step() -> None:
            k[to] = ~k[a] & ((1 << bits) - 1)

        return step

    return build


def shift(left: bool, bits: int) -> Builder:
    def build(d: Decoded) -> Step:
        k, to, a, count = d.state.k, d.number(0), d.number(1), d.immediate(2)
        ones = (1 << bits) - 1

        def step() -> None:
            value = k[a] & ones
            k[to] = (value << count if left else value >> count) & ones

        return step

    return build


def or_test(bits: int) -> Builder:
    """Build kortest: ZF when the union is empty, CF when it is full."""

    def build(d: Decoded) -> Step:
        state, a, b, ones = d.state, d.number(0), d.number(1), (1 << bits) - 1

        def step() -> None:
            union = (state.k[a] | state.k[b]) & ones
            state.zf, state.cf = int(union == 0), int(union == ones)
            state.sf = state.of = state.pf = 0

        return step

    return build


def to_vector(dtype: np.dtype) -> Builder:
    """Build vpmovm2*: lanes of all ones where the opmask has ones."""

    def build(d: Decoded) -> Step:
        lanes, k, number = d.width // dtype.itemsize, d.state.k, d.number(1)
        put = d.sink(0, dtype, lanes)
        return lambda: put(-mask_bits(k[number], lanes).astype(dtype))

    return build


def from_vector(dtype: np.dtype) -> Builder:
    """Build vpmov*2m: the signs of lanes."""

    def build(d: Decoded) -> Step:
        lanes = d.width // dtype.itemsize
        get, put = d.source(1, dtype, lanes), d.k_sink(0, lanes)
        return lambda: put(get() < 0)

    return build


for _letter, _bits in WIDTHS.items():
    register(move(_bits), f"kmov{_letter}")
    register(invert(_bits), f"knot{_letter}")
    register(shift(True, _bits), f"kshiftl{_letter}")
    register(shift(False, _bits), f"kshiftr{_letter}")
    register(or_test(_bits), f"kortest{_letter}")
    for _name, _function in LOGIC.items():
        register(binary(_function, _bits), f"{_name}{_letter}")
for _letter, _dtype in (("d", I32), ("q", I64)):
    register(to_vector(_dtype), f"vpmovm2{_letter}")
    register(from_vector(_dtype), f"vpmov{_letter}2m")
