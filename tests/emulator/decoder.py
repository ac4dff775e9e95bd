"""From an iced-x86 instruction to accessors of its operands.

Everything that can be known before running is settled here once: register views, address terms,
masks. The semantics then combine accessors into one closure.
"""

from __future__ import annotations

from collections.abc import Callable

import iced_x86 as iced
import numpy as np

from emulator.memory import AccessViolation, Memory
from emulator.state import MASK64, State

Get = Callable[[], np.ndarray]
Put = Callable[[np.ndarray], None]

_K_NUMBERS = {getattr(iced.Register, f"K{n}"): n for n in range(8)}
_NAMES = {
    value: name.lower()
    for name, value in vars(iced.Mnemonic).items()
    if isinstance(value, int) and name.isupper()
}
_IMMEDIATES = {
    getattr(iced.OpKind, name) for name in vars(iced.OpKind) if name.startswith("IMMEDIATE")
}
_BRANCHES = {iced.OpKind.NEAR_BRANCH16, iced.OpKind.NEAR_BRANCH32, iced.OpKind.NEAR_BRANCH64}


def mask_bits(value: int, lanes: int) -> np.ndarray:
    """Expand the low ``lanes`` bits to an array of bool."""
    bits = np.frombuffer((value & MASK64).to_bytes(8, "little"), np.uint8)
    return np.unpackbits(bits, count=lanes, bitorder="little").astype(bool)


def bits_of(lanes: np.ndarray) -> int:
    """Pack an array of truth values into an integer, lane 0 lowest."""
    return int.from_bytes(np.packbits(lanes, bitorder="little").tobytes(), "little")


class Decoded:
    """One instruction at one address, with accessors bound to a state and a memory."""

    def __init__(self, state: State, memory: Memory, instruction: iced.Instruction) -> None:
        self.state, self.memory, self.raw = state, memory, instruction
        self.name = _NAMES[instruction.mnemonic]
        self.next_ip = instruction.next_ip
        self.count = instruction.op_count
        code = instruction.op_code()
        self.width = 16 << code.l
        self.is_evex = instruction.encoding == iced.EncodingKind.EVEX
        self.opmask = _K_NUMBERS.get(instruction.op_mask, 0)
        self.zeroing = instruction.zeroing_masking

    # --- Kinds of operands ---

    def is_memory(self, i: int) -> bool:
        return self.raw.op_kind(i) == iced.OpKind.MEMORY

    def is_immediate(self, i: int) -> bool:
        return self.raw.op_kind(i) in _IMMEDIATES

    def is_branch(self, i: int) -> bool:
        return self.raw.op_kind(i) in _BRANCHES

    def is_k(self, i: int) -> bool:
        return not self.is_memory(i) and self.raw.op_register(i) in _K_NUMBERS

    def is_general(self, i: int) -> bool:
        is_register = self.raw.op_kind(i) == iced.OpKind.REGISTER
        return is_register and iced.RegisterExt.is_gpr(self.raw.op_register(i))

    def number(self, i: int) -> int:
        register = self.raw.op_register(i)
        if register in _K_NUMBERS:
            return _K_NUMBERS[register]
        return iced.RegisterExt.number(iced.RegisterExt.full_register(register))

    def immediate(self, i: int) -> int:
        return self.raw.immediate(i)

    def size_of(self, i: int) -> int:
        """Bytes of operand ``i``: of the register, or of the memory it names."""
        if self.is_memory(i):
            return iced.MemorySizeExt.size(self.raw.memory_size)
        return iced.RegisterExt.size(self.raw.op_register(i))

    # --- Addresses ---

    def address(self) -> Callable[[], int]:
        """Return a function that computes the memory operand's address (not for vector indices)."""
        raw, gpr = self.raw, self.state.gpr
        if raw.is_ip_rel_memory_operand:
            fixed = raw.ip_rel_memory_address
            return lambda: fixed
        displacement = raw.memory_displacement
        base = iced.RegisterExt.number(raw.memory_base)
        if raw.memory_index == iced.Register.NONE:
            return lambda: (gpr[base] + displacement) & MASK64
        index, scale = iced.RegisterExt.number(raw.memory_index), raw.memory_index_scale
        return lambda: (gpr[base] + gpr[index] * scale + displacement) & MASK64

    def lane_addresses(self, lanes: int) -> Callable[[], list[int]]:
        """Return a function that computes one address a lane, from a vector index."""
        raw, gpr = self.raw, self.state.gpr
        item = np.dtype(np.int64 if raw.is_vsib64 else np.int32)
        row = self.state.zmm[iced.RegisterExt.number(raw.memory_index)]
        index = row[: lanes * item.itemsize].view(item)
        base = iced.RegisterExt.number(raw.memory_base)
        scale, displacement = raw.memory_index_scale, raw.memory_displacement

        def compute() -> list[int]:
            origin = gpr[base] + displacement
            return [(origin + int(i) * scale) & MASK64 for i in index]

        return compute

    # --- Masks ---

    def active(self, lanes: int) -> Get | None:
        """Return a function giving the lanes the opmask selects; None without an opmask."""
        if not self.opmask:
            return None
        k, number = self.state.k, self.opmask
        return lambda: mask_bits(k[number], lanes)

    # --- Vector operands ---

    def register(self, i: int, dtype: np.dtype, lanes: int) -> np.ndarray:
        """Return a live view of the low lanes of vector register operand ``i``."""
        return self.state.zmm[self.number(i)][: lanes * dtype.itemsize].view(dtype)

    def source(self, i: int, dtype: np.dtype, lanes: int, masked: bool = True) -> Get:
        """Return a reader of ``lanes`` elements of operand ``i``.

        The array may alias the register: use it before writing. With ``masked``, memory lanes that
        the opmask leaves out are not touched.
        """
        if not self.is_memory(i):
            view = self.register(i, dtype, lanes)
            return lambda: view
        address, active = self.address(), self.active(lanes) if masked else None
        if self.raw.is_broadcast:
            return self._broadcast(address, dtype, lanes, active)
        memory, size = self.memory, lanes * dtype.itemsize
        if active is None:
            return lambda: memory.view(address(), size).view(dtype)
        return lambda: load_lanes(memory, address(), dtype, active())

    def _broadcast(
        self, address: Callable[[], int], dtype: np.dtype, lanes: int, active: Get | None
    ) -> Get:
        memory, size = self.memory, dtype.itemsize

        def read() -> np.ndarray:
            if active is not None and not active().any():
                return np.zeros(lanes, dtype)
            return np.repeat(memory.view(address(), size).view(dtype), lanes)

        return read

    def sink(self, i: int, dtype: np.dtype, lanes: int) -> Put:
        """Return a writer of ``lanes`` elements to operand ``i``, under the opmask.

        A register's bytes above the written ones become zero.
        """
        if self.is_memory(i):
            return self._memory_sink(dtype, lanes)
        row = self.state.zmm[self.number(i)]
        low, high = self.register(i, dtype, lanes), row[lanes * dtype.itemsize :]
        active, zeroing = self.active(lanes), self.zeroing

        def write(value: np.ndarray) -> None:
            if active is not None:
                value = np.where(active(), value, dtype.type(0) if zeroing else low)
            low[:] = value
            high[:] = 0

        return write

    def _memory_sink(self, dtype: np.dtype, lanes: int) -> Put:
        memory, address, active = self.memory, self.address(), self.active(lanes)
        size = lanes * dtype.itemsize

        def write(value: np.ndarray) -> None:
            if active is None:
                memory.view(address(), size, write=True)[:] = value.view(np.uint8)
            else:
                store_lanes(memory, address(), value, active())

        return write

    def k_sink(self, i: int, lanes: int) -> Put:
        """Return a writer of truth values to opmask register ``i``; others become zero."""
        k, number, opmask = self.state.k, self.number(i), self.opmask

        def write(value: np.ndarray) -> None:
            bits = bits_of(value[:lanes])
            k[number] = bits & k[opmask] if opmask else bits

        return write

    # --- Integer operands ---

    def integer(self, i: int) -> Callable[[], int]:
        """Return a reader of an integer operand, unsigned at its own width."""
        if self.is_immediate(i):
            bits = 8 * self.size_of(0)
            value = self.immediate(i) & ((1 << bits) - 1)
            return lambda: value
        size = self.size_of(i)
        if self.is_memory(i):
            memory, address = self.memory, self.address()
            return lambda: memory.load_int(address(), size)
        gpr, number, bits = self.state.gpr, self.number(i), (1 << (8 * size)) - 1
        return lambda: gpr[number] & bits

    def integer_sink(self, i: int) -> Callable[[int], None]:
        """Return a writer: 32-bit writes clear the upper half, 8-bit ones keep the rest."""
        size = self.size_of(i)
        if self.is_memory(i):
            memory, address = self.memory, self.address()
            return lambda value: memory.store_int(address(), size, value)
        gpr, number, bits = self.state.gpr, self.number(i), (1 << (8 * size)) - 1
        kept = MASK64 & ~bits if size < 4 else 0

        def write(value: int) -> None:
            gpr[number] = (gpr[number] & kept) | (value & bits)

        return write


def load_lanes(memory: Memory, address: int, dtype: np.dtype, active: np.ndarray) -> np.ndarray:
    """Load the active lanes of a contiguous vector; the others are zero and not touched."""
    size = dtype.itemsize
    if memory.allows(address, len(active) * size):
        return memory.view(address, len(active) * size).view(dtype)
    loaded = np.zeros(len(active), dtype)
    for lane in np.nonzero(active)[0]:
        loaded[lane] = memory.view(address + int(lane) * size, size).view(dtype)[0]
    return loaded


def store_lanes(memory: Memory, address: int, value: np.ndarray, active: np.ndarray) -> None:
    """Store the active lanes of a contiguous vector."""
    size = value.dtype.itemsize
    for lane in np.nonzero(active)[0]:
        place = memory.view(address + int(lane) * size, size, write=True)
        place[:] = value[lane : lane + 1].view(np.uint8)


def check_alignment(address: int, size: int, kind: str) -> None:
    """Raise as an aligned vector move does."""
    if address % size:
        raise AccessViolation(kind, address, size, f"not aligned to {size} bytes")
