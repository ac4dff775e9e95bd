"""What each mnemonic does: a builder turns a Decoded instruction into a closure that runs it.

A closure returns None to fall through, or the address to go on at.
"""

from __future__ import annotations

from emulator.semantics import general, lanes, moves, opmasks, shuffles
from emulator.semantics.registry import BUILDERS, Builder, Step

assert all((general, lanes, moves, opmasks, shuffles))  # imported to register their builders

__all__ = ["BUILDERS", "Builder", "Step"]
