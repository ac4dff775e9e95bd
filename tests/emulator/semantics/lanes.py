"""Lane-wise vector instructions: arithmetic, logic, shifts, comparisons, blends, conversions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emulator.decoder import Decoded
from emulator.exact import fma
from emulator.semantics.registry import (
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Builder,
    Step,
    register,
)

Array = np.ndarray
Function = Callable[..., Array]


# --- Shapes of operand lists ---


def vector(dtype: np.dtype, function: Function) -> Builder:
    """Build ``dst = function(sources...)`` over whole vectors; a last immediate is passed too."""

    def build(d: Decoded) -> Step:
        lanes = d.width // dtype.itemsize
        sources = range(1, d.count - 1 if d.is_immediate(d.count - 1) else d.count)
        gets = [d.source(i, dtype, lanes) for i in sources]
        return _applied(d, function, gets, d.sink(0, dtype, lanes))

    return build


def accumulating(dtype: np.dtype, function: Function) -> Builder:
    """Build ``dst = function(dst, sources...)`` over whole vectors."""

    def build(d: Decoded) -> Step:
        lanes = d.width // dtype.itemsize
        count = d.count - 1 if d.is_immediate(d.count - 1) else d.count
        gets = [d.source(i, dtype, lanes) for i in range(count)]
        return _applied(d, function, gets, d.sink(0, dtype, lanes))

    return build


def _applied(d: Decoded, function: Function, gets: list, put: Callable[[Array], None]) -> Step:
    extra = (d.immediate(d.count - 1),) if d.is_immediate(d.count - 1) else ()
    if len(gets) == 1:
        (a,) = gets
        return lambda: put(function(a(), *extra))
    if len(gets) == 2:
        a, b = gets
        return lambda: put(function(a(), b(), *extra))
    a, b, c = gets
    return lambda: put(function(a(), b(), c(), *extra))


def scalar(dtype: np.dtype, function: Function, accumulate: bool = False) -> Builder:
    """Build ``dst[0] = function(...)``; the rest of 128 bits comes from the first source."""

    def build(d: Decoded) -> Step:
        last = d.count - 1 if d.is_immediate(d.count - 1) else d.count
        # A unary operation reads its last operand only: the first source fills the upper lanes.
        first = 0 if accumulate else last - 1 if _is_unary(d.name) else 1
        gets = [d.source(i, dtype, 1) for i in range(first, last)]
        return _applied(d, function, gets, lowest_lane_sink(d, dtype, 0 if accumulate else 1))

    return build


UNARY_SCALARS = ("vsqrt", "vround", "vrndscale")


def _is_unary(name: str) -> bool:
    return name.startswith(UNARY_SCALARS)


def lowest_lane_sink(d: Decoded, dtype: np.dtype, upper: int) -> Callable[[Array], None]:
    """Write lane 0 under the opmask; bytes up to 16 come from register operand ``upper``."""
    put, size = d.sink(0, dtype, 1), dtype.itemsize
    row = d.state.zmm[d.number(0)]
    rest = d.state.zmm[d.number(upper)][size:16]

    def write(value: Array) -> None:
        kept = rest.copy()
        put(value)
        row[size:16] = kept

    return write


def compare(dtype: np.dtype, function: Function, is_scalar: bool = False) -> Builder:
    """Build a comparison: into an opmask, or into lanes of all ones."""

    def build(d: Decoded) -> Step:
        lanes = 1 if is_scalar else d.width // dtype.itemsize
        gets = [d.source(i, dtype, lanes) for i in (1, 2)]
        if d.is_k(0):
            return _applied(d, function, gets, d.k_sink(0, lanes))
        integer = I32 if dtype.itemsize == 4 else I64
        put = lowest_lane_sink(d, integer, 1) if is_scalar else d.sink(0, integer, lanes)
        return _applied(d, lambda *a: -function(*a).astype(integer), gets, put)

    return build


def convert(source: np.dtype, target: np.dtype, function: Function | None = None) -> Builder:
    """Build a lane-wise conversion; the wider of the two types fills the vector."""
    cast = function or (lambda a: a.astype(target))

    def build(d: Decoded) -> Step:
        lanes = d.width // max(source.itemsize, target.itemsize)
        return _applied(d, cast, [d.source(1, source, lanes)], d.sink(0, target, lanes))

    return build


# --- Functions ---


def minimum(a: Array, b: Array) -> Array:
    """The second operand unless the first is less: so for NaN and for zeros of either sign."""
    return np.where(a < b, a, b)


def maximum(a: Array, b: Array) -> Array:
    return np.where(a > b, a, b)


ROUNDINGS = (np.rint, np.floor, np.ceil, np.trunc)


def round_by(a: Array, control: int) -> Array:
    """vround*, and vrndscale* without scaling; bit 2 asks for the current mode, to nearest."""
    if control >> 4:
        raise NotImplementedError("vrndscale with a scale")
    return (np.rint if control & 4 else ROUNDINGS[control & 3])(a).astype(a.dtype)


def to_integer(target: np.dtype, rounding: Callable[[Array], Array]) -> Function:
    """Convert floats; what does not fit (NaN too) becomes the most negative integer."""
    low, high = -(2.0 ** (8 * target.itemsize - 1)), 2.0 ** (8 * target.itemsize - 1)

    def function(a: Array) -> Array:
        wide = rounding(a.astype(np.float64))
        fits = (wide >= low) & (wide < high)
        return np.where(fits, np.where(fits, wide, 0).astype(target), np.iinfo(target).min)

    return lambda a: function(a).astype(target)


def shift_left(a: Array, count: Array | int) -> Array:
    bits = 8 * a.dtype.itemsize
    count = np.asarray(count).astype(a.dtype)
    return np.where(count < bits, a << np.minimum(count, bits - 1), 0).astype(a.dtype)


def shift_right(a: Array, count: Array | int) -> Array:
    bits = 8 * a.dtype.itemsize
    count = np.asarray(count).astype(a.dtype)
    return np.where(count < bits, a >> np.minimum(count, bits - 1), 0).astype(a.dtype)


def shift_arithmetic(a: Array, count: Array | int) -> Array:
    unsigned = np.asarray(count).astype(a.dtype.str.replace("i", "u"))
    return a >> np.minimum(unsigned, 8 * a.dtype.itemsize - 1).astype(a.dtype)


def ternary_logic(a: Array, b: Array, c: Array, table: int) -> Array:
    """Look each bit triple up in an 8-entry table."""
    result = np.zeros_like(a)
    for row in range(8):
        if table >> row & 1:
            terms = [x if row >> n & 1 else ~x for x, n in ((a, 2), (b, 1), (c, 0))]
            result |= terms[0] & terms[1] & terms[2]
    return result


def low_halves(dtype: np.dtype) -> Function:
    """Multiply the even (low) 32-bit halves of 64-bit lanes."""
    half = np.dtype(dtype.str.replace("8", "4"))

    def function(a: Array, b: Array) -> Array:
        return a.view(half)[::2].astype(dtype) * b.view(half)[::2].astype(dtype)

    return function


def negated(function: Function) -> Function:
    return lambda a, b: ~function(a, b)


def unordered(a: Array, b: Array) -> Array:
    return np.isnan(a) | np.isnan(b)


# Predicates 0 to 15 of vcmp; bit 4 changes only which NaNs signal.
FLOAT_PREDICATES: tuple[Function, ...] = (
    np.equal, np.less, np.less_equal, unordered,
    np.not_equal, negated(np.less), negated(np.less_equal), negated(unordered),
    lambda a, b: (a == b) | unordered(a, b), negated(np.greater_equal), negated(np.greater),
    lambda a, b: np.zeros(len(a), bool),
    lambda a, b: (a != b) & ~unordered(a, b), np.greater_equal, np.greater,
    lambda a, b: np.ones(len(a), bool),
)  # fmt: skip

INTEGER_PREDICATES: tuple[Function, ...] = (
    np.equal, np.less, np.less_equal, lambda a, b: np.zeros(len(a), bool),
    np.not_equal, np.greater_equal, np.greater, lambda a, b: np.ones(len(a), bool),
)  # fmt: skip


def compare_floats(a: Array, b: Array, predicate: int) -> Array:
    return FLOAT_PREDICATES[predicate & 15](a, b)


def compare_integers(a: Array, b: Array, predicate: int) -> Array:
    return INTEGER_PREDICATES[predicate & 7](a, b)


# --- The table ---

FLOATS = (("ps", "ss", F32), ("pd", "sd", F64))

FLOAT_BINARY: dict[str, Function] = {
    "vadd": np.add, "vsub": np.subtract, "vmul": np.multiply, "vdiv": np.divide,
    "vmin": minimum, "vmax": maximum,
}  # fmt: skip

# dst, first source, second source in the order of the mnemonic's digits
FMA_ORDERS: dict[str, Function] = {
    "132": lambda d, a, b: (d, b, a),
    "213": lambda d, a, b: (a, d, b),
    "231": lambda d, a, b: (a, b, d),
}
FMA_SIGNS: dict[str, Function] = {
    "vfmadd": lambda x, y, z: fma(x, y, z),
    "vfmsub": lambda x, y, z: fma(x, y, -z),
    "vfnmadd": lambda x, y, z: fma(-x, y, z),
    "vfnmsub": lambda x, y, z: fma(-x, y, -z),
}


def _register_floats() -> None:
    for packed, single, dtype in FLOATS:
        for name, function in FLOAT_BINARY.items():
            register(vector(dtype, function), name + packed)
            register(scalar(dtype, function), name + single)
        register(vector(dtype, np.sqrt), "vsqrt" + packed)
        register(scalar(dtype, np.sqrt), "vsqrt" + single)
        for name in ("vround", "vrndscale"):
            register(vector(dtype, round_by), name + packed)
            register(scalar(dtype, round_by), name + single)
        register(compare(dtype, compare_floats), "vcmp" + packed)
        register(compare(dtype, compare_floats, is_scalar=True), "vcmp" + single)
        _register_fma(packed, single, dtype)


def _register_fma(packed: str, single: str, dtype: np.dtype) -> None:
    for name, sign in FMA_SIGNS.items():
        for digits, order in FMA_ORDERS.items():

            def function(d: Array, a: Array, b: Array, sign=sign, order=order) -> Array:
                return sign(*order(d, a, b))

            register(accumulating(dtype, function), name + digits + packed)
            register(scalar(dtype, function, accumulate=True), name + digits + single)


def and_not(a: Array, b: Array) -> Array:
    return ~a & b


BITWISE: tuple[tuple[str, Function], ...] = (
    ("and", np.bitwise_and), ("andn", and_not), ("or", np.bitwise_or), ("xor", np.bitwise_xor),
)  # fmt: skip


def _register_bitwise() -> None:
    for name, function in BITWISE:
        register(vector(U32, function), f"v{name}ps", f"vp{name}", f"vp{name}d")
        register(vector(U64, function), f"v{name}pd", f"vp{name}q")
    register(accumulating(U32, ternary_logic), "vpternlogd")
    register(accumulating(U64, ternary_logic), "vpternlogq")


def _register_integers() -> None:
    for suffix, signed, unsigned in (("d", I32, U32), ("q", I64, U64)):
        register(vector(signed, np.add), "vpadd" + suffix)
        register(vector(signed, np.subtract), "vpsub" + suffix)
        register(vector(signed, np.minimum), "vpmins" + suffix)
        register(vector(signed, np.maximum), "vpmaxs" + suffix)
        register(vector(signed, np.abs), "vpabs" + suffix)
        register(vector(signed, np.multiply), "vpmull" + suffix)
        register(vector(unsigned, shift_left), "vpsll" + suffix, f"vpsllv{suffix}")
        register(vector(unsigned, shift_right), "vpsrl" + suffix, f"vpsrlv{suffix}")
        register(vector(signed, shift_arithmetic), "vpsra" + suffix, f"vpsrav{suffix}")
        register(compare(signed, np.equal), "vpcmpeq" + suffix)
        register(compare(signed, np.greater), "vpcmpgt" + suffix)
        register(compare(signed, compare_integers), "vpcmp" + suffix)
        register(compare(signed, lambda a, b: (a & b) != 0), "vptestm" + suffix)
    register(vector(U64, low_halves(U64)), "vpmuludq")
    register(vector(I64, low_halves(I64)), "vpmuldq")


# --- Blends ---


def _blend_by_opmask(dtype: np.dtype) -> Builder:
    """Build vblendm*: the opmask chooses the second source, it does not merge with dst."""

    def build(d: Decoded) -> Step:
        lanes = d.width // dtype.itemsize
        a, b = d.source(1, dtype, lanes), d.source(2, dtype, lanes)
        active, low = d.active(lanes), d.register(0, dtype, lanes)
        high, zeroing = d.state.zmm[d.number(0)][d.width :], d.zeroing

        def step() -> None:
            chosen = np.ones(lanes, bool) if active is None else active()
            low[:] = np.where(chosen, b(), dtype.type(0) if zeroing else a())
            high[:] = 0

        return step

    return build


def _blend_by_signs(dtype: np.dtype) -> Builder:
    def build(d: Decoded) -> Step:
        lanes = d.width // dtype.itemsize
        a, b, signs = (d.source(i, dtype, lanes) for i in (1, 2, 3))
        put = d.sink(0, dtype, lanes)
        return lambda: put(np.where(signs() < 0, b(), a()))

    return build


def _blend_by_immediate(a: Array, b: Array, control: int) -> Array:
    chosen = [(control >> (lane % 8)) & 1 for lane in range(len(a))]
    return np.where(np.array(chosen, bool), b, a)


def _register_blends() -> None:
    for name, dtype in (("vblendmps", U32), ("vpblendmd", U32), ("vblendmpd", U64)):
        register(_blend_by_opmask(dtype), name)
    register(_blend_by_opmask(U64), "vpblendmq")
    register(_blend_by_signs(I32), "vblendvps")
    register(_blend_by_signs(I64), "vblendvpd")
    register(_blend_by_signs(I8), "vpblendvb")
    register(vector(U32, _blend_by_immediate), "vblendps", "vpblendd")
    register(vector(U64, _blend_by_immediate), "vblendpd")


# --- Conversions ---


def _register_conversions() -> None:
    for name, source, target in (
        ("vcvtdq2ps", I32, F32), ("vcvtdq2pd", I32, F64), ("vcvtps2pd", F32, F64),
        ("vcvtpd2ps", F64, F32), ("vcvtqq2pd", I64, F64), ("vcvtqq2ps", I64, F32),
        ("vcvtph2ps", F16, F32), ("vpmovsxdq", I32, I64), ("vpmovzxdq", U32, U64),
        ("vpmovsxwd", I16, I32), ("vpmovzxwd", U16, U32), ("vpmovsxbd", I8, I32),
        ("vpmovzxbd", U8, U32), ("vpmovsxbq", I8, I64), ("vpmovzxbq", U8, U64),
        ("vpmovqd", U64, U32), ("vpmovdb", U32, U8), ("vpmovqb", U64, U8),
    ):  # fmt: skip
        register(convert(source, target), name)
    for name, source, target, rounding in (
        ("vcvttps2dq", F32, I32, np.trunc), ("vcvttpd2dq", F64, I32, np.trunc),
        ("vcvttps2qq", F32, I64, np.trunc), ("vcvttpd2qq", F64, I64, np.trunc),
        ("vcvtps2dq", F32, I32, np.rint), ("vcvtpd2dq", F64, I32, np.rint),
        ("vcvtpd2qq", F64, I64, np.rint),
    ):  # fmt: skip
        register(convert(source, target, to_integer(target, rounding)), name)
    register(_float_to_half, "vcvtps2ph")
    register(_scalar_conversion(F32, F64), "vcvtss2sd")
    register(_scalar_conversion(F64, F32), "vcvtsd2ss")
    register(_from_general(F32), "vcvtsi2ss")
    register(_from_general(F64), "vcvtsi2sd")
    register(_to_general(F32), "vcvttss2si")
    register(_to_general(F64), "vcvttsd2si")


def _float_to_half(d: Decoded) -> Step:
    if d.immediate(2) & 7 not in (0, 4):
        raise NotImplementedError("vcvtps2ph not rounding to nearest")
    lanes = d.width // 4
    get, put = d.source(1, F32, lanes), d.sink(0, F16, lanes)
    return lambda: put(get().astype(F16))


def _scalar_conversion(source: np.dtype, target: np.dtype) -> Builder:
    def build(d: Decoded) -> Step:
        get, put = d.source(2, source, 1), lowest_lane_sink(d, target, 1)
        return lambda: put(get().astype(target))

    return build


def _from_general(target: np.dtype) -> Builder:
    def build(d: Decoded) -> Step:
        get, put = d.integer(2), lowest_lane_sink(d, target, 1)
        unsigned, signed = (U64, I64) if d.size_of(2) == 8 else (U32, I32)
        return lambda: put(np.array([get()], unsigned).view(signed).astype(target))

    return build


def _to_general(source: np.dtype) -> Builder:
    def build(d: Decoded) -> Step:
        get, put = d.source(1, source, 1), d.integer_sink(0)
        cut = to_integer(I64 if d.size_of(0) == 8 else I32, np.trunc)
        return lambda: put(int(cut(get())[0]))

    return build


_register_floats()
_register_bitwise()
_register_integers()
_register_blends()
_register_conversions()
