"""General-register instructions: arithmetic, moves, conditions, control."""

from __future__ import annotations

from collections.abc import Callable

from iced_x86 import Instruction
from x86_machine import (
    MASK64,
    Emulator,
    Maker,
    Step,
    address_of,
    general_bytes,
    pop,
    push,
    reader,
    signed,
    writer,
)


def set_result_flags(e: Emulator, value: int, bits: int) -> None:
    value &= (1 << bits) - 1
    e.zf, e.sf = value == 0, bool(value >> (bits - 1))


def arithmetic(i: Instruction, operation: Callable[[int, int], int], write: bool) -> Step:
    left, right, bits = reader(i, 0), reader(i, 1), 8 * general_bytes(i)
    store = writer(i) if write else None

    def run(e: Emulator) -> None:
        a, b = signed(left(e), bits), signed(right(e), bits)
        exact = operation(a, b)
        set_result_flags(e, exact, bits)
        e.of = not -(1 << (bits - 1)) <= exact < 1 << (bits - 1)
        if store is not None:
            store(e, exact)

    return run


CONDITIONS: dict[str, Callable[[Emulator], bool]] = {
    "e": lambda e: e.zf,
    "ne": lambda e: not e.zf,
    "l": lambda e: e.sf != e.of,
    "ge": lambda e: e.sf == e.of,
    "le": lambda e: e.zf or e.sf != e.of,
    "g": lambda e: not e.zf and e.sf == e.of,
}


def step_move(i: Instruction) -> Step:
    get, put = reader(i, 1), writer(i)
    return lambda e: put(e, get(e))


def step_lea(i: Instruction) -> Step:
    at, put = address_of(i), writer(i)
    return lambda e: put(e, at(e))


def step_unary(i: Instruction, operation: Callable[[int], int]) -> Step:
    get, put, bits = reader(i, 0), writer(i), 8 * general_bytes(i)

    def run(e: Emulator) -> None:
        value = operation(signed(get(e), bits))
        set_result_flags(e, value, bits)
        put(e, value)

    return run


def step_shift(i: Instruction, operation: Callable[[int, int], int]) -> Step:
    get, put, count = reader(i, 0), writer(i), i.immediate(1) & 63
    return lambda e: put(e, operation(get(e), count))


def step_imul(i: Instruction) -> Step:
    first = 1 if i.op_count == 3 else 0
    left, right, put = reader(i, first), reader(i, first + 1), writer(i)
    return lambda e: put(e, signed(left(e)) * signed(right(e)))


def step_mul(i: Instruction) -> Step:
    get = reader(i, 0)

    def run(e: Emulator) -> None:
        product = e.gpr[0] * get(e)
        e.gpr[0], e.gpr[2] = product & MASK64, product >> 64

    return run


def step_cmov(i: Instruction, condition: Callable[[Emulator], bool]) -> Step:
    get, put = reader(i, 1), writer(i)

    def run(e: Emulator) -> None:
        if condition(e):
            put(e, get(e))

    return run


def step_jump(i: Instruction, condition: Callable[[Emulator], bool]) -> Step:
    target = i.near_branch_target
    return lambda e: target if condition(e) else None


def step_call(i: Instruction) -> Step:
    get, following = reader(i, 0), i.next_ip

    def run(e: Emulator) -> int:
        push(e, following)
        return get(e)

    return run


def step_bzhi(i: Instruction) -> Step:
    get, count, put = reader(i, 1), reader(i, 2), writer(i)
    return lambda e: put(e, get(e) & ((1 << (count(e) & 255)) - 1))


def nothing(i: Instruction) -> Step:
    return lambda e: None


def step_push(i: Instruction) -> Step:
    get = reader(i, 0)
    return lambda e: push(e, get(e))


def step_pop(i: Instruction) -> Step:
    put = writer(i)
    return lambda e: put(e, pop(e))


def step_vzeroupper(i: Instruction) -> Step:
    def run(e: Emulator) -> None:
        e.vec[:16, 16:] = 0

    return run


TABLE: dict[str, Maker] = {
    "mov": step_move,
    "lea": step_lea,
    "add": lambda i: arithmetic(i, lambda a, b: a + b, True),
    "sub": lambda i: arithmetic(i, lambda a, b: a - b, True),
    "cmp": lambda i: arithmetic(i, lambda a, b: a - b, False),
    "test": lambda i: arithmetic(i, lambda a, b: a & b, False),
    "xor": lambda i: arithmetic(i, lambda a, b: a ^ b, True),
    "and": lambda i: arithmetic(i, lambda a, b: a & b, True),
    "neg": lambda i: step_unary(i, lambda a: -a),
    "shl": lambda i: step_shift(i, lambda a, n: a << n),
    "shr": lambda i: step_shift(i, lambda a, n: a >> n),
    "sar": lambda i: step_shift(i, lambda a, n: signed(a) >> n),
    "imul": step_imul,
    "mul": step_mul,
    "bzhi": step_bzhi,
    "push": step_push,
    "pop": step_pop,
    "call": step_call,
    "ret": lambda i: pop,
    "jmp": lambda i: step_jump(i, lambda e: True),
    "vzeroupper": step_vzeroupper,
    "sfence": nothing,
    "nop": nothing,
    "prefetcht0": nothing,
    "prefetcht1": nothing,
    "prefetchw": nothing,
    **{f"j{c}": (lambda i, f=f: step_jump(i, f)) for c, f in CONDITIONS.items()},
    **{f"cmov{c}": (lambda i, f=f: step_cmov(i, f)) for c, f in CONDITIONS.items()},
}
