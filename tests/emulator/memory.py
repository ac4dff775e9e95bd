"""Memory regions: named arrays at addresses of their own, with unmapped space between them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

GUARD_BYTES = 1 << 24  # unmapped bytes after each region: wild strides do not land in the next
FIRST_ADDRESS = 1 << 40
PAGE_BYTES = 4096


class AccessViolation(Exception):
    """A load or store outside every region, of a read-only one, or misaligned."""

    def __init__(self, kind: str, address: int, size: int, detail: str) -> None:
        super().__init__(f"{kind} of {size} bytes at {address:#x}: {detail}")
        self.kind, self.address, self.size = kind, address, size


@dataclass(eq=False)
class Region:
    """``data``: bytes that share storage with the array that was mapped."""

    name: str
    base: int
    data: np.ndarray
    writable: bool

    @property
    def end(self) -> int:
        return self.base + self.data.size


class Memory:
    """A set of disjoint regions."""

    def __init__(self) -> None:
        self._regions: list[Region] = []
        self._bases: list[int] = []
        self._next = FIRST_ADDRESS
        self._last = Region("nothing", 0, np.zeros(0, np.uint8), False)

    def map(self, name: str, array: np.ndarray, writable: bool = True) -> int:
        """Make a C-contiguous array addressable; return its address, aligned as it really is."""
        base = self._next + array.ctypes.data % PAGE_BYTES
        self._next = -(-(base + array.nbytes + GUARD_BYTES) // PAGE_BYTES) * PAGE_BYTES
        return self.map_at(name, array, base, writable)

    def map_at(self, name: str, array: np.ndarray, base: int, writable: bool = True) -> int:
        """Make a C-contiguous array addressable at ``base``, which no region covers."""
        if not array.flags.c_contiguous:
            raise ValueError(f"{name}: only C-contiguous arrays can be mapped")
        region = Region(name, base, array.reshape(-1).view(np.uint8), writable)
        index = bisect_right(self._bases, base)
        self._bases.insert(index, base)
        self._regions.insert(index, region)
        return base

    def reserve(self, size: int) -> None:
        """Keep ``size`` more bytes after the last region free of others."""
        self._next += -(-size // PAGE_BYTES) * PAGE_BYTES

    def unmap(self, address: int) -> None:
        """Forget the region that starts at ``address``."""
        index = self._bases.index(address)
        del self._regions[index], self._bases[index]
        self._last = Region("nothing", 0, np.zeros(0, np.uint8), False)

    def view(self, address: int, size: int, write: bool = False) -> np.ndarray:
        """Return ``size`` bytes that share storage with the region, or raise AccessViolation."""
        region = self._last
        offset = address - region.base
        if not (0 <= offset <= region.data.size - size) or (write and not region.writable):
            region = self._find(address, size, write)
            offset = address - region.base
            self._last = region
        return region.data[offset : offset + size]

    def allows(self, address: int, size: int, write: bool = False) -> bool:
        """Tell whether the whole range may be accessed."""
        try:
            self.view(address, size, write)
        except AccessViolation:
            return False
        return True

    def load_int(self, address: int, size: int) -> int:
        return int.from_bytes(self.view(address, size).tobytes(), "little")

    def store_int(self, address: int, size: int, value: int) -> None:
        bytes_ = (value & ((1 << (8 * size)) - 1)).to_bytes(size, "little")
        self.view(address, size, write=True)[:] = np.frombuffer(bytes_, np.uint8)

    def _find(self, address: int, size: int, write: bool) -> Region:
        kind = "store" if write else "load"
        index = bisect_right(self._bases, address) - 1
        region = self._regions[index] if index >= 0 else None
        if region is None or address + size > region.end:
            raise AccessViolation(kind, address, size, self._nearest(address))
        if write and not region.writable:
            raise AccessViolation(kind, address, size, f"{region.name} is read-only")
        return region

    def _nearest(self, address: int) -> str:
        def distance(region: Region) -> int:
            return max(region.base - address, address - region.end, 0)

        if not self._regions:
            return "nothing is mapped"
        region = min(self._regions, key=distance)
        offset = address - region.base
        return f"{offset:+d} bytes from the start of {region.name} ({region.data.size} bytes)"
