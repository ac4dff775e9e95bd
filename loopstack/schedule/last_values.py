"""The values that an expanded output array holds in the end: those of the last iteration.

    for r: for q: { t[p] = ..;  A[r, q, p] = t[p] }

    for r: for q: { u[r, q, p] = ..;  A[r, q, p] = u[r, q, p] };    t[p] = u[last r, last q, p]

This is so where every iteration writes the same elements: one statement writes a box of them that
does not depend on the loops, the others stay inside of it, and nothing is read from before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import Load
from loopstack.ir.program import Access, Array, Program, Statement
from loopstack.poly.dependence import reads_initial_values, source_order
from loopstack.poly.intervals import UNBOUNDED, Interval, interval, is_finite, tighten

Indices = Mapping[str, tuple[str, ...]]


def with_last_values(
    before: Program, program: Program, array: Array, wider: str, indices: Indices
) -> Program:
    """Return ``program`` with a statement that copies the last values of ``wider`` to ``array``.

    ``before`` still uses ``array``; ``indices`` gives the loops of its users. Raises ArgumentError
    where the last iteration does not surely hold all last values.
    """
    writer = _writer_of_all(before, array.name, indices)
    if writer is None:
        raise ArgumentError(
            f"expand needs every iteration to write all of {array.name} before it is read, "
            "since callers see its last values"
        )
    ranges = _ranges(writer)
    last = tuple(Affine((), ranges[i][1] - ranges[i][0]) for i in indices[writer.name])
    boxes = [ranges[_only(form)] for form in writer.write.subscripts]
    names = tuple(f"e{n}" for n in range(len(boxes)))
    elements = tuple(map(form_of, names))
    constraints = tuple(bound for e, (low, high) in zip(elements, boxes)
                        for bound in (e - low, high - e))  # fmt: skip
    copy = Statement(
        f"{wider}_last", names, constraints, Access(array.name, elements),
        Load(wider, (*last, *elements), array.dtype), None, (_end(before), *(0 for _ in names)),
    )  # fmt: skip
    return replace(program, statements=(*_ordered(program), copy))


def _ordered(program: Program) -> list[Statement]:
    """Return the statements with their places in the order written down."""
    return [replace(s, order=source_order(program, n)) for n, s in enumerate(program.statements)]


def _end(program: Program) -> int:
    return 1 + max(source_order(program, n)[0] for n in range(len(program.statements)))


def _writer_of_all(program: Program, array: str, indices: Indices) -> Statement | None:
    users = [s for s in program.statements
             if s.write.array == array or any(r.array == array for r in s.reads)]  # fmt: skip
    if any(s.name not in indices for s in users):
        return None
    writers = [s for s in users if s.write.array == array]
    boxes = {s.name: _box(s, s.write.subscripts) for s in writers}
    for writer in writers:
        if _is_independent(writer, indices[writer.name]) and all(
            _holds(boxes[writer.name], box) for box in boxes.values()
        ):
            return None if reads_initial_values(program, array) else writer
    return None


def surely_reads_initial_values(program: Program, array: str) -> bool:
    """Prove, for integer sizes, that a read meets an element outside all that is ever written.

    Only statements whose indices have ranges of their own tell: they reach all of their box.
    """
    boxes = [_box(s, s.write.subscripts) for s in program.statements if s.write.array == array]
    if not boxes:
        return False
    written = [(min(x[0] for x in sides), max(x[1] for x in sides)) for sides in zip(*boxes)]
    return any(
        not _holds(written, _box(s, read.subscripts))
        for s in program.statements
        if _is_box(s)
        for read in s.reads
        if read.array == array and all(map(_is_linear, read.subscripts))
    )


def _is_box(s: Statement) -> bool:
    """Tell whether indices have ranges of their own, without strides, and none is empty."""
    plain = all(_is_linear(form) and len(form.terms) < 2 for form in s.constraints)
    return plain and all(low <= high for low, high in _ranges(s).values())


def _is_linear(form: Affine) -> bool:
    return all(isinstance(atom, str) for atom, _ in form.terms)


def _is_independent(s: Statement, loops: Sequence[str]) -> bool:
    """Tell whether a statement writes one element an index, the same ones in every iteration."""
    plain = [form for form in s.write.subscripts if form.names and form == form_of(_only(form))]
    written = {_only(form) for form in plain}
    if len(written) < len(s.write.subscripts) or written & set(loops):
        return False
    mixed = any(len(c.names) > 1 for c in s.constraints if c.names & (written | set(loops)))
    return not mixed and all(map(is_finite, _ranges(s).values()))


def _only(form: Affine) -> str:
    return sorted(form.names)[0]


def _ranges(s: Statement) -> dict[str, Interval]:
    return tighten(dict.fromkeys(s.indices, UNBOUNDED), s.constraints)


def _box(s: Statement, subscripts: Sequence[Affine]) -> list[Interval]:
    ranges = _ranges(s)
    return [interval(form, ranges) for form in subscripts]


def _holds(outer: Sequence[Interval], inner: Sequence[Interval]) -> bool:
    return all(a <= c and d <= b for (a, b), (c, d) in zip(outer, inner))
