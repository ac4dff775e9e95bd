"""Movement of lanes inside and between vectors. Memory operands are read whole, masked or not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emulator.decoder import Decoded
from emulator.semantics.registry import (
    F32,
    F64,
    I8,
    I16,
    I32,
    U8,
    U32,
    U64,
    Builder,
    Step,
    register,
    semantics,
)

Array = np.ndarray


def shuffled(dtype: np.dtype, function: Callable[..., Array]) -> Builder:
    """Build ``dst = function(sources...)``, a last immediate included."""

    def build(d: Decoded) -> Step:
        lanes = d.width // dtype.itemsize
        has_control = d.is_immediate(d.count - 1)
        extra = (d.immediate(d.count - 1),) if has_control else ()
        last = d.count - 1 if has_control else d.count
        gets = [d.source(i, dtype, lanes, masked=False) for i in range(1, last)]
        put = d.sink(0, dtype, lanes)
        return lambda: put(function(*(get() for get in gets), *extra))

    return build


def blocks(a: Array) -> Array:
    """View as rows of 128 bits."""
    return a.reshape(-1, 16 // a.itemsize)


# --- Inside 128 bits ---


def unpack(high: bool) -> Callable[[Array, Array], Array]:
    """Interleave the low or high halves of each 128 bits."""

    def function(a: Array, b: Array) -> Array:
        rows_a, rows_b = blocks(a), blocks(b)
        half = rows_a.shape[1] // 2
        part = slice(half, None) if high else slice(0, half)
        return np.stack([rows_a[:, part], rows_b[:, part]], axis=2).reshape(-1)

    return function


for _suffix, _dtype in (("ps", U32), ("pd", U64)):
    register(shuffled(_dtype, unpack(False)), f"vunpckl{_suffix}")
    register(shuffled(_dtype, unpack(True)), f"vunpckh{_suffix}")
for _suffix, _dtype in (("dq", U32), ("qdq", U64)):
    register(shuffled(_dtype, unpack(False)), f"vpunpckl{_suffix}")
    register(shuffled(_dtype, unpack(True)), f"vpunpckh{_suffix}")


def _two_bit(control: int) -> list[int]:
    return [control >> shift & 3 for shift in (0, 2, 4, 6)]


def _shuffle_singles(a: Array, b: Array, control: int) -> Array:
    rows_a, rows_b, s = blocks(a), blocks(b), _two_bit(control)
    return np.concatenate([rows_a[:, s[:2]], rows_b[:, s[2:]]], axis=1).reshape(-1)


def _shuffle_doubles(a: Array, b: Array, control: int) -> Array:
    result = a.copy()
    for i in range(len(a)):
        source = b if i % 2 else a
        result[i] = source[i // 2 * 2 + (control >> i & 1)]
    return result


def _permute_singles(a: Array, control: int | Array) -> Array:
    if isinstance(control, np.ndarray):
        origin = np.arange(len(a)) // 4 * 4
        return a[origin + (control & 3)]
    return blocks(a)[:, _two_bit(control)].reshape(-1)


def _permute_doubles(a: Array, control: int | Array) -> Array:
    lanes = np.arange(len(a))
    if isinstance(control, np.ndarray):
        chosen = (control >> np.uint64(1) & np.uint64(1)).astype(np.int64)
    else:
        chosen = control >> lanes & 1
    return a[lanes // 2 * 2 + chosen]


def _shuffle_bytes(a: Array, control: Array) -> Array:
    origin = np.arange(len(a)) // 16 * 16
    return np.where(control & 0x80, 0, a[origin + (control & 15)]).astype(a.dtype)


def _align_bytes(a: Array, b: Array, count: int) -> Array:
    rows = np.concatenate([blocks(b), blocks(a), np.zeros_like(blocks(a))], axis=1)
    count = min(count, 32)
    return rows[:, count : count + 16].reshape(-1)


register(shuffled(U32, _shuffle_singles), "vshufps")
register(shuffled(U64, _shuffle_doubles), "vshufpd")
register(shuffled(U32, _permute_singles), "vpermilps", "vpshufd")
register(shuffled(U64, _permute_doubles), "vpermilpd")
register(shuffled(U8, _shuffle_bytes), "vpshufb")
register(shuffled(U8, _align_bytes), "vpalignr")
register(shuffled(U32, lambda a: np.repeat(a[0::2], 2)), "vmovsldup")
register(shuffled(U32, lambda a: np.repeat(a[1::2], 2)), "vmovshdup")


@semantics("vmovddup")
def _duplicate_doubles(d: Decoded) -> Step:
    lanes = d.width // 8
    get = d.source(1, U64, 1 if d.width == 16 else lanes, masked=False)
    put = d.sink(0, U64, lanes)
    return lambda: put(np.repeat(get()[0::2], 2))


def horizontal_add(a: Array, b: Array) -> Array:
    sums = [blocks(x)[:, 0::2] + blocks(x)[:, 1::2] for x in (a, b)]
    return np.concatenate(sums, axis=1).reshape(-1)


register(shuffled(F32, horizontal_add), "vhaddps")
register(shuffled(F64, horizontal_add), "vhaddpd")


def saturate(source: np.dtype, target: np.dtype) -> Builder:
    """Build a pack of two vectors into narrower lanes, per 128 bits."""
    limits = np.iinfo(target)

    def build(d: Decoded) -> Step:
        lanes = d.width // source.itemsize
        a, b = (d.source(i, source, lanes, masked=False) for i in (1, 2))
        put = d.sink(0, target, d.width // target.itemsize)

        def step() -> None:
            rows = np.concatenate([blocks(a()), blocks(b())], axis=1)
            put(np.clip(rows, limits.min, limits.max).astype(target).reshape(-1))

        return step

    return build


register(saturate(I32, I16), "vpackssdw")
register(saturate(I16, I8), "vpacksswb")


# --- Across 128 bits ---


def _permute_any(a: Array, control: int | Array) -> Array:
    """vpermq and vpermpd: an immediate moves inside each 256 bits, indices move freely."""
    if isinstance(control, np.ndarray):
        raise AssertionError("the indices come first")
    return a.reshape(-1, 4)[:, _two_bit(control)].reshape(-1)


def _permute_by_indices(control: Array, a: Array) -> Array:
    return a[(control & control.dtype.type(len(a) - 1)).astype(np.int64)]


def _permute_quads(*arguments: Array | int) -> Array:
    if isinstance(arguments[1], int):
        return _permute_any(*arguments)
    return _permute_by_indices(*arguments)


register(shuffled(U32, _permute_by_indices), "vpermd", "vpermps")
register(shuffled(U64, _permute_quads), "vpermq", "vpermpd")


def permute_two(dtype: np.dtype) -> Builder:
    """Build vpermt2*: the destination and operand 2 are one table, operand 1 holds indices."""

    def build(d: Decoded) -> Step:
        lanes = d.width // dtype.itemsize
        first, index = d.source(0, dtype, lanes), d.source(1, dtype, lanes)
        second = d.source(2, dtype, lanes, masked=False)
        put = d.sink(0, dtype, lanes)

        def step() -> None:
            table = np.concatenate([first(), second()])
            put(table[(index() & dtype.type(2 * lanes - 1)).astype(np.int64)])

        return step

    return build


register(permute_two(U32), "vpermt2d", "vpermt2ps")
register(permute_two(U64), "vpermt2q", "vpermt2pd")


def _permute_halves(a: Array, b: Array, control: int) -> Array:
    halves = [*a.reshape(2, -1), *b.reshape(2, -1)]
    chosen = [
        np.zeros_like(halves[0]) if control >> shift & 8 else halves[control >> shift & 3]
        for shift in (0, 4)
    ]
    return np.concatenate(chosen)


def _shuffle_blocks(a: Array, b: Array, control: int) -> Array:
    rows_a, rows_b = blocks(a), blocks(b)
    count = len(rows_a)
    if count == 2:
        return np.concatenate([rows_a[control & 1], rows_b[control >> 1 & 1]])
    s = _two_bit(control)
    return np.concatenate([rows_a[s[0]], rows_a[s[1]], rows_b[s[2]], rows_b[s[3]]])


def _align_lanes(a: Array, b: Array, count: int) -> Array:
    start = count & (len(a) - 1)
    return np.concatenate([b, a])[start : start + len(a)]


register(shuffled(U64, _permute_halves), "vperm2f128", "vperm2i128")
register(shuffled(U32, _shuffle_blocks), "vshuff32x4", "vshufi32x4")
register(shuffled(U64, _shuffle_blocks), "vshuff64x2", "vshufi64x2")
register(shuffled(U32, _align_lanes), "valignd")
register(shuffled(U64, _align_lanes), "valignq")


# --- Parts of vectors ---


def extract(dtype: np.dtype, part_bytes: int) -> Builder:
    """Build the copy of one aligned part of a vector."""

    def build(d: Decoded) -> Step:
        part, whole = part_bytes // dtype.itemsize, d.width // dtype.itemsize
        start = d.immediate(2) % (whole // part) * part
        get, put = d.source(1, dtype, whole), d.sink(0, dtype, part)
        return lambda: put(get()[start : start + part].copy())

    return build


def insert(dtype: np.dtype, part_bytes: int) -> Builder:
    """Build the replacement of one aligned part of a vector."""

    def build(d: Decoded) -> Step:
        part, whole = part_bytes // dtype.itemsize, d.width // dtype.itemsize
        start = d.immediate(3) % (whole // part) * part
        get, new = d.source(1, dtype, whole), d.source(2, dtype, part, masked=False)
        put = d.sink(0, dtype, whole)

        def step() -> None:
            result = get().copy()
            result[start : start + part] = new()
            put(result)

        return step

    return build


for _name, _dtype, _bytes in (
    ("f128", U32, 16), ("i128", U32, 16), ("f32x4", U32, 16), ("i32x4", U32, 16),
    ("f64x2", U64, 16), ("f64x4", U64, 32), ("i64x4", U64, 32),
):  # fmt: skip
    register(extract(_dtype, _bytes), f"vextract{_name}")
    register(insert(_dtype, _bytes), f"vinsert{_name}")


# --- Single elements ---


@semantics("vinsertps")
def _insert_single(d: Decoded) -> Step:
    control = d.immediate(3)
    from_lane, to_lane = (0 if d.is_memory(2) else control >> 6), control >> 4 & 3
    a, b = d.source(1, U32, 4), d.source(2, U32, 1 if d.is_memory(2) else 4)
    put = d.sink(0, U32, 4)
    cleared = [lane for lane in range(4) if control >> lane & 1]

    def step() -> None:
        result, value = a().copy(), b()[from_lane]
        result[to_lane] = value
        result[cleared] = 0
        put(result)

    return step


def extract_element(dtype: np.dtype) -> Builder:
    """Build the copy of one element to a general register or memory."""

    def build(d: Decoded) -> Step:
        lanes = 16 // dtype.itemsize
        lane = d.immediate(2) % lanes
        get = d.source(1, dtype, lanes)
        if d.is_memory(0):
            memory, address, size = d.memory, d.address(), dtype.itemsize
            return lambda: memory.store_int(address(), size, int(get()[lane]))
        put = d.integer_sink(0)
        return lambda: put(int(get()[lane]))

    return build


def insert_element(dtype: np.dtype) -> Builder:
    """Build the replacement of one element from a general register or memory."""

    def build(d: Decoded) -> Step:
        lanes = 16 // dtype.itemsize
        lane = d.immediate(3) % lanes
        get, new, put = d.source(1, dtype, lanes), d.integer(2), d.sink(0, dtype, lanes)

        def step() -> None:
            result = get().copy()
            result[lane] = new()
            put(result)

        return step

    return build


register(extract_element(U32), "vextractps", "vpextrd")
register(extract_element(U64), "vpextrq")
register(extract_element(U8), "vpextrb")
register(insert_element(U32), "vpinsrd")
register(insert_element(U64), "vpinsrq")
