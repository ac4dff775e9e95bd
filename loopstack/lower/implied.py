"""What the bounds of the loops around a place imply there.

    for kb: for jo in 2*kb + 2 .. 63:      64*kb - 32*jo + 64 <= 0, since jo >= 2*kb + 2

A form is least where its innermost loop is at one end; the end is a form over loops further out.
What intervals of single loops cannot tell is proven by putting in ends, innermost first.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopstack.ir.affine import Affine, FloorDiv
from loopstack.ir.loop_tree import Loop
from loopstack.lower.bounds import Bounds, Forms
from loopstack.lower.intervals import Ranges, interval

Path = Sequence[tuple[Loop, Bounds]]


def surely_nonnegative(form: Affine, path: Path, ranges: Ranges) -> bool:
    """Prove ``form >= 0`` for all iterations of the loops of ``path``, outermost first."""
    form = _without_floors(form)
    if interval(form, ranges)[0] >= 0:
        return True
    inner = next((n for n in reversed(range(len(path))) if path[n][0].name in form.names), None)
    if inner is None:
        return False
    loop, bounds = path[inner]
    factor = form.coefficient(loop.name)
    rest = form.without(loop.name)
    ends = bounds.lowers if factor > 0 else [upper - 1 for upper in bounds.uppers]
    return any(surely_nonnegative(rest + end * factor, path[:inner], ranges) for end in ends)


def _without_floors(form: Affine) -> Affine:
    """Return a form that is negative where ``form`` is: d*floor(f / d) lies in f - d + 1 .. f."""
    for atom, factor in form.terms:
        if isinstance(atom, FloorDiv):
            rest = Affine(tuple((a, c) for a, c in form.terms if a != atom), form.const)
            slack = atom.divisor - 1 if factor > 0 else 0
            return _without_floors(rest * atom.divisor + (atom.numerator - slack) * factor)
    return form


def tightest(bounds: Bounds, path: Path, ranges: Ranges) -> Bounds:
    """Drop the bounds of a loop below ``path`` that its other bounds always imply."""
    return Bounds(_needed(bounds.lowers, 1, path, ranges), _needed(bounds.uppers, -1, path, ranges))


def _needed(forms: Forms, sign: int, path: Path, ranges: Ranges) -> Forms:
    kept = list(dict.fromkeys(forms))
    for form in tuple(kept):
        rivals = [rival for rival in kept if rival != form]
        if any(surely_nonnegative((rival - form) * sign, path, ranges) for rival in rivals):
            kept.remove(form)
    return tuple(kept)
