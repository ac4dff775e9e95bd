"""Sweeps over the instruction table, with the text a disassembler must answer for each case.

The text is built here from operand names, never from encoded bytes: it is the independent side of
the decode test. It follows the NASM style of iced-x86 with explicit sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

R64 = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16))]
R32 = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", *(f"r{n}d" for n in range(8, 16))]
R8 = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", *(f"r{n}b" for n in range(8, 16))]

SIZE_WORDS = {1: "byte", 2: "word", 4: "dword", 8: "qword", 16: "oword", 32: "yword", 64: "zword"}
VECTOR_BYTES = {"xmm": 16, "ymm": 32, "zmm": 64}
TEXT_NAMES = {"mov8": "mov", "movzx8": "movzx", "movsx8": "movsx"}

LOW_REGISTERS = [(1, 2, 3, 4), (7, 8, 9, 10), (15, 14, 13, 12), (8, 1, 15, 0), (0, 11, 4, 9)]
EVEX_REGISTERS = [(17, 2, 3, 4), (1, 18, 3, 4), (1, 2, 24, 4), (31, 30, 29, 28), (16, 23, 8, 15)]
BASES = [0, 3, 4, 5, 7, 8, 12, 13, 15]
INDICES = [-1, 0, 5, 9, 12, 13, 15]
MASKS = [(1, False), (7, True), (5, False)]


@dataclass(frozen=True)
class Case:
    """One call of ``encode`` and what it must decode to."""

    mnemonic: str
    operands: tuple[tuple[str, Any], ...]
    text: str
    encoding: str
    k: int = 0
    zero: bool = False
    displacement_bytes: int | None = field(default=None)


def cases(row: Row) -> Iterator[Case]:
    """Yield the sweep of one form: registers, then addresses, with masks and broadcasts."""
    if any("label" in operand["kinds"] for operand in row["operands"]):
        return
    yield from _register_cases(row)
    yield from _memory_cases(row)


def _kinds(row: Row, memory: bool) -> list[str] | None:
    """Choose one kind per operand; None when the form has no variant (without) memory."""
    chosen = []
    for operand in row["operands"]:
        kinds = operand["kinds"]
        wanted = [kind for kind in kinds if (kind == "mem") == memory]
        chosen.append((wanted or kinds)[0] if "mem" in kinds else kinds[0])
    return chosen if ("mem" in chosen) == memory else None


def _masks(row: Row, kinds: list[str], forced: bool) -> list[tuple[int, bool]]:
    """Opmasks to try; ``forced`` when nothing else asks for EVEX."""
    if row["masks"] == "none":
        return [] if forced else [(0, False)]
    if row["masks"] == "required":
        return [(1, False), (7, False)]
    can_zero = kinds[0] in VECTOR_BYTES
    masks = [(k, zero and can_zero) for k, zero in MASKS]
    return masks if forced else [(0, False), *masks]


def _needs_evex(kinds: list[str], numbers: tuple[int, ...]) -> bool:
    return any(
        kind == "zmm" or (kind in VECTOR_BYTES and number > 15)
        for kind, number in zip(kinds, numbers, strict=False)
    )


def _signature(row: Row) -> tuple[str, ...]:
    return tuple("/".join(operand["kinds"]) for operand in row["operands"])


def vex_signatures(rows: list[Row]) -> set[tuple[str, ...]]:
    """Return the forms that exist under VEX: with plain operands those are chosen, not EVEX."""
    return {(row["mnemonic"], *_signature(row)) for row in rows if row["encoding"] == "vex"}


def _register_cases(row: Row) -> Iterator[Case]:
    kinds = _kinds(row, memory=False)
    if kinds is None:
        return
    evex = row["encoding"] == "evex"
    for numbers in LOW_REGISTERS + (EVEX_REGISTERS if evex else []):
        forced = evex and row["has_vex_twin"] and not _needs_evex(kinds, numbers)
        for k, zero in _masks(row, kinds, forced):
            operands = [
                _operand(row, i, kind, numbers[i], numbers[0]) for i, kind in enumerate(kinds)
            ]
            yield _case(row, operands, k, zero)


def _memory_cases(row: Row) -> Iterator[Case]:
    kinds = _kinds(row, memory=True)
    if kinds is None or _is_unreachable_from_memory(row):
        return
    for turn, memory in enumerate(_addresses(row)):
        evex = row["encoding"] == "evex"
        numbers = (EVEX_REGISTERS if evex else LOW_REGISTERS)[turn % 5]
        operands = [
            ("mem", memory) if kind == "mem" else _operand(row, i, kind, numbers[i], numbers[0])
            for i, kind in enumerate(kinds)
        ]
        asks = _needs_evex(kinds, numbers) or memory["broadcast"] or _high_index(memory)
        forced = evex and row["has_vex_twin"] and not asks
        masks = _masks(row, kinds, forced)
        if masks and _gather_is_legal(row, operands):
            yield _case(row, operands, *masks[turn % len(masks)])


def _is_unreachable_from_memory(row: Row) -> bool:
    """Memory alone cannot tell these sizes apart: 64 bits, and 32 bytes into xmm, are meant."""
    classes = [operand["class"] for operand in row["operands"]]
    narrowing = row["size_bits"] == 128 and classes == ["H", "VM"]
    return narrowing or (row["size_bits"] == 32 and "RM" in classes and "R" not in classes)


def _high_index(memory: dict[str, Any]) -> bool:
    return memory["index_kind"] == "zmm" or (
        memory["index_kind"] in VECTOR_BYTES and memory["index"] > 15
    )


def _gather_is_legal(row: Row, operands: list[tuple[str, Any]]) -> bool:
    if "gather" not in row["mnemonic"]:
        return True
    numbers = [value["index"] if kind == "mem" else value for kind, value in operands]
    return len(set(numbers)) == len(numbers)


def _addresses(row: Row) -> Iterator[dict[str, Any]]:
    unit = row["memory_bytes"]
    index_kind = next((o["index_kind"] for o in row["operands"] if "index_kind" in o), "r64")
    displacements = [0, 1, 127, -128, 128, unit, -unit, 127 * unit, -128 * unit, 128 * unit]
    displacements += [unit + 1, 0x12345678, -0x80000000, 0x7FFFFFFF]
    for turn in range(28):
        broadcast = row["broadcast_bytes"] > 0 and turn % 3 == 1
        displacement = displacements[turn % len(displacements)]
        if broadcast and turn % 2:
            displacement = [4, 8, -512, -1024, 127 * 8, 127 * 4][turn % 6]
        yield {
            "base": BASES[turn % len(BASES)],
            "index": _index(index_kind, turn, row["encoding"] == "evex"),
            "scale": [1, 2, 4, 8][turn % 4],
            "disp": displacement,
            "index_kind": index_kind,
            "broadcast": broadcast,
        }


def _index(kind: str, turn: int, evex: bool) -> int:
    if kind == "r64":
        return INDICES[turn % len(INDICES)]
    return ([5, 12, 20, 25, 4] if evex else [5, 6, 11, 4])[turn % (5 if evex else 4)]


def _operand(row: Row, i: int, kind: str, number: int, first: int) -> tuple[str, Any]:
    operand_class = row["operands"][i]["class"]
    if kind == "imm":
        return ("imm", _immediate(operand_class, number))
    if kind == "k":
        return ("k", number % 8)
    if operand_class == "CL":
        return (kind, 1)
    return (kind, number % 16 if kind in ("r64", "r32") else number)


def _immediate(operand_class: str, seed: int) -> int:
    """A value only this class of immediate fits, so that the form under test is the one chosen."""
    wide = {"S32": -0x1234567 * (seed + 1), "U32": 0xFFFFFF00 + seed, "I64": (1 << 62) + seed}
    narrow = {"S8": seed - 9, "I8": (37 * seed) % 256}
    return {**wide, **narrow}[operand_class]


def _case(row: Row, operands: list[tuple[str, Any]], k: int, zero: bool) -> Case:
    texts = [_text(row, i, *operand) for i, operand in enumerate(operands)]
    if k:
        texts[0] += f"{{k{k}}}" + ("{z}" if zero else "")
    mnemonic = row["mnemonic"]
    text = f"{TEXT_NAMES.get(mnemonic, mnemonic)} {', '.join(texts)}".strip()
    memory = next((value for kind, value in operands if kind == "mem"), None)
    displacement = None if memory is None else _displacement_bytes(row, memory)
    return Case(mnemonic, tuple(operands), text, row["encoding"], k, zero, displacement)


def _displacement_bytes(row: Row, memory: dict[str, Any]) -> int:
    unit = 1
    if row["encoding"] == "evex":
        unit = row["broadcast_bytes"] if memory["broadcast"] else row["memory_bytes"]
    displacement = memory["disp"]
    if displacement == 0 and memory["base"] % 8 != 5:
        return 0
    return 1 if displacement % unit == 0 and -128 <= displacement // unit <= 127 else 4


def _text(row: Row, i: int, kind: str, value: Any) -> str:
    operand_class = row["operands"][i]["class"]
    if kind == "mem":
        return _memory_text(row, value)
    if kind == "imm":
        return hex(value & _immediate_mask(row, operand_class))
    if operand_class in ("R8", "R8M", "CL"):
        return R8[value]
    names = {"r64": R64, "r32": R32}
    return names[kind][value] if kind in names else f"{kind}{value}"


def _immediate_mask(row: Row, operand_class: str) -> int:
    """Sign-extended immediates are shown at the width of the operation, others at their own."""
    bits = {"I8": 8, "U32": 32, "I64": 64}.get(operand_class)
    return (1 << (bits or row["size_bits"])) - 1


def _memory_text(row: Row, memory: dict[str, Any]) -> str:
    base, index, displacement = memory["base"], memory["index"], memory["disp"]
    text = R64[base]
    if index >= 0:
        kind = memory["index_kind"]
        name = R64[index] if kind == "r64" else f"{kind}{index}"
        text += f"+{name}*{memory['scale']}"
    if displacement:
        text += f"{'-' if displacement < 0 else '+'}{abs(displacement):#x}"
    size, suffix = row["memory_bytes"], ""
    if memory["broadcast"]:
        suffix = f"{{1to{size // row['broadcast_bytes']}}}"
        size = row["broadcast_bytes"]
    word = "" if row["mnemonic"] in ("lea", "prefetchw") else SIZE_WORDS[size] + " "
    return f"{word}[{text}]{suffix}"
