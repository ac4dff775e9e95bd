"""From nest text to machine code in memory, once per distinct text.

The key of the cache is structural: the nest text itself, the instruction set and every knob that
affects code. Code stays mapped while anything refers to its :class:`CompiledNest`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from loopstack import _loopnest, knobs
from loopstack.errors import ArgumentError, InternalError, UnsupportedTarget
from loopstack.machine import features
from loopstack.runtime.artifact_cache import ArtifactCache, CacheStats


@dataclass(frozen=True)
class CompiledNest:
    """Machine code, as data (``code``) and mapped executable (``loaded``)."""

    text: str
    isa: str
    code: _loopnest.Code
    loaded: _loopnest.LoadedCode


def generate(text: str, isa: str) -> _loopnest.Code:
    """Return the machine code of a nest for any instruction set, whether or not it runs here.

    Raises UnsupportedTarget when the generator lacks the instruction set or an operator of it, and
    InternalError (with the text) when the nest is not well formed: our own lowering wrote it.
    """
    try:
        return _loopnest.compile(text, isa)
    except _loopnest.TargetError as error:
        raise UnsupportedTarget(f"cannot generate {isa} code: {error}") from error
    except _loopnest.NestError as error:
        where = f"line {error.line}, column {error.column}"
        raise InternalError(
            f"the generated nest is not well formed, {where}: {error}", text
        ) from error


def compile_nest(text: str, isa: str | None = None) -> CompiledNest:
    """Compile a nest for this machine and map it; the same text is compiled once per process.

    ``isa`` defaults to the knob, then to the widest instruction set of this CPU.
    Raises UnsupportedTarget when this CPU cannot run ``isa``, MemoryError when code in use fills
    the knob ``code_memory_limit``; see also :func:`generate`.
    """
    chosen = features.runnable_isa(isa)
    return _cache.get((text, chosen, knobs.code_key()), lambda: _compile_and_load(text, chosen))


def cache_stats() -> CacheStats:
    """Return hits, misses, entries and bytes of the compile cache."""
    return _cache.stats()


def clear_cache() -> None:
    """Forget all compiled code that nothing refers to."""
    _cache.clear()


def _compile_and_load(text: str, isa: str) -> CompiledNest:
    code = generate(text, isa)
    return CompiledNest(text, isa, code, _load(code))


def _load(code: _loopnest.Code) -> _loopnest.LoadedCode:
    """Map the code; when the limit is reached, give up the cached kernels nobody uses first."""
    try:
        return _loopnest.load(code)
    except _loopnest.CodeMemoryError:
        clear_cache()
        return _loopnest.load(code)


def _knobs_changed(generation: int, open_scopes: int) -> None:
    with suppress(ArgumentError):  # reported where the value is looked up
        _loopnest.set_code_memory_limit(knobs.CODE_MEMORY_LIMIT.value())


_cache: ArtifactCache[CompiledNest] = ArtifactCache(
    cost=lambda nest: nest.loaded.size, limit=lambda: knobs.CODE_MEMORY_LIMIT.value() // 2
)
knobs.on_change(_knobs_changed)
os.register_at_fork(after_in_child=_cache.after_fork_in_child)
