"""An emulator of the x86-64 subset that the code generator emits, AVX2 and AVX-512.

Role: run kernels for instruction sets the host lacks, and check every memory access on the way.

    machine = Machine(code.bytes, code.entry_offset)
    a = machine.map("A", array)             # the array itself: stores show in it
    machine.call([a, ...], workspace_bytes=code.workspace_bytes, private_bytes=code.private_bytes)

  decoder.py   an instruction becomes one Python closure, kept by address
  semantics/   what each mnemonic does: general, lanes (arithmetic), moves, shuffles, opmasks
  exact.py     fused multiply-add rounded once
  memory.py    regions; any access outside one raises AccessViolation
  machine.py   the run loop, the call frame of loopnest/abi.hpp, parallel loops
  serve.py     runs on behalf of another process: the C++ tests

Every lane that is not masked off is bounds-checked; lanes that are masked off never fault.
Rounding is to nearest even. NaN payloads are not modelled. An instruction without semantics
raises NotImplementedError with its name.
"""

from __future__ import annotations

from emulator.machine import CallingConventionError, Machine
from emulator.memory import AccessViolation

__all__ = ["AccessViolation", "CallingConventionError", "Machine"]
