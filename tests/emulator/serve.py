"""Answer requests to run code, from standard input: the other side is tests/nest/backend_test.cpp.

A request: entry, frame, parallel_for, region count, then address, size and bytes of each region.
The answer: 0 and the bytes of every region, or the length of a message and the message.
Numbers are unsigned 64-bit, little-endian. One region holds the code, another the frame.

    PYTHONPATH=tests python -m emulator.serve
"""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

import numpy as np

from emulator.machine import PARALLEL_FOR, Machine

Regions = list[tuple[int, np.ndarray]]
PARALLEL_FOR_OFFSET = 32  # in the frame of csrc/include/loopnest/abi.hpp


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until the input ends."""
    while header := source.read(32):
        entry, frame, parallel_for, count = struct.unpack("<QQQQ", header)
        regions = [_region(source) for _ in range(count)]
        try:
            run(entry, frame, parallel_for, regions)
        except Exception as error:  # the other side reports it as a failed check
            message = f"{type(error).__name__}: {error}".encode()
            sink.write(struct.pack("<Q", len(message)) + message)
        else:
            sink.write(struct.pack("<Q", 0) + b"".join(data.tobytes() for _, data in regions))
        sink.flush()


def run(entry: int, frame: int, parallel_for: int, regions: Regions) -> None:
    """Call ``entry(frame)`` on regions at their own addresses; stores show in them."""
    code_base, code = next(
        (base, data) for base, data in regions if base <= entry < base + data.size
    )
    machine = Machine(code.tobytes(), entry - code_base)
    for base, data in regions:
        if base != code_base:
            machine.memory.map_at(f"region at {base:#x}", data, base)
    machine.memory.store_int(frame + PARALLEL_FOR_OFFSET, 8, PARALLEL_FOR)
    try:
        machine.run(machine.entry, [frame])
    finally:
        machine.memory.store_int(frame + PARALLEL_FOR_OFFSET, 8, parallel_for)


def _region(source: BinaryIO) -> tuple[int, np.ndarray]:
    address, size = struct.unpack("<QQ", source.read(16))
    return address, np.frombuffer(bytearray(source.read(size)), np.uint8)


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
