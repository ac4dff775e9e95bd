"""The one registry of settings: typed, documented, scoped.

Role: every setting a user can change from outside the source is a :class:`Knob` here, and each
declares what it affects. Values are looked up innermost first:

    with knobs.scope(isa="avx2")
    knobs.set(isa="avx2")                   for the process
    LOOPSTACK_ISA=avx2                      in the environment, read at each look-up
    the knob's own default

Scopes are context variables: they follow the code that opened them (async tasks included) and are
not seen by other threads. Knobs that affect code are part of every cache key through
:func:`code_key`; there is no other way to make a setting change generated code.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

from loopstack.errors import ArgumentError

T = TypeVar("T")
Affects = Literal["code", "search", "nothing"]


@dataclass(frozen=True)
class Knob(Generic[T]):
    """One setting.

    ``convert`` takes the text of the environment variable or a value given in Python and returns
    the value to use; it raises ValueError for anything else. ``expected`` says in words what it
    takes. A default of None is spelled out in ``default_means``.
    """

    name: str
    env: str
    affects: Affects
    expected: str
    default: Callable[[], T]
    default_means: str
    convert: Callable[[object], T]
    doc: str

    def value(self) -> T:
        """Return the value in force here: scope, then process, then environment, then default."""
        for values in (_scoped.get(), _process):
            if self.name in values:
                found: T = values[self.name]
                return found
        text = os.environ.get(self.env)
        if text:
            return self.parse(text, f"the environment variable {self.env}")
        return self.default()

    def parse(self, given: object, where: str) -> T:
        """Return ``given`` converted; raises ArgumentError naming ``where`` it came from."""
        try:
            return self.convert(given)
        except (ValueError, TypeError, RuntimeError):  # the last: ~nobody has no home
            raise ArgumentError(
                f"{where} must be {self.expected}, found {given!r} (default: {self.default_means})"
            ) from None


# ---- conversions --------------------------------------------------------------------------------


def _one_of(*names: str) -> Callable[[object], str | None]:
    def convert(given: object) -> str | None:
        if given is None:
            return None
        if isinstance(given, str) and given.strip().lower() in names:
            return given.strip().lower()
        raise ValueError

    return convert


def _thread_count(given: object) -> int:
    if isinstance(given, (bool, float)) or not re.fullmatch(r"\s*\d+\s*", str(given)):
        raise ValueError
    if not 1 <= int(str(given)) <= 512:
        raise ValueError
    return int(str(given))


def _file_path(given: object) -> Path:
    if not isinstance(given, (str, os.PathLike)) or not str(given).strip():
        raise ValueError
    return Path(given).expanduser()


_UNIT_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _byte_count(given: object) -> int:
    match = re.fullmatch(r"\s*(\d+)\s*([kmg]?)(i?b)?\s*", str(given), re.IGNORECASE)
    if match is None or isinstance(given, (bool, float)):
        raise ValueError
    size_bytes = int(match[1]) * _UNIT_BYTES[match[2].lower()]
    if size_bytes < 1 << 20:
        raise ValueError
    return size_bytes


def _available_cpus() -> int:
    from loopstack import _loopnest

    return _loopnest.available_cpus()


def _default_store() -> Path:
    data_home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data_home).expanduser() / "loopstack" / "records.db"


# ---- the registry -------------------------------------------------------------------------------

ISA: Knob[str | None] = Knob(
    name="isa",
    env="LOOPSTACK_ISA",
    affects="code",
    expected="one of avx2, avx512, neon, neon_fp16",
    default=lambda: None,
    default_means="the widest this CPU has",
    convert=_one_of("avx2", "avx512", "neon", "neon_fp16"),
    doc="Instruction set to generate code for.",
)

NUM_THREADS: Knob[int] = Knob(
    name="num_threads",
    env="LOOPSTACK_NUM_THREADS",
    affects="code",
    expected="an integer from 1 to 512",
    default=_available_cpus,
    default_means="the CPUs this process may use",
    convert=_thread_count,
    doc="Most threads one kernel call uses.",
)

STORE: Knob[Path] = Knob(
    name="store",
    env="LOOPSTACK_STORE",
    affects="search",
    expected="the path of a file",
    default=_default_store,
    default_means="$XDG_DATA_HOME/loopstack/records.db",
    convert=_file_path,
    doc="File that keeps the records of tuned schedules.",
)

CODE_MEMORY_LIMIT: Knob[int] = Knob(
    name="code_memory_limit",
    env="LOOPSTACK_CODE_MEMORY_LIMIT",
    affects="nothing",
    expected="a size of at least 1 MiB, such as 64M or 1G",
    default=lambda: 256 << 20,
    default_means="256M",
    convert=_byte_count,
    doc="Most memory for machine code; the compile cache keeps up to half of it.",
)

KNOBS: Mapping[str, Knob[Any]] = {k.name: k for k in (ISA, NUM_THREADS, STORE, CODE_MEMORY_LIMIT)}

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_scoped: ContextVar[Mapping[str, Any]] = ContextVar("loopstack_knobs", default=_NOTHING)
_process: dict[str, Any] = {}
_lock = threading.Lock()
_generation = 0
_open_scopes = 0
_listeners: list[Callable[[int, int], None]] = []


def knob(name: str) -> Knob[Any]:
    """Return a knob by name; raises ArgumentError with the list of names."""
    if name not in KNOBS:
        raise ArgumentError(f"unknown setting {name!r}; settings are {', '.join(KNOBS)}")
    return KNOBS[name]


def value(name: str) -> Any:
    """Return the value in force of the knob called ``name``."""
    return knob(name).value()


def set(**values: object) -> None:
    """Set knobs for the whole process; None restores the environment variable or default.

    Raises ArgumentError for an unknown name or a value out of range; then nothing changes.
    """
    converted = _convert_all(values)
    with _lock:
        for name, given in values.items():
            if given is None:
                _process.pop(name, None)
            else:
                _process[name] = converted[name]
        _changed(generation=1)


@contextmanager
def scope(**values: object) -> Iterator[None]:
    """Set knobs for the code inside the ``with`` block (this thread and context only)."""
    converted = _convert_all(values)
    token = _scoped.set({**_scoped.get(), **converted})
    with _lock:
        _changed(scopes=1)
    try:
        yield
    finally:
        _scoped.reset(token)
        with _lock:
            _changed(scopes=-1)


def code_key() -> tuple[tuple[str, Any], ...]:
    """Return every knob that affects generated code, with its value: part of each cache key."""
    return tuple((k.name, k.value()) for k in KNOBS.values() if k.affects == "code")


def on_change(listener: Callable[[int, int], None]) -> None:
    """Call ``listener(generation, open_scopes)`` now and whenever a value may have changed.

    The call paths of kernels use it: they skip their shortcuts while any scope is open.
    """
    with _lock:
        _listeners.append(listener)
        listener(_generation, _open_scopes)


def notify() -> None:
    """Call every listener, for state that something else has changed behind them."""
    with _lock:
        _changed()


def describe() -> list[tuple[str, str, str, str]]:
    """Return (name, environment variable, value in force, sentence) of each knob, for people."""
    return [
        (k.name, k.env, k.default_means if k.value() is None else str(k.value()), k.doc)
        for k in KNOBS.values()
    ]


def _convert_all(values: Mapping[str, object]) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for name, given in values.items():
        found = knob(name)
        converted[name] = found.default() if given is None else found.parse(given, name)
    return converted


def _changed(generation: int = 0, scopes: int = 0) -> None:
    global _generation, _open_scopes
    _generation += generation
    _open_scopes += scopes
    for listener in _listeners:
        listener(_generation, _open_scopes)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
