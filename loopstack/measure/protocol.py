"""Messages between a parent and its worker: a length, then JSON.

Nothing here can run code on the reading side. A frame is a 4-byte little-endian length and that
many bytes of UTF-8.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

Message = dict[str, Any]
HEADER = struct.Struct("<I")
LARGEST_BYTES = 1 << 28


class Closed(EOFError):
    """The other side is gone."""


def write_message(stream: IO[bytes], message: Message) -> None:
    """Send one message and flush."""
    body = json.dumps(message, separators=(",", ":")).encode()
    stream.write(HEADER.pack(len(body)) + body)
    stream.flush()


def read_message(stream: IO[bytes]) -> Message:
    """Receive one message. Raises Closed at the end of the stream or inside a cut-off frame."""
    (length,) = HEADER.unpack(_read_exactly(stream, HEADER.size))
    if length > LARGEST_BYTES:
        raise Closed(f"a frame of {length} bytes is not one of ours")
    message: Message = json.loads(_read_exactly(stream, length))
    return message


def _read_exactly(stream: IO[bytes], count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = stream.read(count - len(parts))
        if not part:
            raise Closed("the stream ended")
        parts += part
    return bytes(parts)
