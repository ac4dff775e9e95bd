"""Run generated x86-64 code one instruction at a time, AVX-512 included, on any machine.

Decoding is iced-x86's; what the instructions do is written here, independently of the code
generator. Only what the generator emits is known: anything else is an error. Every access must lie
inside one of the regions given, so code that touches memory out of bounds stops with MemoryFault.
Masked-off lanes touch nothing.

`python x86_emulator.py --serve` answers requests of backend_test on standard input (see `serve`).
"""

from __future__ import annotations

import struct
import sys

import numpy as np
import x86_general
import x86_lanewise
import x86_moves
from iced_x86 import Instruction, Mnemonic
from x86_machine import Emulator, Memory, Step, UnknownInstruction, signed

STACK_BYTES = 1 << 21
MNEMONICS = {v: k.lower() for k, v in vars(Mnemonic).items() if isinstance(v, int)}
TABLE = {**x86_general.TABLE, **x86_lanewise.TABLE, **x86_moves.TABLE}


def compile_instruction(i: Instruction) -> Step:
    name = MNEMONICS[i.mnemonic]
    if name not in TABLE:
        raise UnknownInstruction(f"{i} ({name})")
    return TABLE[name](i)


def split_parallel_for(e: Emulator) -> None:
    """parallel_for(frame, body, captures, begin, end): two halves, the last as the last thread."""
    if e.gpr[4] % 16 != 8:
        raise AssertionError("the stack is not aligned at a call")
    frame, body, captures, begin, end = (e.gpr[r] for r in (7, 6, 2, 1, 8))
    middle = signed(begin) + (signed(end) - signed(begin)) // 2
    threads = int.from_bytes(e.memory.read(frame + 40, 8), "little")
    e.vec[:] = 0x77
    e.k[:] = [0x5555] * 8
    e.call(body, frame, captures, begin, middle, 0)
    e.call(body, frame, captures, middle, end, threads - 1)
    for r in (0, 1, 2, 6, 7, 8, 9, 10, 11):
        e.gpr[r] = 0xBAD0_0000 + r


def new_machine(regions: list[tuple[int, bytearray]]) -> Emulator:
    """Return a machine with these memory regions, a stack, and junk in its registers."""
    memory = Memory()
    for address, data in regions:
        memory.add(address, data)
    stack = 0x7000_0000_0000
    memory.add(stack, bytearray(STACK_BYTES))
    e = Emulator(memory, compile_instruction)
    e.gpr = [0xBAD0_0000 + r for r in range(16)]
    e.gpr[4] = stack + STACK_BYTES - 4096
    e.vec[:] = 0x99
    return e


def serve() -> None:
    """Requests: entry, frame, parallel_for, region count; then address, size, bytes of each.

    Answers: 0 and the bytes of every region, or the length of a message and the message.
    """
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    np.seterr(all="ignore")
    while header := source.read(32):
        entry, frame, parallel_for, count = struct.unpack("<QQQQ", header)
        regions = []
        for _ in range(count):
            address, size = struct.unpack("<QQ", source.read(16))
            regions.append((address, bytearray(source.read(size))))
        e = new_machine(regions)
        e.hooks[parallel_for] = split_parallel_for
        try:
            e.call(entry, frame)
        except Exception as error:  # reported by the other side as a failed check
            message = f"{type(error).__name__}: {error}".encode()
            sink.write(struct.pack("<Q", len(message)) + message)
        else:
            sink.write(struct.pack("<Q", 0) + b"".join(bytes(data) for _, data in regions))
        sink.flush()


if __name__ == "__main__":
    serve()
