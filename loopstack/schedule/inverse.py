"""Undo an injective affine change of a band: the old loops as forms over the new ones.

    (t, i) -> (w, p) = (t + i, i)          t = w - p,  i = p
    (i, j) -> (a, b, c) = (i, j, j)        i = a,  j = b         where c = b
    (i, j) -> (a, b) = (i + j, i - j)      i = (a + b)/2,  j = (a - b)/2   where a + b is even

A change is an integer matrix of full column rank and offsets. New loops beyond the rank are linked
to the others by equations. Where no choice of new loops has determinant 1 or -1, the old iterations
lie on a lattice of the new ones; then the old loops are quotients, exact on the lattice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import gcd, lcm

from loopstack.errors import ArgumentError
from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of

Row = list[int]
Forms = tuple[Affine, ...]


@dataclass(frozen=True)
class Inverse:
    """The old loops: ``values`` with floor divisions, ``scaled`` by ``divisor`` without.

    ``conditions`` (>= 0) hold on the image, and there both say the same.
    """

    values: Mapping[str, Affine]
    scaled: Mapping[str, Affine]
    divisor: int
    conditions: Forms

    def value(self, form: Affine) -> Affine:
        """Return a form over the old loops as one over the new loops."""
        return form.substitute(self.values)

    def constraint(self, form: Affine) -> Affine:
        """Return ``form >= 0`` over the new loops, without divisions of its own."""
        if self.divisor == 1:
            return form.substitute(self.values)
        total = Affine((), form.const * self.divisor)
        for atom, factor in form.terms:
            if atom in self.scaled:
                total = total + self.scaled[str(atom)] * factor
            else:
                same = Affine(((atom, 1),)).substitute(self.values)
                total = total + same * (factor * self.divisor)
        return _tight(total)


def _tight(form: Affine) -> Affine:
    """Divide ``form >= 0`` by what its coefficients have in common."""
    step = gcd(*(c for _, c in form.terms))
    return form if step < 2 else form // step


def invert(new: Mapping[str, Affine], old: Sequence[str], command: str) -> Inverse:
    """Return the inverse of the change that makes loops ``new`` of loops ``old``.

    ``new`` gives each new loop as a form over ``old``, and over names that do not change. Raises
    ArgumentError with two iterations that would become one where the change is not injective.
    """
    rows = [[form.coefficient(loop) for loop in old] for form in new.values()]
    origins = [form_of(name) - _rest(form, old) for name, form in new.items()]
    _require_injective(rows, old, command)
    for chosen in combinations(range(len(rows)), len(old)):
        inverse = _inverse([rows[n] for n in chosen])
        if inverse is not None:
            forms = _combined(inverse, [origins[n] for n in chosen])
            values = dict(zip(old, forms))
            return Inverse(values, values, 1, _links(rows, origins, forms, 1))
    return _on_lattice(rows, origins, old)


def _rest(form: Affine, old: Sequence[str]) -> Affine:
    """Return the part of ``form`` that is not over ``old``."""
    return Affine.of([(a, c) for a, c in form.terms if a not in old], form.const)


def _combined(matrix: Sequence[Row], forms: Sequence[Affine]) -> list[Affine]:
    return [sum((f * c for f, c in zip(forms, row)), Affine()) for row in matrix]


def _links(rows: list[Row], origins: list[Affine], values: list[Affine], divisor: int) -> Forms:
    """Return the equations, both ways, of the new loops that follow from the others."""
    links: list[Affine] = []
    for form, origin in zip(_combined(rows, values), origins):
        gap = origin * divisor - form
        if gap.terms or gap.const:
            links += [gap, -gap]
    return tuple(links)


def _on_lattice(rows: list[Row], origins: list[Affine], old: Sequence[str]) -> Inverse:
    """Solve new loops for the old ones, outermost first.

    The echelon form counts the lattice by numbers of its own, one for each pivot row; the old loops
    are integer combinations of these numbers. A number is ``whole``, with floor divisions, and
    ``exact``, a form and its divisor.
    """
    echelon, basis = _column_echelon(rows)
    whole: list[Affine] = []
    exact: list[tuple[Affine, int]] = []
    steps: list[Affine] = []
    for row, origin in zip(echelon, origins):
        at = len(whole)
        if at == len(old) or not row[at]:
            continue
        pivot, scale = row[at], lcm(*(d for _, d in exact))
        known = [f * (c * (scale // d)) for (f, d), c in zip(exact, row)]
        exact.append((origin * scale - sum(known, Affine()), scale * pivot))
        rest = origin - sum((f * c for f, c in zip(whole, row)), Affine())
        whole.append(rest // pivot)
        if pivot > 1:
            steps.append(whole[-1] * pivot - rest)
    divisor = lcm(*(d for _, d in exact))
    scaled = _combined(basis, [form * (divisor // d) for form, d in exact])
    links = tuple(map(_tight, _links(rows, origins, scaled, divisor)))
    values = dict(zip(old, _combined(basis, whole)))
    return Inverse(values, dict(zip(old, scaled)), divisor, (*links, *steps))


# ---- integer matrices ---------------------------------------------------------------------------
def _require_injective(rows: Sequence[Row], old: Sequence[str], command: str) -> None:
    echelon, basis = _column_echelon(rows)
    rank = sum(any(row[n] for row in echelon) for n in range(len(old)))
    if rank == len(old):
        return
    step = [row[rank] for row in basis]
    first = ", ".join(f"{loop} = {max(-c, 0)}" for loop, c in zip(old, step))
    second = ", ".join(f"{loop} = {max(c, 0)}" for loop, c in zip(old, step))
    raise ArgumentError(
        f"{command} needs forms that tell all iterations apart; these have rank {rank} over "
        f"{len(old)} loops: ({first}) and ({second}) would be one iteration"
    )


def _column_echelon(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return (E, B): E = rows * B in column echelon form, pivots positive, B unimodular."""
    size = len(rows[0]) if rows else 0
    columns = [[*(row[n] for row in rows), *(int(n == m) for m in range(size))]
               for n in range(size)]  # fmt: skip
    done = 0
    for row in range(len(rows)):
        if done < size and _reduce(columns, done, row):
            done += 1
    count = len(rows)
    return (
        [[column[r] for column in columns] for r in range(count)],
        [[column[count + m] for column in columns] for m in range(size)],
    )


def _inverse(matrix: Sequence[Row]) -> list[Row] | None:
    """Return the integer inverse, or None when the determinant is not 1 or -1."""
    size = len(matrix)
    rows = [[*row, *(int(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for column in range(size):
        if not _reduce(rows, column, column) or rows[column][column] != 1:
            return None
    for column in reversed(range(size)):
        for row in rows[:column]:
            _subtract(row, rows[column], row[column])
    return [row[size:] for row in rows]


def _reduce(vectors: list[Row], first: int, entry: int) -> bool:
    """Make ``entry`` of vector ``first`` positive and of later ones 0, by Euclid's algorithm.

    False when it is 0 in all of them.
    """
    while True:
        open_ones = [n for n in range(first, len(vectors)) if vectors[n][entry]]
        if not open_ones:
            return False
        least = min(open_ones, key=lambda n: abs(vectors[n][entry]))
        vectors[first], vectors[least] = vectors[least], vectors[first]
        pivot = vectors[first]
        for vector in vectors[first + 1 :]:
            _subtract(vector, pivot, vector[entry] // pivot[entry])
        if not any(vector[entry] for vector in vectors[first + 1 :]):
            break
    if pivot[entry] < 0:
        pivot[:] = [-value for value in pivot]
    return True


def _subtract(row: Row, other: Row, factor: int) -> None:
    if factor:
        row[:] = [a - factor * b for a, b in zip(row, other)]
