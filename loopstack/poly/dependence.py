"""The dependences of a program: exact, from isl, size-parametric or bound.

    flow        target reads what source wrote last; updates of a sum whose order counts
    anti        target overwrites what source read
    output      target overwrites what source wrote
    reduction   two updates of one accumulator, free to run in any order (``relaxed``)

:func:`dependences` returns them; :func:`describe` prints them with their distances over the loops
both statements share in the source text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loopstack.ir.affine import Affine
from loopstack.ir.program import Access, Program, Statement
from loopstack.poly import isl
from loopstack.poly.quick import is_relaxed

Kind = Literal["flow", "anti", "output", "reduction"]
Range = tuple["int | None", "int | None"]


@dataclass(frozen=True)
class Dependence:
    """``target`` must run after ``source``.

    ``relation`` is the isl map from source to target instances, its dimensions in index order.
    ``distances`` gives (least, greatest) target - source for each common source loop; None means
    that no constant bounds it.
    """

    kind: Kind
    source: str
    target: str
    array: str
    relation: Any
    common: tuple[str, ...]
    distances: tuple[Range, ...]

    @property
    def is_loop_carried(self) -> bool:
        return any(r != (0, 0) for r in self.distances)


def relaxed(program: Program, name: str) -> bool:
    """Tell whether statement ``name`` is a reduction whose updates may run in any order."""
    return is_relaxed(program, program.statement(name))


def dependences(program: Program) -> tuple[Dependence, ...]:
    """Return every dependence of ``program``, one per kind, pair of statements and array."""
    found = [d for array in program.arrays for d in dependences_on(program, array.name)]
    return tuple(sorted(found, key=lambda d: _sort_key(program, d)))


def dependences_on(program: Program, array: str) -> list[Dependence]:
    """Return the dependences through one array."""
    accesses = _Accesses.of(program, array)
    return accesses.dependences() if accesses.writes else []


def values_passed_on(program: Program, array: str) -> list[Dependence]:
    """Return the dependences that pass values of one array: flow and reduction."""
    accesses = _Accesses.of(program, array)
    return accesses.passed_on() if accesses.writes and accesses.reads else []


def reads_initial_values(program: Program, array: str) -> bool:
    """Tell whether a statement reads elements of ``array`` that none wrote before it.

    A reduction that starts from the identity does not read what it updates.
    """
    accesses = _Accesses.of(program, array)
    if not accesses.reads:
        return False
    initial = isl.without_source(accesses.writes or "{ }", accesses.reads, accesses.schedule)
    return any(accesses.starts_from_memory(pair) for pair in isl.each_map(initial))


def domain_text(program: Program) -> str:
    """Return the instances of all statements as isl text: S0 is the first statement, p0 a size."""
    names = {f"${s}": f"p{n}" for n, s in enumerate(_size_names(program))}
    parts = [
        f"{_tuple(n, s)} : {_domain_condition(program, s, names)}"
        for n, s in enumerate(program.statements)
    ]
    parameters = f"[{', '.join(names.values())}] -> " if names else ""
    return f"{parameters}{{ {'; '.join(parts)} }}"


def conflicts_on(program: Program, array: str) -> list[tuple[str, str, Any]]:
    """Return (source, target, relation) for all accesses of one element, one of them a write.

    Unlike :func:`dependences_on`, no access hides an earlier one.
    """
    accesses = _Accesses.of(program, array)
    return accesses.conflicts() if accesses.writes else []


def describe(program: Program) -> str:
    """Return one readable line a dependence, or a sentence when there are none."""
    rows = [_row(program, d) for d in dependences(program)]
    if not rows:
        return "no dependences: all instances of all statements may run in any order\n"
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, (*widths, 0))).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


# ---- one array's accesses as isl maps -----------------------------------------------------------
@dataclass(frozen=True)
class _Accesses:
    program: Program
    array: str
    writes: str
    reads: str
    schedule: str

    @staticmethod
    def of(program: Program, array: str) -> _Accesses:
        names = {f"${s}": f"p{n}" for n, s in enumerate(_size_names(program))}
        writes, reads, schedule = [], [], []
        for number, s in enumerate(program.statements):
            if s.write.array == array:
                writes.append(_access_text(program, number, s.write, names))
            loads = dict.fromkeys(r.subscripts for r in s.reads if r.array == array)
            accessed = [Access(array, subscripts) for subscripts in loads]
            if s.reduction is not None and s.write.array == array:
                accessed.append(s.write)
            reads += [_access_text(program, number, a, names) for a in accessed]
            if accessed or s.write.array == array:
                schedule.append(_schedule_text(program, number))
        parameters = f"[{', '.join(names.values())}] -> " if names else ""
        maps = [f"{parameters}{{ {'; '.join(m)} }}" if m else "" for m in (writes, reads, schedule)]
        return _Accesses(program, array, *maps)

    def dependences(self) -> list[Dependence]:
        found = self._outputs()
        if self.reads:
            found += self._flows()
            anti = isl.flows(self.reads, self.writes, self.schedule, self.writes)
            found += self._named("anti", anti)
        return found

    def passed_on(self) -> list[Dependence]:
        """Return the dependences that pass values; a sum's updates are among the outputs."""
        writers = [s for s in self.program.statements if s.write.array == self.array]
        sums = self._outputs() if any(self._only_updates(s.name) for s in writers) else []
        return [d for d in sums if d.kind != "output"] + self._flows()

    def _outputs(self) -> list[Dependence]:
        return self._named("output", isl.flows(self.writes, self.writes, self.schedule))

    def _flows(self) -> list[Dependence]:
        return self._named("flow", isl.flows(self.writes, self.reads, self.schedule))

    def starts_from_memory(self, pair: Any) -> bool:
        """Tell whether the reads of an isl map are no mere updates of a sum that starts anew."""
        s = self._statement(pair, "in_")
        anew = s.reduction is not None and s.reduction.init == "identity"
        return not (anew and self._only_updates(s.name))

    def conflicts(self) -> list[tuple[str, str, Any]]:
        writes, schedule = isl.union_map(self.writes), isl.union_map(self.schedule)
        touches = writes.union(isl.union_map(self.reads)) if self.reads else writes
        pairs = isl.ordered_pairs(writes, touches, schedule)
        pairs = pairs.union(isl.ordered_pairs(touches, writes, schedule))
        return [
            (self._statement(pair, "in_").name, self._statement(pair, "out").name, pair)
            for pair in isl.each_map(pairs)
        ]

    def _only_updates(self, name: str) -> bool:
        """A reduction that reads its array by updating it only: one kind of pair says it all."""
        s = self.program.statement(name)
        return s.reduction is not None and all(r.array != self.array for r in s.reads)

    def _named(self, kind: Kind, relation: Any) -> list[Dependence]:
        found = []
        for pair in isl.each_map(relation):
            source, target = (self._statement(pair, side) for side in ("in_", "out"))
            if source is target and kind != "output" and self._only_updates(source.name):
                continue
            named = kind
            if source is target and kind == "output" and self._only_updates(source.name):
                named = "reduction" if is_relaxed(self.program, source) else "flow"
            common = common_loops(self.program, source, target)
            ranges = _distances(pair, len(common))
            found.append(
                Dependence(named, source.name, target.name, self.array, pair, common, ranges)
            )
        return found

    def _statement(self, pair: Any, side: str) -> Statement:
        kind = getattr(isl.library().dim_type, side)
        return self.program.statements[int(pair.get_tuple_name(kind)[1:])]


def _size_names(program: Program) -> tuple[str, ...]:
    return (*program.sizes, *(d.name for d in program.derived))


def _access_text(program: Program, number: int, access: Access, sizes: Mapping[str, str]) -> str:
    s = program.statements[number]
    names = {**{i: f"i{n}" for n, i in enumerate(s.indices)}, **sizes}
    subscripts = ", ".join(isl.form_text(f, names) for f in access.subscripts)
    condition = _domain_condition(program, s, sizes)
    return f"{_tuple(number, s)} -> A[{subscripts}] : {condition}"


def _domain_condition(program: Program, s: Statement, sizes: Mapping[str, str]) -> str:
    names = {**{i: f"i{n}" for n, i in enumerate(s.indices)}, **sizes}
    domain = [f"{isl.form_text(c, names)} >= 0" for c in s.constraints]
    return isl.conjunction(domain + _derived_text(program, sizes))


def _derived_text(program: Program, sizes: Mapping[str, str]) -> list[str]:
    """A derived size is the least of its forms."""
    texts = []
    for size in program.derived:
        name = sizes[f"${size.name}"]
        forms = [isl.form_text(f, sizes) for f in size.forms]
        texts += [f"{name} <= {form}" for form in forms]
        texts.append("(" + isl.disjunction(f"{name} = {form}" for form in forms) + ")")
    return texts


def _tuple(number: int, s: Statement) -> str:
    return f"S{number}[{', '.join(f'i{n}' for n in range(len(s.indices)))}]"


def source_order(program: Program, number: int) -> tuple[int, ...]:
    """Return the 2d+1 positions of a statement; text order where the program gives none."""
    s = program.statements[number]
    return s.order or (number, *(0 for _ in s.indices))


End = tuple[Statement, Sequence[str]]
"""A statement and its index values as isl text."""


def order_condition(program: Program, first: End, second: End) -> str:
    """Return isl text: the first instance runs before the second in the program."""
    return f"({isl.disjunction(case for _, case in order_cases(program, first, second))})"


def order_cases(program: Program, first: End, second: End) -> list[tuple[int, str]]:
    """Return (number of equal common indices, condition) for each way to run before."""
    (s, mine), (t, other) = first, second
    left, right = (source_order(program, program.statements.index(x)) for x in (s, t))
    equal: list[str] = []
    cases: list[tuple[int, str]] = []
    for depth in range(min(len(left), len(right))):
        if left[depth] != right[depth]:
            if left[depth] < right[depth]:
                cases.append((depth, isl.conjunction(equal)))
            break
        if depth < min(len(mine), len(other)):
            cases.append((depth, isl.conjunction([*equal, f"{mine[depth]} < {other[depth]}"])))
            equal.append(f"{mine[depth]} = {other[depth]}")
    return cases


def _schedule_text(program: Program, number: int) -> str:
    s = program.statements[number]
    depth = max(len(other.indices) for other in program.statements)
    order = source_order(program, number)
    times = [str(order[0])]
    for n in range(depth):
        inside = n < len(s.indices)
        times += [f"i{n}" if inside else "0", str(order[n + 1]) if inside else "0"]
    return f"{_tuple(number, s)} -> [{', '.join(times)}]"


# ---- distances ----------------------------------------------------------------------------------
def common_loops(program: Program, a: Statement, b: Statement) -> tuple[str, ...]:
    """Return the source loops around both statements, named by the first statement's indices."""
    left, right = (source_order(program, program.statements.index(s)) for s in (a, b))
    if a is b:
        return a.indices
    common = []
    for n, index in enumerate(a.indices[: len(b.indices)]):
        if left[n] != right[n]:
            break
        common.append(index)
    return tuple(common)


def _distances(pair: Any, count: int) -> tuple[Range, ...]:
    kinds = isl.library().dim_type
    for kind in (kinds.in_, kinds.out):
        pair = pair.project_out(kind, count, pair.dim(kind) - count)
        pair = pair.reset_tuple_id(kind)
    return tuple(isl.delta_range(pair, n) for n in range(count))


def _row(program: Program, d: Dependence) -> tuple[str, str, str, str]:
    source, target = program.statement(d.source), program.statement(d.target)
    ends = f"{_instance(source)} -> {_instance(target)}"
    ranges = ", ".join(f"{i} {_range_text(r)}" for i, r in zip(d.common, d.distances))
    return d.kind, ends, f"on {d.array}", ranges or "one after the other"


def _instance(s: Statement) -> str:
    return f"{s.name}[{', '.join(s.indices)}]"


def _range_text(bounds: Range) -> str:
    low, high = bounds
    if low is not None and low == high:
        return str(low)
    if low is None and high is None:
        return "*"
    return f"{'' if low is None else low}..{'' if high is None else high}"


def _sort_key(program: Program, d: Dependence) -> tuple[int, int, int, str, str]:
    order: Sequence[str] = ("flow", "anti", "output", "reduction")
    position = {s.name: n for n, s in enumerate(program.statements)}
    return position[d.source], position[d.target], order.index(d.kind), d.array, str(d.relation)


def instance_text(statement: Statement, values: Mapping[str, int]) -> str:
    """Return ``S[i=0, j=1]``."""
    inside = ", ".join(f"{i}={values[i]}" for i in statement.indices)
    return f"{statement.name}[{inside}]"


def element_text(array: str, subscripts: Sequence[Affine], values: Mapping[str, int]) -> str:
    """Return ``A[0, 3]``: the element an access touches at one instance."""
    return f"{array}[{', '.join(str(s.evaluate(values)) for s in subscripts)}]"
