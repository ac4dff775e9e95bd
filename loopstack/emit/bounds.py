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

    A loop takes the constraints whose innermost index it is, as a person would write it; what
    deeper loops imply is added only where these do not bound it on both sides.
    Raises ValueError when an index has no lower or no upper bound.
    """
    found: list[Bounds] = []
    system = own = list(dict.fromkeys(constraints))
    for index in reversed(indices):
        found.append(_bounds_of(index, own if _bounds_both_sides(index, own) else system))
        system = _eliminate(index, system)
        own = [form for form in own if index not in form.names]
    return found[::-1]


def _bounds_both_sides(index: str, system: Sequence[Affine]) -> bool:
    signs = {form.coefficient(index) > 0 for form in system if _is_linear_in(index, form)}
    return len(signs) == 2


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
        is_lower, bound = bound_of(index, form)
        (lowers if is_lower else uppers).append(bound)
    if not lowers or not uppers:
        raise ValueError(f"index {index} has no {'upper' if lowers else 'lower'} bound")
    return Bounds(_tightest(lowers, 1), _tightest(uppers, -1))


def bound_of(index: str, form: Affine) -> tuple[bool, Affine]:
    """Return (True, least value) or (False, first value above) of ``index`` where ``form >= 0``.

    Requires: ``form`` is linear in ``index``.
    """
    coefficient = form.coefficient(index)
    rest = form - name(index) * coefficient
    if coefficient > 0:
        return True, (-rest + (coefficient - 1)) // coefficient
    return False, rest // -coefficient + 1


def shared_bounds(ranges: Sequence[Bounds]) -> Bounds | None:
    """Return bounds that all ranges have in common, up to a constant; None without any."""
    lowers = _in_common([each.lowers for each in ranges], -1)
    uppers = _in_common([each.uppers for each in ranges], 1)
    return Bounds(lowers, uppers) if lowers and uppers else None


def _in_common(sides: Sequence[tuple[Affine, ...]], sign: int) -> tuple[Affine, ...]:
    """Return the widest of each family of parallel forms that every side has."""
    found = []
    for form in sides[0]:
        family = [[f for f in side if (f - form).is_constant] for side in sides]
        if all(family):
            widest = max((sign * (f - form).const for fs in family for f in fs), default=0)
            found.append(form + sign * widest)
    return tuple(found)


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
