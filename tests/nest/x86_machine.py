"""The state of an emulated x86-64 machine, its memory, and access to instruction operands."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from iced_x86 import Decoder, Instruction, OpKind, Register, RegisterExt

RETURN_ADDRESS = 0xFFFF_FFFF_0000
MASK64 = (1 << 64) - 1

Step = Callable[["Emulator"], "int | None"]
Lanes = Callable[["Emulator"], np.ndarray]
Maker = Callable[[Instruction], Step]


class MemoryFault(Exception):
    """An access outside every region."""


class UnknownInstruction(Exception):
    """An instruction the emulator does not implement."""


class Memory:
    """Disjoint byte ranges at fixed addresses."""

    def __init__(self) -> None:
        self.regions: list[tuple[int, bytearray]] = []

    def add(self, address: int, data: bytearray) -> None:
        self.regions.append((address, data))

    def _find(self, address: int, size: int) -> tuple[bytearray, int]:
        for start, data in self.regions:
            if start <= address and address + size <= start + len(data):
                return data, address - start
        raise MemoryFault(f"access to {size} bytes at {address:#x}")

    def read(self, address: int, size: int) -> bytes:
        data, at = self._find(address & MASK64, size)
        return bytes(data[at : at + size])

    def write(self, address: int, value: bytes) -> None:
        data, at = self._find(address & MASK64, len(value))
        data[at : at + len(value)] = value


@dataclass
class Emulator:
    """The machine's state. `hooks` are functions run instead of the code at an address."""

    memory: Memory
    compile: Maker
    gpr: list[int] = field(default_factory=lambda: [0] * 16)
    vec: np.ndarray = field(default_factory=lambda: np.zeros((32, 64), np.uint8))
    k: list[int] = field(default_factory=lambda: [0] * 8)
    zf: bool = False
    sf: bool = False
    of: bool = False
    cf: bool = False
    hooks: dict[int, Callable[[Emulator], None]] = field(default_factory=dict)
    cache: dict[int, tuple[Step, int]] = field(default_factory=dict)

    def call(self, address: int, *arguments: int) -> None:
        """Call a function with integer arguments; the callee-saved registers must come back."""
        for register, value in zip((7, 6, 2, 1, 8, 9), arguments):
            self.gpr[register] = value & MASK64
        saved = [self.gpr[r] for r in (3, 4, 5, 12, 13, 14, 15)]
        push(self, RETURN_ADDRESS)
        ip = address
        while ip != RETURN_ADDRESS:
            ip = self.step(ip)
        if saved != [self.gpr[r] for r in (3, 4, 5, 12, 13, 14, 15)]:
            raise AssertionError("callee-saved registers changed")

    def step(self, ip: int) -> int:
        if ip in self.hooks:
            self.hooks[ip](self)
            return pop(self)
        if ip not in self.cache:
            instruction = self.decode(ip)
            self.cache[ip] = (self.compile(instruction), instruction.next_ip)
        action, following = self.cache[ip]
        target = action(self)
        return following if target is None else target

    def decode(self, ip: int) -> Instruction:
        data, at = self.memory._find(ip, 1)
        return next(iter(Decoder(64, bytes(data[at : at + 15]), ip=ip)))


def push(e: Emulator, value: int) -> None:
    e.gpr[4] -= 8
    e.memory.write(e.gpr[4], struct.pack("<Q", value & MASK64))


def pop(e: Emulator) -> int:
    e.gpr[4] += 8
    return int(struct.unpack("<Q", e.memory.read(e.gpr[4] - 8, 8))[0])


def signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def address_of(i: Instruction) -> Callable[[Emulator], int]:
    disp = i.memory_displacement
    if i.is_ip_rel_memory_operand:
        return lambda e: disp
    base = RegisterExt.number(i.memory_base)
    index, scale = i.memory_index, i.memory_index_scale
    if index == Register.NONE or RegisterExt.is_vector_register(index):
        return lambda e: (e.gpr[base] + disp) & MASK64
    number = RegisterExt.number(index)
    return lambda e: (e.gpr[base] + e.gpr[number] * scale + disp) & MASK64


def reader(i: Instruction, n: int) -> Callable[[Emulator], int]:
    """Read general operand `n` as an unsigned integer."""
    kind = i.op_kind(n)
    if kind == OpKind.REGISTER:
        number, bits = RegisterExt.number(i.op_register(n)), 8 * RegisterExt.size(i.op_register(n))
        mask = (1 << bits) - 1
        return lambda e: e.gpr[number] & mask
    if kind == OpKind.MEMORY:
        at, size = address_of(i), general_bytes(i)
        return lambda e: int.from_bytes(e.memory.read(at(e), size), "little")
    value = i.immediate(n) & MASK64
    return lambda e: value


def writer(i: Instruction, n: int = 0) -> Callable[[Emulator, int], None]:
    if i.op_kind(n) == OpKind.REGISTER:
        number, bits = RegisterExt.number(i.op_register(n)), 8 * RegisterExt.size(i.op_register(n))
        mask = (1 << bits) - 1

        def write_register(e: Emulator, value: int) -> None:
            e.gpr[number] = value & mask

        return write_register
    at, size = address_of(i), general_bytes(i)

    def write_memory(e: Emulator, value: int) -> None:
        e.memory.write(at(e), (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))

    return write_memory


def general_bytes(i: Instruction) -> int:
    for n in range(i.op_count):
        if i.op_kind(n) == OpKind.REGISTER and RegisterExt.is_gpr(i.op_register(n)):
            return int(RegisterExt.size(i.op_register(n)))
    return 8


def vector_number(i: Instruction, n: int) -> int:
    return int(RegisterExt.number(i.op_register(n)))


def vector_bytes(i: Instruction, n: int = 0) -> int:
    return int(RegisterExt.size(i.op_register(n)))


def lane_mask(i: Instruction, lanes: int) -> Callable[[Emulator], np.ndarray] | None:
    if i.op_mask == Register.NONE:
        return None
    k = RegisterExt.number(i.op_mask)
    bits = np.arange(lanes, dtype=np.uint64)
    return lambda e: ((np.uint64(e.k[k]) >> bits) & np.uint64(1)).astype(bool)


def lanes_reader(
    i: Instruction, n: int, dtype: str, lanes: int
) -> Callable[[Emulator], np.ndarray]:
    """Read operand `n` as `lanes` elements; masked-off lanes of memory are not touched."""
    size = np.dtype(dtype).itemsize
    if i.op_kind(n) == OpKind.REGISTER:
        number = vector_number(i, n)
        return lambda e: e.vec[number].view(dtype)[:lanes].copy()
    at = address_of(i)
    if i.is_broadcast:
        return lambda e: np.repeat(np.frombuffer(e.memory.read(at(e), size), dtype), lanes)
    mask = lane_mask(i, lanes)
    if mask is None:
        return lambda e: np.frombuffer(e.memory.read(at(e), size * lanes), dtype).copy()

    def read_active(e: Emulator) -> np.ndarray:
        values = np.zeros(lanes, dtype)
        for lane in np.flatnonzero(mask(e)):
            values[lane] = np.frombuffer(e.memory.read(at(e) + int(lane) * size, size), dtype)[0]
        return values

    return read_active


def store_lanes(e: Emulator, number: int, values: np.ndarray) -> None:
    """Write a whole register: bytes above the values become zero."""
    raw = np.ascontiguousarray(values).view(np.uint8)
    e.vec[number] = 0
    e.vec[number][: raw.size] = raw


def lanes_writer(i: Instruction, dtype: str, lanes: int) -> Callable[[Emulator, np.ndarray], None]:
    """Write operand 0 under the instruction's opmask."""
    mask, zeroing = lane_mask(i, lanes), i.zeroing_masking
    size = np.dtype(dtype).itemsize
    if i.op_kind(0) == OpKind.REGISTER:
        number = vector_number(i, 0)

        def write_register(e: Emulator, values: np.ndarray) -> None:
            values = np.asarray(values, dtype)
            if mask is not None:
                old = np.zeros(lanes, dtype) if zeroing else e.vec[number].view(dtype)[:lanes]
                values = np.where(mask(e), values, old).astype(dtype)
            store_lanes(e, number, values)

        return write_register
    at = address_of(i)

    def write_memory(e: Emulator, values: np.ndarray) -> None:
        values = np.asarray(values, dtype)
        if mask is None:
            return e.memory.write(at(e), values.tobytes())
        for lane in np.flatnonzero(mask(e)):
            e.memory.write(at(e) + int(lane) * size, values[lane].tobytes())

    return write_memory
