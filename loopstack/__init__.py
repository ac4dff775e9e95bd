"""LoopStack: a tensor-algebra compiler for the CPU with a learned autoscheduler.

The public names; see the README for a first example. Nothing heavy is imported here: the parts of
the compiler are loaded when a kernel first needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from loopstack.checkout import ensure_compiled

ensure_compiled()

# The decorator shares its name with the module loopstack.kernel: it is bound after that module.
from loopstack.api import (  # noqa: E402
    affine,
    einsum,
    emit_c,
    emit_numpy,
    get_num_threads,
    isa,
    isl,
    kernel,
    pluto,
    scalar,
    set_num_threads,
)

__version__ = "0.1.0"

_HOME = {
    "loopstack.kernel": ("Kernel",),
    "loopstack.schedule.script": ("Schedule",),
    "loopstack.measure.timer": ("Timing",),
    "loopstack.records.tuning": ("SearchResult",),
    "loopstack.frontend.types": (
        "f16", "bf16", "f32", "f64", "i8", "u8", "i32", "i64", "bool_", "size",
    ),
    "loopstack.frontend.functions": (
        "indices", "extent", "named", "pad", "concat", "cast", "where", "maximum", "minimum",
        "sum", "prod", "max", "min", "mean", "any", "all", "argmax", "argmin", "cumsum",
        "exp", "sqrt", "abs", "tanh", "erf", "relu", "gelu", "silu", "sigmoid",
        "floor", "clip", "isnan", "square", "pow",
    ),
    "loopstack.frontend.affine_locals": ("empty",),
    "loopstack.errors": (
        "LoopStackError", "FrontendError", "ArgumentError", "ShapeError", "ScheduleSyntaxError",
        "IllegalSchedule", "ScheduleNotFound", "UnsupportedTarget", "WrongResult", "CandidateFault",
        "StoreError", "InternalError",
    ),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = [
    "__version__",
    "affine",
    "einsum",
    "emit_c",
    "emit_numpy",
    "get_num_threads",
    "isa",
    "isl",
    "kernel",
    "pluto",
    "scalar",
    "set_num_threads",
]
__all__ += sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'loopstack' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
