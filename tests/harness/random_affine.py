"""Hypothesis: the text of random affine functions, which is parsed and also run as plain Python.

One to three statements below shared, nested and sibling loops: triangles, trapezoids, shifted and
backward ranges, updates in place, sums with and without a first value, private numbers, local
arrays, tests of indices. Subscripts are moved, and arrays made large enough, so that every access
is inside: the frontend proves that for all sizes.

    def random_affine(N: ls.size, A: ls.i64["N+1 N"], B: ls.i64["2*N"]):
        for i in range(1, N):
            for j in range(i, N):
                A[i, j] += A[i - 1, j] * B[i + j]
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import strategies as st

import loopstack as ls

INDEX_NAMES = "ijk"
DTYPES = ("i64", "i64", "i32", "f64", "f32")
SIZE_NAMES = ("N", "M")
_numbers = count()


@dataclass(frozen=True)
class Extent:
    """``n * N + m * M + const``: the least or largest value that something has for any sizes."""

    n: int = 0
    m: int = 0
    const: int = 0

    def plus(self, other: Extent, factor: int = 1) -> Extent:
        return Extent(
            self.n + factor * other.n, self.m + factor * other.m, self.const + factor * other.const
        )

    def __str__(self) -> str:
        parts = [f"{c}*{s}" for c, s in ((self.n, "N"), (self.m, "M")) if c]
        return "+".join([*parts, str(self.const)]).replace("+-", "-").replace("1*", "")


@dataclass(frozen=True)
class Index:
    name: str
    low: Extent
    high: Extent


@dataclass(frozen=True)
class Subscript:
    text: str
    low: Extent
    high: Extent


@dataclass
class _Array:
    name: str
    rank: int
    is_local: bool = False
    highs: list[list[Extent]] = field(default_factory=list)

    def shape(self) -> list[Extent]:
        found = []
        for highs in self.highs:
            top = [max(getattr(h, part) for h in highs) for part in ("n", "m", "const")]
            found.append(Extent(max(top[0], 0), max(top[1], 0), max(top[2] + 1, 0)))
        return found


@dataclass(frozen=True)
class AffineText:
    """A drawn function: its text, and what it takes."""

    source: str
    sizes: tuple[str, ...]
    dtype: str
    reassociate: bool
    depth: int

    def function(self) -> Callable[..., Any]:
        """Return the Python function; its text can be read as if it stood in a file."""
        filename = f"<random affine function {next(_numbers)}>"
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(True), filename)
        scope: dict[str, Any] = {"ls": ls}
        exec(compile(self.source, filename, "exec"), scope)
        function: Callable[..., Any] = scope["random_affine"]
        return function

    def __repr__(self) -> str:
        return f"\n{self.source}# reassociate={self.reassociate}\n"


@st.composite
def random_affine_texts(draw: st.DrawFn, dtypes: tuple[str, ...] = DTYPES) -> AffineText:
    dtype = draw(st.sampled_from(dtypes))
    writer = _Writer(draw, dtype, draw(st.sampled_from((("N",), ("N",), ("N", "M")))))
    writer.local_arrays()
    writer.block(1)
    return AffineText(writer.text(), writer.sizes, dtype, draw(st.booleans()), writer.deepest)


@dataclass
class _Writer:
    """The function as far as it is written."""

    draw: st.DrawFn
    dtype: str
    sizes: tuple[str, ...]
    lines: list[str] = field(default_factory=list)
    indices: list[Index] = field(default_factory=list)
    arrays: list[_Array] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    left: int = 3
    deepest: int = 0
    tests: int = 0

    # ---- words -----------------------------------------------------------------------------
    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def write(self, line: str) -> None:
        self.lines.append("    " * (len(self.indices) + 1 + self.tests) + line)

    def constant(self) -> str:
        if self.dtype[0] == "i":
            return str(self.pick(1, 2, 3, -1, -2))
        return self.pick("0.5", "2.0", "-1.0", "0.25", "3.0")

    @property
    def zero(self) -> str:
        return "0" if self.dtype[0] == "i" else "0.0"

    # ---- structure -------------------------------------------------------------------------
    def block(self, least: int) -> None:
        """Write statements, loops and tests side by side at this depth."""
        known = len(self.numbers)
        for number in range(self.draw(st.integers(least, 2))):
            if self.left <= 0 and number:
                break
            self.item()
        del self.numbers[known:]

    def item(self) -> None:
        depth = len(self.indices)
        if depth == 0 or (depth < 3 and self.chance(60)):
            self.loop(self.block_inside)
        elif depth >= 1 and self.tests == 0 and self.chance(12):
            self.test()
        else:
            self.statement()

    def block_inside(self) -> None:
        self.block(1)

    def loop(self, body: Callable[[], None]) -> None:
        text, low, high = self.bounds()
        name = INDEX_NAMES[len(self.indices)]
        self.write(f"for {name} in {text}:")
        self.indices.append(Index(name, low, high))
        self.deepest = max(self.deepest, len(self.indices))
        body()
        self.indices.pop()

    def bounds(self) -> tuple[str, Extent, Extent]:
        """Return a range, its least and its largest value."""
        outer = self.pick(*self.indices) if self.indices and self.chance(60) else None
        low_text, low = self.lower(outer if self.chance(50) else None)
        high_text, high = self.upper(outer)
        kind = self.pick("up", "up", "up", "up", "down", "steps")
        if kind == "down":
            return f"range({high_text} - 1, {low_text} - 1, -1)", low, high
        is_plain = not low_text.startswith("max")  # a loop with steps starts at one form
        step = f", {self.pick(2, 3)}" if kind == "steps" and is_plain else ""
        return f"range({low_text}, {high_text}{step})", low, high

    def lower(self, outer: Index | None) -> tuple[str, Extent]:
        first = self.pick(0, 0, 1, 2)
        if outer is None:
            return str(first), Extent(const=first)
        if self.chance(20):
            return f"max({outer.name} - 2, {first})", Extent(const=first)
        return f"{outer.name} + {first}", outer.low.plus(Extent(const=first))

    def upper(self, outer: Index | None) -> tuple[str, Extent]:
        size = self.pick(*self.sizes)
        whole = Extent(int(size == "N"), int(size == "M"), -1)
        short = self.pick(0, 0, 1, -1)
        if outer is None:
            return f"{size} - {short}", whole.plus(Extent(const=-short))
        kind = self.pick("whole", "triangle", "mirrored", "band", "wide")
        if kind == "triangle":
            return f"{outer.name} + {short + 1}", outer.high.plus(Extent(const=short))
        if kind == "mirrored":
            return f"{size} - {outer.name}", whole.plus(outer.low, -1)
        if kind == "band":
            return f"min({size}, {outer.name} + 3)", whole
        if kind == "wide":
            return f"2 * {outer.name} + 1", outer.high.plus(outer.high)
        return f"{size} - {short}", whole.plus(Extent(const=-short))

    def test(self) -> None:
        self.write(f"if {self.condition()}:")
        self.tests += 1
        self.statement()
        self.tests -= 1
        if self.left > 0 and self.chance(30):
            self.write("else:")
            self.tests += 1
            self.statement()
            self.tests -= 1

    def condition(self) -> str:
        index = self.pick(*self.indices).name
        other = self.pick(*(i.name for i in self.indices), *self.sizes, "2", "3")
        kind = self.pick("order", "order", "equal", "parity")
        if kind == "parity":
            return f"({index} + {self.pick(0, 1)}) % 2 == 0"
        if kind == "equal":
            return f"{index} == {other} - 1"
        return f"{index} {self.pick('<', '<=', '>', '>=')} {other}"

    # ---- statements ------------------------------------------------------------------------
    def statement(self) -> None:
        self.left -= 1
        kinds = ["assign", "assign", "update", "update", "extreme", "number"]
        if len(self.indices) < 3 and not self.tests:
            kinds += ["sum", "private sum"]
        kind = self.pick(*kinds)
        if kind == "number" and not self.tests:
            return self.private_number()
        if kind in ("sum", "private sum"):
            return self.sum(is_private=kind == "private sum")
        target = self.access(is_written=True)
        if kind == "update":
            self.write(f"{target} {self.pick('+=', '+=', '-=', '*=')} {self.value()}")
        elif kind == "extreme":
            self.write(f"{target} = {self.pick('max', 'min')}({target}, {self.value()})")
        else:
            self.write(f"{target} = {self.value()}")

    def private_number(self) -> None:
        name = f"t{len(self.lines)}"
        self.write(f"{name} = {self.value()}")
        self.numbers.append(name)
        self.write(f"{self.access(is_written=True)} = {self.value()} + {name}")

    def sum(self, is_private: bool) -> None:
        """Write a sum with its first value ahead of its loop."""
        target = f"s{len(self.lines)}" if is_private else self.access(is_written=True)
        self.write(f"{target} = {self.zero}")
        self.loop(lambda: self.write(f"{target} += {self.value()}"))
        if is_private:
            self.write(f"{self.access(is_written=True)} = {target}")

    def local_arrays(self) -> None:
        """Write, sometimes, a local array that a loop fills; later statements may read it."""
        if not self.chance(30):
            return
        array = _Array("T", 1, True, [[]])
        size = self.pick(*self.sizes)
        top = Extent(int(size == "N"), int(size == "M"), self.pick(-1, 0, 1, 2))
        self.lines.append("")  # its shape is known at the end
        name = INDEX_NAMES[0]
        self.write(f"for {name} in range({size} + {top.const + 1}):")
        self.indices.append(Index(name, Extent(), top))
        self.write(f"T[{name}] = {self.value()}")
        self.indices.pop()
        array.highs = [[top]]
        self.lines[0] = f'    T = ls.empty("{_plus(top, 1)}", ls.{self.dtype})'
        self.arrays.append(array)

    # ---- values ----------------------------------------------------------------------------
    def value(self, depth: int = 0) -> str:
        kind = self.pick("load", "load", "load", "operator", "operator", "constant", "index",
                         "choice", "number")  # fmt: skip
        if kind == "operator" and depth < 2:
            left, right = self.value(depth + 1), self.value(depth + 1)
            operator = self.pick("+", "-", "*", "max", "min")
            if operator in ("max", "min"):
                return f"{operator}({left}, {right})"
            return f"({left} {operator} {right})"
        if kind == "choice" and depth < 1 and self.indices:
            return f"({self.value(2)} if {self.condition()} else {self.value(2)})"
        if kind == "constant":
            return self.constant()
        if kind == "index" and self.indices:
            return f"({self.pick(*self.indices).name} * {self.constant()})"
        if kind == "number" and self.numbers:
            return self.pick(*self.numbers)
        return self.access()

    def access(self, is_written: bool = False) -> str:
        locals_ = [a for a in self.arrays if a.is_local and not is_written]
        if locals_ and self.chance(40):
            inside = self.inside_local(locals_[0])
            if inside is not None:
                return inside
        array = self.array()
        subscripts = [self.subscript() for _ in range(array.rank)]
        for highs, subscript in zip(array.highs, subscripts):
            highs.append(subscript.high)
        return f"{array.name}[{', '.join(s.text for s in subscripts)}]"

    def inside_local(self, array: _Array) -> str | None:
        """Return a read of what the local array surely holds; None without such a subscript."""
        subscript = self.subscript()
        room = array.highs[0][0].plus(subscript.high, -1)
        if min(room.n, room.m, room.const) < 0:
            return None
        return f"{array.name}[{subscript.text}]"

    def array(self) -> _Array:
        globals_ = [a for a in self.arrays if not a.is_local]
        number = self.draw(st.integers(0, min(len(globals_), 2)))
        if number < len(globals_):
            return globals_[number]
        rank = self.pick(1, 2, 2)
        made = _Array("ABC"[number], rank, False, [[] for _ in range(rank)])
        self.arrays.append(made)
        return made

    def subscript(self) -> Subscript:
        if not self.indices or self.chance(6):
            constant = self.pick(0, 1, 2)
            return Subscript(str(constant), Extent(const=constant), Extent(const=constant))
        index = self.pick(*self.indices)
        kind = self.pick("bare", "bare", "bare", "near", "near", "sum", "twice", "half", "mirrored")
        made = Subscript(index.name, index.low, index.high)
        if kind == "sum":
            other = self.pick(*self.indices)
            text = f"{index.name} + {other.name}"
            made = Subscript(text, index.low.plus(other.low), index.high.plus(other.high))
        elif kind == "twice":
            text = f"2 * {index.name}"
            made = Subscript(text, index.low.plus(index.low), index.high.plus(index.high))
        elif kind == "half":
            made = Subscript(f"{index.name} // 2", Extent(), index.high)
        elif kind == "mirrored":
            size = self.pick(*self.sizes)
            top = Extent(int(size == "N"), int(size == "M"), 1)
            text = f"{size} + 1 - {index.name}"
            made = Subscript(text, top.plus(index.high, -1), top.plus(index.low, -1))
        return self.moved(made, self.pick(-1, 1, 0) if kind == "near" else 0)

    def moved(self, subscript: Subscript, by: int) -> Subscript:
        """Add a constant, at least one that keeps the subscript from going below 0."""
        if min(subscript.low.n, subscript.low.m) < 0:
            return Subscript("0", Extent(), Extent())
        by = max(by, -subscript.low.const)
        text = f"{subscript.text} + {by}" if by > 0 else f"{subscript.text} - {-by}"
        step = Extent(const=by)
        return Subscript(
            text if by else subscript.text, subscript.low.plus(step), subscript.high.plus(step)
        )

    # ---- the whole text --------------------------------------------------------------------
    def text(self) -> str:
        parameters = [f"{size}: ls.size" for size in self.sizes]
        for array in sorted((a for a in self.arrays if not a.is_local), key=lambda a: a.name):
            shape = " ".join(map(str, array.shape()))
            parameters.append(f'{array.name}: ls.{self.dtype}["{shape}"]')
        header = f"def random_affine({', '.join(parameters)}):"
        return "\n".join([header, *self.lines]) + "\n"


def _plus(extent: Extent, by: int) -> Extent:
    return extent.plus(Extent(const=by))
