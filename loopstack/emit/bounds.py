"""Bounds of each loop of a statement, from its constraints (Fourier-Motzkin elimination).

A constraint whose innermost index stands inside a floor division bounds no loop; it is left to a
guard. Projections may be larger than the domain, never smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopstack.ir.affine import Affine, name


@dataclass(frozen=True)
class Bounds:
    """One loop: ``max(lowers) <= index < min(uppers)``."""

    lowers: tuple[Affine, ...]
    uppers: tuple[Affine, ...]

    def substitute(self, names: dict[str, Affine]) -> Bounds:
        lowers = tuple(form.substitute(names) for form in self.lowers)
        return Bounds(lowers, tuple(form.substitute(names) for form in self.uppers))


def loop_bounds(constraints: Sequence[Affine], indices: Sequence[str]) -> list[Bounds]:
    """Return the bounds of every index over the indices before it.

    Raises ValueError when an index has no lower or no upper bound.
    """
    found: list[Bounds] = []
    system = list(dict.fromkeys(constraints))
    for index in reversed(indices):
        found.append(_bounds_of(index, system))
        system = _eliminate(index, system)
    return found[::-1]


def guards(constraints: Sequence[Affine], indices: Sequence[str]) -> tuple[Affine, ...]:
    """Return the constraints that no loop bound enforces."""
    return tuple(form for form in constraints if not _bounds_a_loop(form, indices))


def _bounds_a_loop(form: Affine, indices: Sequence[str]) -> bool:
    used = [index for index in indices if index in form.names]
    return bool(used) and _is_linear_in(used[-1], form)


def _is_linear_in(index: str, form: Affine) -> bool:
    coefficient = form.coefficient(index)
    return coefficient != 0 and index not in (form - name(index) * coefficient).names


def _bounds_of(index: str, system: Sequence[Affine]) -> Bounds:
    lowers: list[Affine] = []
    uppers: list[Affine] = []
    for form in system:
        if not _is_linear_in(index, form):
            continue
        coefficient = form.coefficient(index)
        rest = form - name(index) * coefficient
        if coefficient > 0:
            lowers.append((-rest + (coefficient - 1)) // coefficient)
        else:
            uppers.append(rest // -coefficient + 1)
    if not lowers or not uppers:
        raise ValueError(f"index {index} has no {'upper' if lowers else 'lower'} bound")
    return Bounds(_tightest(lowers, 1), _tightest(uppers, -1))


def _tightest(forms: Sequence[Affine], sign: int) -> tuple[Affine, ...]:
    """Drop a form that another one exceeds by a constant (sign 1: larger is tighter)."""
    kept: list[Affine] = []
    for form in dict.fromkeys(forms):
        apart = [(form - other) * sign for other in kept]
        if any(d.is_constant and d.const <= 0 for d in apart):
            continue
        kept = [o for o, d in zip(kept, apart) if not (d.is_constant and d.const > 0)]
        kept.append(form)
    return tuple(kept)


def _eliminate(index: str, system: Sequence[Affine]) -> list[Affine]:
    """Project ``index`` out: pair every lower bound with every upper bound."""
    rest = [form for form in system if index not in form.names]
    linear = [form for form in system if _is_linear_in(index, form)]
    lowers = [form for form in linear if form.coefficient(index) > 0]
    uppers = [form for form in linear if form.coefficient(index) < 0]
    for low in lowers:
        for high in uppers:
            both = low * -high.coefficient(index) + high * low.coefficient(index)
            if not (both.is_constant and both.const >= 0):
                rest.append(both)
    return list(dict.fromkeys(rest))
