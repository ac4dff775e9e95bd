"""The table from mnemonic to builder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emulator.decoder import Decoded

Step = Callable[[], "int | None"]
Builder = Callable[[Decoded], Step]

BUILDERS: dict[str, Builder] = {}

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
I8, I16, I32, I64 = (np.dtype(f"i{size}") for size in (1, 2, 4, 8))
U8, U16, U32, U64 = (np.dtype(f"u{size}") for size in (1, 2, 4, 8))
F16 = np.dtype(np.float16)


def register(builder: Builder, *names: str) -> None:
    """Enter a builder under each name; a name has one builder."""
    for name in names:
        assert name not in BUILDERS, name
        BUILDERS[name] = builder


def semantics(*names: str) -> Callable[[Builder], Builder]:
    """Decorate the builder of these mnemonics."""

    def enter(builder: Builder) -> Builder:
        register(builder, *names)
        return builder

    return enter
