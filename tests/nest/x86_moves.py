"""Vector moves, broadcasts, permutations, gathers, scatters and opmask instructions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from iced_x86 import Instruction, OpKind, RegisterExt
from x86_machine import (
    MASK64,
    Emulator,
    Maker,
    Step,
    UnknownInstruction,
    address_of,
    lane_mask,
    lanes_reader,
    lanes_writer,
    reader,
    store_lanes,
    vector_bytes,
    vector_number,
    writer,
)


def step_vmovu(dtype: str) -> Maker:
    def make(i: Instruction) -> Step:
        register = 0 if i.op_kind(0) == OpKind.REGISTER else 1
        lanes = vector_bytes(i, register) // np.dtype(dtype).itemsize
        get, put = lanes_reader(i, 1, dtype, lanes), lanes_writer(i, dtype, lanes)
        return lambda e: put(e, get(e))

    return make


def step_scalar_move(dtype: str) -> Maker:
    def make(i: Instruction) -> Step:
        if i.op_count == 3:
            raise UnknownInstruction(str(i))
        get, put = lanes_reader(i, 1, dtype, 1), lanes_writer(i, dtype, 1)
        return lambda e: put(e, get(e))

    return make


def step_vmov_general(size: int) -> Maker:
    """vmovd, vmovq between general and vector registers (or memory)."""

    def is_vector(i: Instruction, n: int) -> bool:
        return i.op_kind(n) == OpKind.REGISTER and RegisterExt.is_vector_register(i.op_register(n))

    def make(i: Instruction) -> Step:
        if is_vector(i, 0) == is_vector(i, 1):
            raise UnknownInstruction(str(i))
        if is_vector(i, 0):
            number, get = vector_number(i, 0), reader(i, 1)

            def into_vector(e: Emulator) -> None:
                raw = (get(e) & MASK64).to_bytes(8, "little")[:size]
                store_lanes(e, number, np.frombuffer(raw, np.uint8))

            return into_vector
        source, put = vector_number(i, 1), writer(i)
        return lambda e: put(e, int.from_bytes(e.vec[source][:size].tobytes(), "little"))

    return make


def step_broadcast(dtype: str) -> Maker:
    def make(i: Instruction) -> Step:
        size = np.dtype(dtype).itemsize
        lanes = vector_bytes(i) // size
        put, mask = lanes_writer(i, dtype, lanes), lane_mask(i, lanes)
        if i.op_kind(1) == OpKind.REGISTER and RegisterExt.is_gpr(i.op_register(1)):
            get = reader(i, 1)
            return lambda e: put(e, np.full(lanes, get(e), dtype))
        if i.op_kind(1) == OpKind.REGISTER:
            number = vector_number(i, 1)
            return lambda e: put(e, np.repeat(e.vec[number].view(dtype)[:1], lanes))
        at = address_of(i)

        def from_memory(e: Emulator) -> None:
            wanted = mask is None or mask(e).any()
            one = np.frombuffer(e.memory.read(at(e), size), dtype) if wanted else np.zeros(1, dtype)
            put(e, np.repeat(one, lanes))

        return from_memory

    return make


def step_vmovddup(i: Instruction) -> Step:
    if vector_bytes(i) != 16:
        raise UnknownInstruction(str(i))
    get, number = lanes_reader(i, 1, "<u8", 1), vector_number(i, 0)
    return lambda e: store_lanes(e, number, np.repeat(get(e), 2))


def step_vmovhpd(i: Instruction) -> Step:
    at = address_of(i)
    if i.op_kind(0) == OpKind.MEMORY:
        number = vector_number(i, 1)
        return lambda e: e.memory.write(at(e), e.vec[number][8:16].tobytes())
    low, to = vector_number(i, 1), vector_number(i, 0)
    return lambda e: store_lanes(
        e, to, np.concatenate([e.vec[low][:8], np.frombuffer(e.memory.read(at(e), 8), np.uint8)])
    )


def permute(dtype: str, pick: Callable[[np.ndarray, int], np.ndarray]) -> Maker:
    """A permutation inside 16-byte quarters of operand 1, by the immediate when there is one."""

    def make(i: Instruction) -> Step:
        if vector_bytes(i) != 16:
            raise UnknownInstruction(str(i))
        get, number = lanes_reader(i, 1, dtype, 16 // np.dtype(dtype).itemsize), vector_number(i, 0)
        by = i.immediate(2) if i.op_count == 3 else 0
        return lambda e: store_lanes(e, number, pick(get(e), by))

    return make


def step_vinsertps(i: Instruction) -> Step:
    by = i.immediate(3)
    if by & 15 or i.op_kind(2) != OpKind.MEMORY:
        raise UnknownInstruction(str(i))
    base, at, to = lanes_reader(i, 1, "<u4", 4), address_of(i), vector_number(i, 0)

    def run(e: Emulator) -> None:
        values = base(e)
        values[by >> 4 & 3] = np.frombuffer(e.memory.read(at(e), 4), "<u4")[0]
        store_lanes(e, to, values)

    return run


def step_vextractps(i: Instruction) -> Step:
    at, number, by = address_of(i), vector_number(i, 1), i.immediate(2) & 3
    return lambda e: e.memory.write(at(e), e.vec[number][4 * by : 4 * by + 4].tobytes())


def insert_part(size: int) -> Maker:
    def make(i: Instruction) -> Step:
        total, to, base = vector_bytes(i), vector_number(i, 0), vector_number(i, 1)
        part, by = lanes_reader(i, 2, "<u1", size), i.immediate(3)

        def run(e: Emulator) -> None:
            values = e.vec[base][:total].copy()
            at = by % (total // size) * size
            values[at : at + size] = part(e)
            store_lanes(e, to, values)

        return run

    return make


def extract_part(size: int) -> Maker:
    def make(i: Instruction) -> Step:
        to, source, by = vector_number(i, 0), vector_number(i, 1), i.immediate(2)
        at = by % (vector_bytes(i, 1) // size) * size
        return lambda e: store_lanes(e, to, e.vec[source][at : at + size].copy())

    return make


def vsib(
    i: Instruction, dtype: str, data_operand: int
) -> tuple[int, Callable[[Emulator, int], int]]:
    lanes = vector_bytes(i, data_operand) // np.dtype(dtype).itemsize
    base, index, scale = address_of(i), RegisterExt.number(i.memory_index), i.memory_index_scale
    return lanes, lambda e, lane: base(e) + int(e.vec[index].view("<i4")[lane]) * scale


def gather(dtype: str) -> Maker:
    def make(i: Instruction) -> Step:
        lanes, at = vsib(i, dtype, 0)
        k, to, size = RegisterExt.number(i.op_mask), vector_number(i, 0), np.dtype(dtype).itemsize
        assert to != RegisterExt.number(i.memory_index)

        def run(e: Emulator) -> None:
            values = e.vec[to].view(dtype)[:lanes].copy()
            for lane in range(lanes):
                if e.k[k] >> lane & 1:
                    values[lane] = np.frombuffer(e.memory.read(at(e, lane), size), dtype)[0]
            store_lanes(e, to, values)
            e.k[k] = 0

        return run

    return make


def scatter(dtype: str) -> Maker:
    def make(i: Instruction) -> Step:
        lanes, at = vsib(i, dtype, 1)
        k, source = RegisterExt.number(i.op_mask), vector_number(i, 1)

        def run(e: Emulator) -> None:
            for lane in range(lanes):
                if e.k[k] >> lane & 1:
                    e.memory.write(at(e, lane), e.vec[source].view(dtype)[lane].tobytes())
            e.k[k] = 0

        return run

    return make


def opmask_reader(i: Instruction, bits: int) -> Callable[[Emulator], int]:
    mask = (1 << bits) - 1
    if i.op_kind(1) == OpKind.REGISTER and RegisterExt.is_k(i.op_register(1)):
        source = RegisterExt.number(i.op_register(1))
        return lambda e: e.k[source] & mask
    if i.op_kind(1) == OpKind.MEMORY:
        at = address_of(i)
        return lambda e: int.from_bytes(e.memory.read(at(e), bits // 8), "little")
    general = reader(i, 1)
    return lambda e: general(e) & mask


def step_kmov(bits: int) -> Maker:
    def make(i: Instruction) -> Step:
        get = opmask_reader(i, bits)
        if i.op_kind(0) == OpKind.MEMORY:
            at = address_of(i)
            return lambda e: e.memory.write(at(e), get(e).to_bytes(bits // 8, "little"))
        if not RegisterExt.is_k(i.op_register(0)):
            put = writer(i)
            return lambda e: put(e, get(e))
        to = RegisterExt.number(i.op_register(0))

        def write_k(e: Emulator) -> None:
            e.k[to] = get(e)

        return write_k

    return make


def opmask(operation: Callable[..., int]) -> Maker:
    """16-bit opmask logic."""

    def make(i: Instruction) -> Step:
        to, *sources = [RegisterExt.number(i.op_register(n)) for n in range(i.op_count)]

        def run(e: Emulator) -> None:
            e.k[to] = operation(*[e.k[s] & 0xFFFF for s in sources]) & 0xFFFF

        return run

    return make


TABLE: dict[str, Maker] = {
    "vmovups": step_vmovu("<u4"),
    "vmovaps": step_vmovu("<u4"),
    "vmovupd": step_vmovu("<u8"),
    "vmovntps": step_vmovu("<u4"),
    "vmovss": step_scalar_move("<u4"),
    "vmovsd": step_scalar_move("<u8"),
    "vmovd": step_vmov_general(4),
    "vmovq": step_vmov_general(8),
    "vbroadcastss": step_broadcast("<u4"),
    "vbroadcastsd": step_broadcast("<u8"),
    "vpbroadcastd": step_broadcast("<u4"),
    "vpbroadcastq": step_broadcast("<u8"),
    "vmovddup": step_vmovddup,
    "vmovhpd": step_vmovhpd,
    "vmovshdup": permute("<u4", lambda a, by: a[[1, 1, 3, 3]]),
    "vpermilpd": permute("<u8", lambda a, by: a[[by & 1, by >> 1 & 1]]),
    "vpermilps": permute("<u4", lambda a, by: a[[by & 3, by >> 2 & 3, by >> 4 & 3, by >> 6 & 3]]),
    "vinsertps": step_vinsertps,
    "vextractps": step_vextractps,
    "vinsertf32x4": insert_part(16),
    "vinsertf64x4": insert_part(32),
    "vextractf32x4": extract_part(16),
    "vextractf64x4": extract_part(32),
    "vgatherdps": gather("<u4"),
    "vgatherdpd": gather("<u8"),
    "vscatterdps": scatter("<u4"),
    "vscatterdpd": scatter("<u8"),
    "kmovw": step_kmov(16),
    "kmovq": step_kmov(64),
    "kandw": opmask(lambda a, b: a & b),
    "korw": opmask(lambda a, b: a | b),
    "knotw": opmask(lambda a: ~a),
}
