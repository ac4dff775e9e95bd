"""General registers: moves, integer arithmetic, flags, branches, the stack."""

from __future__ import annotations

from collections.abc import Callable

from emulator.decoder import Decoded
from emulator.semantics.registry import Step, register, semantics
from emulator.state import CONDITIONS, MASK64, RAX, RDX, RSP, State

Integers = Callable[[int, int], int]


def signed(value: int, bits: int) -> int:
    """Reinterpret an unsigned value."""
    return value - (1 << bits) if value >> (bits - 1) else value


# --- Moves ---


@semantics("mov", "movzx")
def _mov(d: Decoded) -> Step:
    get, put = d.integer(1), d.integer_sink(0)
    return lambda: put(get())


@semantics("movsx", "movsxd")
def _movsx(d: Decoded) -> Step:
    get, put, bits = d.integer(1), d.integer_sink(0), 8 * d.size_of(1)
    return lambda: put(signed(get(), bits))


@semantics("lea")
def _lea(d: Decoded) -> Step:
    address, put = d.address(), d.integer_sink(0)
    return lambda: put(address())


@semantics("cqo", "cdq")
def _cqo(d: Decoded) -> Step:
    gpr, bits = d.state.gpr, 64 if d.name == "cqo" else 32

    def step() -> None:
        gpr[RDX] = ((1 << bits) - 1) * (gpr[RAX] >> (bits - 1) & 1)

    return step


# --- Arithmetic with flags ---


def _sum_flags(s: State, a: int, b: int, carry: int, bits: int) -> int:
    total = a + b + carry
    result = total & ((1 << bits) - 1)
    s.cf = total >> bits
    s.of = ((a ^ result) & (b ^ result)) >> (bits - 1)
    s.set_result_flags(result, bits)
    return result


def _difference_flags(s: State, a: int, b: int, borrow: int, bits: int) -> int:
    result = (a - b - borrow) & ((1 << bits) - 1)
    s.cf = int(a < b + borrow)
    s.of = ((a ^ b) & (a ^ result)) >> (bits - 1)
    s.set_result_flags(result, bits)
    return result


def _logic_flags(s: State, result: int, bits: int) -> int:
    s.cf = s.of = 0
    s.set_result_flags(result, bits)
    return result


ALU: dict[str, Callable[[State, int, int, int], int]] = {
    "add": lambda s, a, b, n: _sum_flags(s, a, b, 0, n),
    "adc": lambda s, a, b, n: _sum_flags(s, a, b, s.cf, n),
    "sub": lambda s, a, b, n: _difference_flags(s, a, b, 0, n),
    "sbb": lambda s, a, b, n: _difference_flags(s, a, b, s.cf, n),
    "cmp": lambda s, a, b, n: _difference_flags(s, a, b, 0, n),
    "and": lambda s, a, b, n: _logic_flags(s, a & b, n),
    "or": lambda s, a, b, n: _logic_flags(s, a | b, n),
    "xor": lambda s, a, b, n: _logic_flags(s, a ^ b, n),
    "test": lambda s, a, b, n: _logic_flags(s, a & b, n),
}


@semantics(*ALU)
def _alu(d: Decoded) -> Step:
    operate, state, bits = ALU[d.name], d.state, 8 * d.size_of(0)
    a, b, put = d.integer(0), d.integer(1), d.integer_sink(0)
    if d.name in ("cmp", "test"):

        def compare() -> None:
            operate(state, a(), b(), bits)

        return compare
    return lambda: put(operate(state, a(), b(), bits))


@semantics("inc", "dec")
def _step_by_one(d: Decoded) -> Step:
    state, bits = d.state, 8 * d.size_of(0)
    operate = _sum_flags if d.name == "inc" else _difference_flags
    get, put = d.integer(0), d.integer_sink(0)

    def step() -> None:
        carry = state.cf  # kept
        put(operate(state, get(), 1, 0, bits))
        state.cf = carry

    return step


@semantics("neg")
def _neg(d: Decoded) -> Step:
    state, bits, get, put = d.state, 8 * d.size_of(0), d.integer(0), d.integer_sink(0)
    return lambda: put(_difference_flags(state, 0, get(), 0, bits))


@semantics("not")
def _not(d: Decoded) -> Step:
    get, put = d.integer(0), d.integer_sink(0)
    return lambda: put(~get())


@semantics("imul")
def _imul(d: Decoded) -> Step:
    state, bits, put = d.state, 8 * d.size_of(0), d.integer_sink(0)
    first = 0 if d.count == 2 else 1
    a, b = d.integer(first), d.integer(first + 1)

    def step() -> None:
        product = signed(a(), bits) * signed(b(), bits)
        result = product & ((1 << bits) - 1)
        state.cf = state.of = int(signed(result, bits) != product)
        put(result)

    return step


@semantics("mul")
def _mul(d: Decoded) -> Step:
    state, get, bits = d.state, d.integer(0), 8 * d.size_of(0)
    mask = (1 << bits) - 1

    def step() -> None:
        product = (state.gpr[RAX] & mask) * get()
        state.gpr[RAX], state.gpr[RDX] = product & mask, product >> bits
        state.cf = state.of = int(product > mask)

    return step


@semantics("idiv", "div")
def _divide(d: Decoded) -> Step:
    gpr, get, bits = d.state.gpr, d.integer(0), 8 * d.size_of(0)
    mask, is_signed = (1 << bits) - 1, d.name == "idiv"

    def step() -> None:
        dividend, divisor = (gpr[RDX] & mask) << bits | (gpr[RAX] & mask), get()
        if is_signed:
            dividend, divisor = signed(dividend, 2 * bits), signed(divisor, bits)
        quotient = abs(dividend) // abs(divisor)  # ZeroDivisionError is the processor's fault too
        quotient = -quotient if (dividend < 0) != (divisor < 0) else quotient
        limit = (1 << (bits - 1)) if is_signed else 1 << bits
        if not (-limit if is_signed else 0) <= quotient < limit:
            raise OverflowError(f"{d.name}: the quotient does not fit")
        gpr[RAX] = quotient & mask
        gpr[RDX] = (dividend - quotient * divisor) & mask

    return step


# --- Shifts and bits ---


def _shift(name: str, value: int, count: int, bits: int) -> int:
    if name in ("shl", "shlx"):
        return value << count & ((1 << bits) - 1)
    if name in ("shr", "shrx"):
        return value >> count
    return (signed(value, bits) >> count) & ((1 << bits) - 1)


def _shifted_out(name: str, value: int, count: int, bits: int) -> int:
    if name == "shl":
        return value >> (bits - count) & 1
    return signed(value, bits) >> (count - 1) & 1


@semantics("shl", "shr", "sar")
def _shift_flags(d: Decoded) -> Step:
    name, state, bits = d.name, d.state, 8 * d.size_of(0)
    get, put = d.integer(0), d.integer_sink(0)
    count_of = d.integer(1)

    def step() -> None:
        value, count = get(), count_of() & (bits - 1)
        result = _shift(name, value, count, bits)
        if count:
            state.cf = _shifted_out(name, value, count, bits)
            state.set_result_flags(result, bits)
            overflow = {"shl": result >> (bits - 1) ^ state.cf, "shr": value >> (bits - 1)}
            state.of = overflow.get(name, 0)  # defined for counts of one only
        put(result)

    return step


@semantics("shlx", "shrx", "sarx")
def _shift_free(d: Decoded) -> Step:
    name, bits, put = d.name, 8 * d.size_of(0), d.integer_sink(0)
    get, count = d.integer(1), d.integer(2)
    return lambda: put(_shift(name, get(), count() & (bits - 1), bits))


@semantics("bzhi")
def _bzhi(d: Decoded) -> Step:
    state, bits, put = d.state, 8 * d.size_of(0), d.integer_sink(0)
    get, start = d.integer(1), d.integer(2)

    def step() -> None:
        kept = start() & 0xFF
        result = get() & ((1 << min(kept, bits)) - 1)
        state.set_result_flags(result, bits)
        state.of, state.cf = 0, int(kept > bits - 1)
        put(result)

    return step


@semantics("andn")
def _andn(d: Decoded) -> Step:
    state, bits, put = d.state, 8 * d.size_of(0), d.integer_sink(0)
    a, b = d.integer(1), d.integer(2)
    return lambda: put(_logic_flags(state, ~a() & b(), bits))


@semantics("tzcnt", "lzcnt", "popcnt")
def _count(d: Decoded) -> Step:
    state, bits, get, put = d.state, 8 * d.size_of(0), d.integer(1), d.integer_sink(0)

    def count(value: int) -> int:
        if d.name == "popcnt":
            return value.bit_count()
        if value == 0:
            return bits
        return bits - value.bit_length() if d.name == "lzcnt" else (value & -value).bit_length() - 1

    def step() -> None:
        value = get()
        result = count(value)
        state.of = state.sf = state.pf = 0
        state.cf = int(value == 0) if d.name != "popcnt" else 0
        state.zf = int(result == 0) if d.name != "popcnt" else int(value == 0)
        put(result)

    return step


# --- Conditions ---


def _conditional_move(code: str) -> Callable[[Decoded], Step]:
    def build(d: Decoded) -> Step:
        state, old, new, put = d.state, d.integer(0), d.integer(1), d.integer_sink(0)

        def step() -> None:
            loaded = new()  # memory is read either way
            put(loaded if state.condition(code) else old())

        return step

    return build


def _conditional_set(code: str) -> Callable[[Decoded], Step]:
    def build(d: Decoded) -> Step:
        state, put = d.state, d.integer_sink(0)
        return lambda: put(int(state.condition(code)))

    return build


def _conditional_jump(code: str) -> Callable[[Decoded], Step]:
    def build(d: Decoded) -> Step:
        state, target = d.state, d.raw.near_branch_target
        return lambda: target if state.condition(code) else None

    return build


for _code in CONDITIONS:
    register(_conditional_move(_code), f"cmov{_code}")
    register(_conditional_set(_code), f"set{_code}")
    register(_conditional_jump(_code), f"j{_code}")


# --- Stack and control ---


@semantics("push")
def _push(d: Decoded) -> Step:
    get = d.integer(0)
    return lambda: push(d, get())


def push(d: Decoded, value: int) -> None:
    """Store a value below the top of the stack."""
    gpr = d.state.gpr
    gpr[RSP] = (gpr[RSP] - 8) & MASK64
    d.memory.store_int(gpr[RSP], 8, value)


@semantics("pop")
def _pop(d: Decoded) -> Step:
    gpr, memory, put = d.state.gpr, d.memory, d.integer_sink(0)

    def step() -> None:
        value = memory.load_int(gpr[RSP], 8)
        gpr[RSP] = (gpr[RSP] + 8) & MASK64
        put(value)

    return step


def _target(d: Decoded) -> Callable[[], int]:
    if d.is_branch(0):
        fixed = d.raw.near_branch_target
        return lambda: fixed
    return d.integer(0)


@semantics("jmp")
def _jmp(d: Decoded) -> Step:
    return _target(d)


@semantics("call")
def _call(d: Decoded) -> Step:
    target, back = _target(d), d.next_ip

    def step() -> int:
        to = target()
        push(d, back)
        return to

    return step


@semantics("ret")
def _ret(d: Decoded) -> Step:
    gpr, memory = d.state.gpr, d.memory

    def step() -> int:
        target = memory.load_int(gpr[RSP], 8)
        gpr[RSP] = (gpr[RSP] + 8) & MASK64
        return target

    return step


@semantics(
    "nop", "pause", "sfence", "mfence",
    "prefetcht0", "prefetcht1", "prefetcht2", "prefetchnta", "prefetchw",
)  # fmt: skip
def _nothing(d: Decoded) -> Step:
    return lambda: None


@semantics("ud2")
def _ud2(d: Decoded) -> Step:
    def step() -> None:
        raise AssertionError(f"ud2 reached at {d.raw.ip:#x}")

    return step
