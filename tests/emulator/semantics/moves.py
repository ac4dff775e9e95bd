"""Vector loads and stores: plain, masked, broadcast, gather, scatter."""

from __future__ import annotations

import numpy as np

from emulator.decoder import Decoded, check_alignment, load_lanes, store_lanes
from emulator.semantics.lanes import lowest_lane_sink
from emulator.semantics.registry import (
    F32,
    F64,
    I32,
    I64,
    U32,
    U64,
    Builder,
    Step,
    register,
    semantics,
)

# --- Whole vectors ---


def whole(dtype: np.dtype, aligned: bool = False) -> Builder:
    """Build a load, a store or a copy of one vector."""

    def build(d: Decoded) -> Step:
        lanes = d.width // dtype.itemsize
        get, put = d.source(1, dtype, lanes), d.sink(0, dtype, lanes)
        if not aligned or not (d.is_memory(0) or d.is_memory(1)):
            return lambda: put(get())
        address, width, kind = d.address(), d.width, "store" if d.is_memory(0) else "load"

        def step() -> None:
            check_alignment(address(), width, kind)
            put(get())

        return step

    return build


register(whole(U32), "vmovups", "vmovdqu", "vmovdqu32")
register(whole(U64), "vmovupd", "vmovdqu64")
register(whole(U32, aligned=True), "vmovaps", "vmovntps")
register(whole(U64, aligned=True), "vmovapd", "vmovntpd")


# --- Single elements ---


def single(dtype: np.dtype) -> Builder:
    """Build vmovss and vmovsd; between registers the rest comes from the first source."""

    def build(d: Decoded) -> Step:
        if d.count == 3:
            get, put = d.source(2, dtype, 1), lowest_lane_sink(d, dtype, 1)
        else:
            get, put = d.source(1, dtype, 1), d.sink(0, dtype, 1)
        return lambda: put(get())

    return build


register(single(U32), "vmovss")
register(single(U64), "vmovsd")


@semantics("vmovd", "vmovq")
def _move_integer(d: Decoded) -> Step:
    dtype = U32 if d.name == "vmovd" else U64
    if d.is_general(0):
        get, put = d.source(1, dtype, 1), d.integer_sink(0)
        return lambda: put(int(get()[0]))
    if d.is_general(1):
        read, write = d.integer(1), d.sink(0, dtype, 1)
        return lambda: write(np.array([read()], dtype))
    get, write = d.source(1, dtype, 1), d.sink(0, dtype, 1)
    return lambda: write(get().copy())


@semantics("vmovhlps", "vmovlhps", "vmovhpd")
def _move_half(d: Decoded) -> Step:
    if d.count == 2:  # a store of the upper half
        get, put = d.source(1, U64, 2), d.sink(0, U64, 1)
        return lambda: put(get()[1:2])
    a = d.source(1, U64, 2)
    b, put = d.source(2, U64, 1 if d.is_memory(2) else 2), d.sink(0, U64, 2)
    if d.name == "vmovhlps":
        return lambda: put(np.array([b()[1], a()[1]], U64))
    return lambda: put(np.array([a()[0], b()[0]], U64))


# --- Broadcasts ---


def broadcast(dtype: np.dtype, elements: int = 1) -> Builder:
    """Build a broadcast of ``elements`` elements over the vector."""

    def build(d: Decoded) -> Step:
        lanes = d.width // dtype.itemsize
        put = d.sink(0, dtype, lanes)
        if d.is_general(1):
            read = d.integer(1)
            return lambda: put(np.full(lanes, read(), dtype))
        # Counts as one access: with no active lane at all it is not made.
        get, active = d.source(1, dtype, elements, masked=False), d.active(lanes)
        if active is None or not d.is_memory(1):
            return lambda: put(np.tile(get(), lanes // elements))

        def step() -> None:
            any_active = active().any()
            put(np.tile(get(), lanes // elements) if any_active else np.zeros(lanes, dtype))

        return step

    return build


register(broadcast(U32), "vbroadcastss", "vpbroadcastd")
register(broadcast(U64), "vbroadcastsd", "vpbroadcastq")
register(broadcast(U64, 2), "vbroadcastf128")


# --- AVX2 masked moves: the sign of each mask lane selects ---


def masked_move(dtype: np.dtype) -> Builder:
    """Build vmaskmov*; lanes of a load that are left out become zero."""

    def build(d: Decoded) -> Step:
        lanes, memory, address = d.width // dtype.itemsize, d.memory, d.address()
        signs = d.source(1, dtype, lanes)
        if d.is_memory(0):
            get = d.source(2, dtype, lanes)
            return lambda: store_lanes(memory, address(), get(), signs() < 0)
        put = d.sink(0, dtype, lanes)

        def step() -> None:
            active = signs() < 0
            loaded = load_lanes(memory, address(), dtype, active)
            put(np.where(active, loaded, dtype.type(0)))

        return step

    return build


register(masked_move(I32), "vmaskmovps", "vpmaskmovd")
register(masked_move(I64), "vmaskmovpd", "vpmaskmovq")


# --- Gathers and scatters ---


def _lanes_of(d: Decoded, dtype: np.dtype) -> int:
    """The wider of element and index fills the vector length."""
    index_bytes = 8 if d.raw.is_vsib64 else 4
    return d.width // max(dtype.itemsize, index_bytes)


def gather(dtype: np.dtype) -> Builder:
    """Build a gather; its mask (an opmask, or the signs of operand 2) is cleared when done."""

    def build(d: Decoded) -> Step:
        lanes, memory, state = _lanes_of(d, dtype), d.memory, d.state
        addresses, low = d.lane_addresses(lanes), d.register(0, dtype, lanes)
        high = state.zmm[d.number(0)][lanes * dtype.itemsize :]
        signs = None if d.is_evex else d.register(2, dtype, lanes)
        mask_row = None if d.is_evex else state.zmm[d.number(2)]
        active = d.active(lanes)

        def step() -> None:
            chosen = active() if signs is None else signs < 0
            places = addresses()
            for lane in np.nonzero(chosen)[0]:
                low[lane] = memory.view(places[lane], dtype.itemsize).view(dtype)[0]
            high[:] = 0
            if mask_row is None:
                state.k[d.opmask] = 0
            else:
                mask_row[:] = 0

        return step

    return build


def scatter(dtype: np.dtype) -> Builder:
    """Build a scatter; lanes are stored in order, so the last of equal addresses stays."""

    def build(d: Decoded) -> Step:
        lanes, memory, state = _lanes_of(d, dtype), d.memory, d.state
        addresses, value = d.lane_addresses(lanes), d.register(1, dtype, lanes)
        active = d.active(lanes)

        def step() -> None:
            places = addresses()
            for lane in np.nonzero(active())[0]:
                place = memory.view(places[lane], dtype.itemsize, write=True)
                place[:] = value[lane : lane + 1].view(np.uint8)
            state.k[d.opmask] = 0

        return step

    return build


register(gather(I32), "vgatherdps", "vgatherqps", "vpgatherdd", "vpgatherqd")
register(gather(I64), "vgatherdpd", "vgatherqpd", "vpgatherdq", "vpgatherqq")
register(scatter(I32), "vscatterdps", "vscatterqps", "vpscatterdd", "vpscatterqd")
register(scatter(I64), "vscatterdpd", "vscatterqpd", "vpscatterdq", "vpscatterqq")


# --- Signs and tests ---


@semantics("vmovmskps", "vmovmskpd")
def _sign_bits(d: Decoded) -> Step:
    dtype = I32 if d.name == "vmovmskps" else I64
    lanes = d.size_of(1) // dtype.itemsize
    get, put = d.source(1, dtype, lanes), d.integer_sink(0)
    return lambda: put(sum(1 << lane for lane in np.nonzero(get() < 0)[0].tolist()))


@semantics("vptest")
def _test(d: Decoded) -> Step:
    state, lanes = d.state, d.width // 8
    a, b = d.source(0, U64, lanes), d.source(1, U64, lanes)

    def step() -> None:
        state.zf = int(not (a() & b()).any())
        state.cf = int(not (~a() & b()).any())
        state.sf = state.of = state.pf = 0

    return step


@semantics("vucomiss", "vucomisd")
def _compare_to_flags(d: Decoded) -> Step:
    state, dtype = d.state, F32 if d.name == "vucomiss" else F64
    a, b = d.source(0, dtype, 1), d.source(1, dtype, 1)

    def step() -> None:
        x, y = float(a()[0]), float(b()[0])
        unordered = x != x or y != y
        state.zf = int(unordered or x == y)
        state.cf = int(unordered or x < y)
        state.pf = int(unordered)
        state.sf = state.of = 0

    return step


@semantics("vzeroupper")
def _zero_upper(d: Decoded) -> Step:
    upper = d.state.zmm[:16, 16:]

    def step() -> None:
        upper[:] = 0

    return step
