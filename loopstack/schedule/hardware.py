"""What schedule rules need to know about the machine: widths, registers, cache sizes."""

from __future__ import annotations

from dataclasses import dataclass

from loopstack.machine.vector_target import TARGETS


@dataclass(frozen=True)
class Hardware:
    """Vector width and cache sizes in bytes; caches are per core."""

    isa: str
    vector_bytes: int
    vector_registers: int
    l1_bytes: int
    l2_bytes: int

    def lanes(self, item_bytes: int) -> int:
        """Elements in a native vector."""
        return max(self.vector_bytes // item_bytes, 1)

    @staticmethod
    def of(isa: str) -> Hardware:
        """Return the facts of ``isa`` on this machine."""
        from loopstack.machine.caches import caches

        sizes, target = caches(), TARGETS[isa]
        return Hardware(isa, target.bytes, target.registers, sizes.l1_bytes, sizes.l2_bytes)
