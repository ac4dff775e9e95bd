"""Order proofs by distances: for accesses whose subscripts move alike, as those of stencils do.

Where both statements of a pair take their indices from the loops they share with the same
coefficients, everything that decides their order is linear in the *differences* of those loops
(later minus earlier instance): equal elements, program order, sizes of tiles, spans of the domain.
What is not drops out, which only loses proofs. isl answers such a question in a fraction of the
time that it takes over all pairs of instances.

    for to: for io: for ti: for ii: A[32*io + ii - 2*(8*to + ti)] ...     variables dto dio dti dii
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from loopstack.ir.affine import Affine
from loopstack.ir.loop_tree import Loop
from loopstack.poly import isl
from loopstack.poly.accesses import Place, Touch, View, shared_loops, stands_before
from loopstack.poly.dependence import order_condition

ANSWERS_KEPT = 1 << 13


def surely_apart(view: View, first: Touch, second: Touch) -> bool:
    """Prove that the tree keeps every dependence from ``first`` to ``second``."""
    if len(first.chain) > 1 or len(second.chain) > 1:
        return False
    pair = _Pair.of(first.carrier, second.carrier)
    order = _program_order(view, pair, first, second)
    if order is None:
        return False
    base = [*pair.sizes(), *pair.spans(), *_equal_elements(pair, first, second), order]
    return all(
        _is_empty(pair.variables, isl.conjunction([*base, late])) for late in _wrong_orders(pair)
    )


@lru_cache(maxsize=ANSWERS_KEPT)
def _is_empty(variables: tuple[str, ...], condition: str) -> bool:
    return isl.is_empty(variables, condition)


@dataclass(frozen=True)
class _Pair:
    """Two places: ``gaps`` names the difference of each loop they share.

    ``left`` and ``right`` name the values of the loops that only one of them is in.
    """

    first: Place
    second: Place
    shared: tuple[Loop, ...]
    gaps: Mapping[str, str]
    left: Mapping[str, str]
    right: Mapping[str, str]

    @staticmethod
    def of(first: Place, second: Place) -> _Pair:
        shared = shared_loops(first, second)
        count = len(shared)
        gaps = {loop.name: f"d{n}" for n, loop in enumerate(shared)}
        left = {loop.name: f"a{n}" for n, loop in enumerate(first.loops[count:])}
        right = {loop.name: f"b{n}" for n, loop in enumerate(second.loops[count:])}
        return _Pair(first, second, shared, gaps, left, right)

    @property
    def variables(self) -> tuple[str, ...]:
        return (*self.gaps.values(), *self.left.values(), *self.right.values())

    def gap(self, left: Affine, right: Affine) -> str | None:
        """Return ``right - left`` as isl text; None when more than differences decide it."""
        terms = [str(right.const - left.const)]
        for form, own, sign in ((left, self.left, -1), (right, self.right, 1)):
            for atom, factor in form.terms:
                if not isinstance(atom, str):
                    return None
                if atom in own:
                    terms.append(f"{sign * factor}*{own[atom]}")
                elif left.coefficient(atom) != right.coefficient(atom):
                    return None
                elif sign > 0:
                    terms.append(f"{factor}*{self.gaps[atom]}")
        return " + ".join(terms)

    def sizes(self) -> Iterator[str]:
        """Yield what the extents of tile loops say."""
        for loop in self.shared:
            if loop.extent is not None:
                yield f"{-loop.extent} < {self.gaps[loop.name]} < {loop.extent}"
        for place, own in ((self.first, self.left), (self.second, self.right)):
            for loop in place.loops[len(self.shared) :]:
                if loop.extent is not None:
                    yield f"0 <= {own[loop.name]} < {loop.extent}"

    def spans(self) -> Iterator[str]:
        """Yield how far apart the domain keeps both: ``f >= 0`` here and ``c - f >= 0`` there."""
        for f in self.first.leaf.constraints:
            for g in self.second.leaf.constraints:
                gap = self.gap(-f, g)
                if gap is not None:
                    yield f"{gap} >= 0"


def _program_order(view: View, pair: _Pair, first: Touch, second: Touch) -> str | None:
    """Return the condition that the first instance comes first in the program; None: not sure."""
    left, right = dict(pair.first.leaf.binding), dict(pair.second.leaf.binding)
    gaps = []
    for i, j in zip(first.statement.indices, second.statement.indices):
        gap = pair.gap(left[i], right[j]) if i in left and j in right else None
        if gap is None:
            return None
        gaps.append(gap)
    ends = (first.statement, ["0"] * len(gaps)), (second.statement, gaps)
    return order_condition(view.program, *ends)


def _equal_elements(pair: _Pair, first: Touch, second: Touch) -> Iterator[str]:
    for mine, other in zip(first.local.subscripts, second.local.subscripts):
        gap = pair.gap(mine, other)
        if gap is not None:
            yield f"{gap} = 0"


def _wrong_orders(pair: _Pair) -> Iterator[str]:
    """Yield the ways in which the second instance may run before the first, or along with it."""
    equal: list[str] = []
    for loop in pair.shared:
        gap = pair.gaps[loop.name]
        wrong = "<" if loop.kind in ("seq", "unroll") else "!="
        yield isl.conjunction([*equal, f"{gap} {wrong} 0"])
        equal.append(f"{gap} = 0")
    if pair.first is not pair.second and not stands_before(pair.first, pair.second):
        yield isl.conjunction(equal)
