"""Running compiled kernels.

Role: nest text in, calls out. Everything hot is C++ (csrc/runtime, csrc/bindings); here is what
surrounds it.

    jit.py             nest text -> machine code in memory, once per text
    artifact_cache.py  the bounded cache behind it
    buffers.py         callers' arrays as memory: NumPy, torch, DLPack
    threads.py         how many threads a call uses

A call: ``_loopnest.Dispatcher`` (one per kernel function) tries its ``_loopnest.Callable`` objects
(one per signature); what fits none of them exactly goes to the Python fallback, which describes
the arrays, finds or makes the right Callable, or raises the error the user sees.
"""

from __future__ import annotations

from loopstack.runtime import threads  # starts passing knob changes to the thread team

__all__ = ["threads"]
