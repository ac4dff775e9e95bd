"""Lanewise vector instructions: arithmetic, comparisons, conversions."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable

import numpy as np
from iced_x86 import Instruction, OpKind, RegisterExt
from x86_machine import (
    Emulator,
    Maker,
    Step,
    lane_mask,
    lanes_reader,
    lanes_writer,
    store_lanes,
    vector_bytes,
    vector_number,
)

Operation = Callable[..., np.ndarray]
Predicate = Callable[[np.ndarray, np.ndarray], np.ndarray]

_libm = ctypes.CDLL(ctypes.util.find_library("m"))
_libm.fma.restype, _libm.fma.argtypes = ctypes.c_double, [ctypes.c_double] * 3
_libm.fmaf.restype, _libm.fmaf.argtypes = ctypes.c_float, [ctypes.c_float] * 3


def x86_min(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a < b, a, b)


def x86_max(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a > b, a, b)


def fused(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    one = _libm.fmaf if a.dtype == np.float32 else _libm.fma
    return np.array([one(x, y, z) for x, y, z in zip(a, b, c)], a.dtype)


def lanewise(dtype: str, operation: Operation, sources: tuple[int, ...]) -> Maker:
    """All lanes of operand 0 from the operands `sources`."""

    def make(i: Instruction) -> Step:
        lanes = vector_bytes(i) // np.dtype(dtype).itemsize
        get = [lanes_reader(i, n, dtype, lanes) for n in sources]
        put = lanes_writer(i, dtype, lanes)
        return lambda e: put(e, operation(*[g(e) for g in get]))

    return make


def scalar(dtype: str, operation: Operation, sources: tuple[int, ...]) -> Maker:
    """The lowest lane; the rest of the low 16 bytes comes from the first source operand."""

    def make(i: Instruction) -> Step:
        number, rest = vector_number(i, 0), vector_number(i, 0 if sources[0] == 0 else 1)
        get = [lanes_reader(i, n, dtype, 1) for n in sources]

        def run(e: Emulator) -> None:
            values = e.vec[rest].view(dtype)[: 16 // np.dtype(dtype).itemsize].copy()
            values[0] = operation(*[g(e) for g in get])[0]
            store_lanes(e, number, values)

        return run

    return make


def with_immediate(dtype: str, operation: Operation) -> Maker:
    def make(i: Instruction) -> Step:
        value = i.immediate(i.op_count - 1)
        return lanewise(dtype, lambda a: operation(a, value), (1,))(i)

    return make


def shift_left(a: np.ndarray, n: int) -> np.ndarray:
    return a << a.dtype.type(n) if n < 8 * a.itemsize else np.zeros_like(a)


def shift_right(a: np.ndarray, n: int) -> np.ndarray:
    return a >> a.dtype.type(n) if n < 8 * a.itemsize else np.zeros_like(a)


def round_lanes(a: np.ndarray, mode: int) -> np.ndarray:
    return {0: np.rint, 1: np.floor, 2: np.ceil, 3: np.trunc}[mode & 3](a)


PREDICATES: dict[int, Predicate] = {
    0x00: lambda a, b: a == b,
    0x03: lambda a, b: np.isnan(a) | np.isnan(b),
    0x04: lambda a, b: ~(a == b),
    0x11: lambda a, b: a < b,
    0x12: lambda a, b: a <= b,
    0x1D: lambda a, b: a >= b,
    0x1E: lambda a, b: a > b,
}
INTEGER_PREDICATES: dict[int, Predicate] = {
    0: lambda a, b: a == b,
    1: lambda a, b: a < b,
    2: lambda a, b: a <= b,
    4: lambda a, b: a != b,
    5: lambda a, b: a >= b,
    6: lambda a, b: a > b,
}


def compare(dtype: str, predicates: dict[int, Predicate]) -> Maker:
    def make(i: Instruction) -> Step:
        lanes = vector_bytes(i, 1) // np.dtype(dtype).itemsize
        a, b = lanes_reader(i, 1, dtype, lanes), lanes_reader(i, 2, dtype, lanes)
        holds, k = predicates[i.immediate(3)], RegisterExt.number(i.op_register(0))

        def run(e: Emulator) -> None:
            truth = holds(a(e), b(e))
            e.k[k] = sum(1 << lane for lane in range(lanes) if truth[lane])

        return run

    return make


def blend(dtype: str) -> Maker:
    def make(i: Instruction) -> Step:
        lanes = vector_bytes(i) // np.dtype(dtype).itemsize
        a, b, mask = (
            lanes_reader(i, 1, dtype, lanes),
            lanes_reader(i, 2, dtype, lanes),
            lane_mask(i, lanes),
        )
        assert mask is not None
        number, chosen = vector_number(i, 0), mask
        return lambda e: store_lanes(e, number, np.where(chosen(e), b(e), a(e)))

    return make


def floats_to(dtype: str) -> Callable[[np.ndarray], np.ndarray]:
    info = np.iinfo(dtype)

    def convert(a: np.ndarray) -> np.ndarray:
        out = np.full(a.shape, info.min, dtype)  # the "integer indefinite" value
        whole = np.trunc(a)
        fits = (whole >= float(info.min)) & (whole < -float(info.min))
        out[fits] = whole[fits].astype(dtype)
        return out

    return convert


def convert(source: str, target: str, operation: Callable[[np.ndarray], np.ndarray]) -> Maker:
    """A conversion that changes the element size: the wider side's vector length counts lanes."""

    def make(i: Instruction) -> Step:
        from_size, to_size = np.dtype(source).itemsize, np.dtype(target).itemsize
        if i.op_kind(1) == OpKind.REGISTER and from_size >= to_size:
            lanes = vector_bytes(i, 1) // from_size
        else:
            lanes = vector_bytes(i, 0) // to_size
        get, number = lanes_reader(i, 1, source, lanes), vector_number(i, 0)
        return lambda e: store_lanes(e, number, operation(get(e)).astype(target))

    return make


def cast(target: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda a: a.astype(target)


BINARY: dict[str, Operation] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "min": x86_min,
    "max": x86_max,
}


def fma_rows() -> dict[str, Maker]:
    rows = {}
    orders = {"132": (0, 2, 1), "213": (1, 0, 2), "231": (1, 2, 0)}
    for suffix, dtype in (("ps", "<f4"), ("pd", "<f8"), ("ss", "<f4"), ("sd", "<f8")):
        for order, (a, b, c) in orders.items():
            for name, sign in (("vfmadd", 1), ("vfnmadd", -1)):

                def operation(
                    x: np.ndarray,
                    y: np.ndarray,
                    z: np.ndarray,
                    where: tuple[int, int, int] = (a, b, c),
                    sign: int = sign,
                ) -> np.ndarray:
                    o = (x, y, z)
                    return fused(sign * o[where[0]], o[where[1]], o[where[2]])

                kind = lanewise if suffix[0] == "p" else scalar
                rows[f"{name}{order}{suffix}"] = kind(dtype, operation, (0, 1, 2))
    return rows


def lanewise_rows() -> dict[str, Maker]:
    rows = fma_rows()
    for suffix, dtype in (("s", "<f4"), ("d", "<f8")):
        for name, operation in BINARY.items():
            rows[f"v{name}p{suffix}"] = lanewise(dtype, operation, (1, 2))
            rows[f"v{name}s{suffix}"] = scalar(dtype, operation, (1, 2))
        rows[f"vsqrtp{suffix}"] = lanewise(dtype, np.sqrt, (1,))
        rows[f"vsqrts{suffix}"] = scalar(dtype, lambda a, b: np.sqrt(b), (1, 2))
        rows[f"vrndscalep{suffix}"] = with_immediate(dtype, round_lanes)
        rows[f"vcmpp{suffix}"] = compare(dtype, PREDICATES)
        rows[f"vblendmp{suffix}"] = blend(dtype)
        bits = dtype.replace("f", "u")
        rows[f"vandp{suffix}"] = lanewise(bits, lambda a, b: a & b, (1, 2))
        rows[f"vorp{suffix}"] = lanewise(bits, lambda a, b: a | b, (1, 2))
        rows[f"vxorp{suffix}"] = lanewise(bits, lambda a, b: a ^ b, (1, 2))
    for suffix, dtype in (("d", "<i4"), ("q", "<i8")):
        rows[f"vpadd{suffix}"] = lanewise(dtype, lambda a, b: a + b, (1, 2))
        rows[f"vpsub{suffix}"] = lanewise(dtype, lambda a, b: a - b, (1, 2))
        rows[f"vpmull{suffix}"] = lanewise(dtype, lambda a, b: a * b, (1, 2))
        rows[f"vpmins{suffix}"] = lanewise(dtype, np.minimum, (1, 2))
        rows[f"vpmaxs{suffix}"] = lanewise(dtype, np.maximum, (1, 2))
        rows[f"vpabs{suffix}"] = lanewise(dtype, np.abs, (1,))
        rows[f"vpsll{suffix}"] = with_immediate(dtype.replace("i", "u"), shift_left)
        rows[f"vpsrl{suffix}"] = with_immediate(dtype.replace("i", "u"), shift_right)
        rows[f"vpcmp{suffix}"] = compare(dtype, INTEGER_PREDICATES)
    return rows


CONVERSIONS: dict[str, Maker] = {
    "vcvtdq2ps": convert("<i4", "<f4", cast("<f4")),
    "vcvtdq2pd": convert("<i4", "<f8", cast("<f8")),
    "vcvtqq2ps": convert("<i8", "<f4", cast("<f4")),
    "vcvtqq2pd": convert("<i8", "<f8", cast("<f8")),
    "vcvttps2dq": convert("<f4", "<i4", floats_to("<i4")),
    "vcvttps2qq": convert("<f4", "<i8", floats_to("<i8")),
    "vcvttpd2dq": convert("<f8", "<i4", floats_to("<i4")),
    "vcvttpd2qq": convert("<f8", "<i8", floats_to("<i8")),
    "vcvtps2pd": convert("<f4", "<f8", cast("<f8")),
    "vcvtpd2ps": convert("<f8", "<f4", cast("<f4")),
    "vpmovsxdq": convert("<i4", "<i8", cast("<i8")),
    "vpmovqd": convert("<i8", "<i4", cast("<i4")),
}


TABLE = {**lanewise_rows(), **CONVERSIONS}
