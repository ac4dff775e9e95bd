"""A text case of tests/nest/cases: what it computes, and running its code next to unmapped memory.

Comment lines of a case say how to treat it:

    # inputs special     zeros, infinities, NaN, denormals, the least and greatest integers as well
    # roundings N        results may differ by N units in the last place, relative to their size:
                         contracted or reordered sums, exp; without the line they are equal
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from emulator import Machine

from harness.guarded import PAGE_BYTES, GuardedArray, Side, run_in_fork
from harness.nest_interpreter import Cells, interpret
from harness.nest_reader import DTYPES, Array, read_nest
from loopstack import _loopnest

NESTS = Path(__file__).parents[1] / "nest"
POOL_SIZE = 8191  # a prime: rows and columns of a matrix differ
MOST_FILLED_BYTES = 1 << 26  # of a larger argument, only the pages in use are filled and compared
Runner = Callable[[_loopnest.Code, "list[np.ndarray]", int], None]


@dataclass(frozen=True)
class Case:
    name: str
    text: str

    @cached_property
    def threads(self) -> tuple[int, ...]:
        return (1,) if read_nest(self.text).threads == 1 else (1, 2)

    @cached_property
    def expected(self) -> list[Cells]:
        """The arguments after the nest ran, in order."""
        arrays = interpret(read_nest(self.text), self.initial)
        arguments = [cells for cells in arrays.values() if cells.array.space == "argument"]
        return sorted(arguments, key=lambda cells: cells.array.place)

    def initial(self, array: Array, index: int) -> np.generic:
        return self._pools[array.dtype][_place(array, index)]

    @cached_property
    def _pools(self) -> dict[str, np.ndarray]:
        is_special = bool(re.search(r"^# inputs special$", self.text, re.MULTILINE))
        return {dtype: _pool(DTYPES[dtype], is_special) for dtype in DTYPES}

    @cached_property
    def roundings(self) -> int:
        found = re.search(r"^# roundings (\d+)$", self.text, re.MULTILINE)
        return int(found[1]) if found else 0

    # ---- running ---------------------------------------------------------------------------
    def run(self, runner: Runner, isa: str, threads: int, side: Side) -> str:
        """Compile the case and run it on fresh arguments; return the first difference, or ""."""
        code = _loopnest.compile(self.text, isa)
        guarded = [self._argument(cells, side) for cells in self.expected]
        runner(code, [g.array for g in guarded], threads)
        for cells, argument in zip(self.expected, guarded):
            if difference := self._difference(cells, argument.array):
                return f"{self.name}, {isa}, {threads} threads, {side}: {difference}"
        return ""

    def _argument(self, cells: Cells, side: Side) -> GuardedArray:
        """Exactly as long as the nest needs it."""
        shape, dtype = (max(cells, default=-1) + 1,), DTYPES[cells.array.dtype]
        argument = GuardedArray(shape, dtype, side, is_sparse=_is_huge(cells))
        for part in _parts(cells):
            argument.array[part] = self._untouched(cells, part)
        return argument

    def _untouched(self, cells: Cells, part: slice) -> np.ndarray:
        indices = np.arange(part.start, part.stop)
        return self._pools[cells.array.dtype][_place(cells.array, indices)]

    def _difference(self, cells: Cells, found: np.ndarray) -> str:
        for part in _parts(cells):
            wanted = self._untouched(cells, part)
            for index in range(part.start, part.stop) if cells.written else ():
                if index in cells:
                    wanted[index - part.start] = cells[index]
            bad = np.flatnonzero(~_agree(found[part], wanted, self.roundings))
            if bad.size:
                at = bad[0]
                element = f"{cells.array.name}[{part.start + at}]"
                return f"{element} is {found[part][at]!r}, expected {wanted[at]!r}"
        return ""


def cases() -> list[Case]:
    return [Case(path.stem, path.read_text()) for path in sorted((NESTS / "cases").glob("*.nest"))]


# ---- two ways to run code ----------------------------------------------------------------------
def run_natively(case: Case, isa: str) -> str:
    """Run in a forked child, the arguments flush against guard pages behind, then before them."""
    case.expected  # computed once, here  # noqa: B018

    def runs() -> str:
        differences = (
            case.run(_run_natively, isa, threads, side)
            for side in ("high", "low")
            for threads in case.threads
        )
        return next(filter(None, differences), "")

    report = run_in_fork(runs)
    return report.value if report.ok else f"{case.name}, {isa}: {report}"


def run_emulated(case: Case, isa: str) -> str:
    """Run in the emulator: every access is checked, and arguments the nest reads are read-only."""
    written = [cells.written for cells in case.expected]

    def runner(code: _loopnest.Code, arrays: list[np.ndarray], threads: int) -> None:
        machine = Machine(code.bytes, code.entry_offset)
        addresses = [
            machine.map(cells.array.name, array, writable)
            for cells, array, writable in zip(case.expected, arrays, written)
        ]
        sizes = {"workspace_bytes": code.workspace_bytes, "private_bytes": code.private_bytes}
        machine.call(addresses, threads=threads, **sizes)

    # Aligned to pages with one thread, to elements with two (or where there is no second run).
    sides: dict[int, Side] = {1: "low", 2: "high"}
    differences = (case.run(runner, isa, threads, sides[threads]) for threads in case.threads)
    return next(filter(None, differences), "")


def _run_natively(code: _loopnest.Code, arrays: list[np.ndarray], threads: int) -> None:
    _loopnest.run(_loopnest.load(code), [a.ctypes.data for a in arrays], threads)


# ---- data --------------------------------------------------------------------------------------
def _pool(dtype: type[np.generic], is_special: bool) -> np.ndarray:
    """Return the values arguments are made of."""
    rng = np.random.default_rng(7)
    if issubclass(dtype, np.integer):
        ordinary, odd = rng.integers(-20, 21, POOL_SIZE), _odd_integers(np.iinfo(dtype))
    else:
        ordinary, odd = rng.uniform(0.5, 1.5, POOL_SIZE), _odd_floats(np.finfo(dtype))
    if not is_special:
        return ordinary.astype(dtype)
    choice = rng.integers(0, 4, POOL_SIZE)
    wide = (ordinary - 1) * rng.integers(-100, 100, POOL_SIZE)
    mixed = np.select([choice < 2, choice == 2], [ordinary, wide], rng.choice(odd, POOL_SIZE))
    with np.errstate(all="ignore"):
        return mixed.astype(dtype)


def _odd_integers(info: np.iinfo) -> np.ndarray:
    return np.array([info.min, info.max, info.min + 1, 0, 0, -1, 1])


def _odd_floats(info: np.finfo) -> np.ndarray:
    limits = [info.max, info.min, info.tiny, info.smallest_subnormal]
    return np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, -700.5, 88.6, -87.9, *limits], np.float64)


def _place(array: Array, index: int | np.ndarray) -> int | np.ndarray:
    return (index + 1009 * array.place) % POOL_SIZE


def _is_huge(cells: Cells) -> bool:
    return 8 * max(cells, default=0) > MOST_FILLED_BYTES


def _parts(cells: Cells) -> Iterator[slice]:
    """Yield the whole array, or the touched blocks of a huge one."""
    size = max(cells, default=-1) + 1
    if not _is_huge(cells):
        yield slice(0, size)
        return
    block = PAGE_BYTES // 8
    for start in sorted({index // block * block for index in cells}):
        yield slice(start, min(start + block, size))


def _agree(found: np.ndarray, wanted: np.ndarray, roundings: int) -> np.ndarray:
    if issubclass(found.dtype.type, np.integer):
        return found == wanted
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    if roundings == 0:
        return same
    info = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        exact, size = found.astype(np.float64), np.abs(wanted.astype(np.float64))
        room = roundings * (float(info.eps) * size + float(info.smallest_subnormal))
        return same | (np.abs(exact - wanted) <= room)
