"""How many threads a call uses.

The team itself is C++ (csrc/runtime/team.hpp). It is created by the first call that wants more
than one thread; a second caller at the same time, and a parallel loop inside another one, run
serially instead of waiting; a forked child makes its own team.
"""

from __future__ import annotations

import atexit
from contextlib import suppress
from dataclasses import dataclass

from loopstack import _loopnest, knobs
from loopstack.errors import ArgumentError


@dataclass(frozen=True)
class TeamInfo:
    """``limit``: most threads of a call; ``workers``: alive now, beside the caller's thread."""

    limit: int
    workers: int
    available: int


def available_cpus() -> int:
    """Return how many CPUs this process may use: affinity mask, capped by the cgroup's quota."""
    return _loopnest.available_cpus()


def num_threads() -> int:
    """Return the most threads a kernel specialised here and now uses."""
    return knobs.NUM_THREADS.value()


def set_num_threads(count: int | None) -> None:
    """Use at most ``count`` threads per call in this process; None restores the default.

    Kernels that exist already obey too. Raises ArgumentError unless 1 <= count <= 512.
    """
    knobs.set(num_threads=count)


def team_info() -> TeamInfo:
    """Return the state of the thread team."""
    return TeamInfo(**_loopnest.team_info())


def _knobs_changed(generation: int, open_scopes: int) -> None:
    """Pass on what C++ must know; a scope cannot raise the limit of the process.

    A bad value in the environment is reported where it is used, when a kernel is specialised.
    """
    _loopnest.set_knob_state(generation, open_scopes)
    if open_scopes == 0:
        with suppress(ArgumentError):
            _loopnest.set_threads(knobs.NUM_THREADS.value())


knobs.on_change(_knobs_changed)
atexit.register(_loopnest.stop_team)
