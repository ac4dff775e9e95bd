"""Prove that two offsets into one array differ wherever both are reached.

The difference is an affine form over the loops of a path. Innermost loops are replaced by the bound
that makes the form smallest, so triangular bounds count: j - k >= 1 in ``for k = 0 .. j``.
A proof may fail where the offsets do differ; it never succeeds where they may be equal.
"""

from __future__ import annotations

from loopstack.ir.affine import Affine
from loopstack.lower.nest import For

Forms = tuple[Affine, ...]
MOST_BOUNDS = 64
"""Give up after this many combinations of ``max``/``min`` bounds."""


def never_equal(left: Affine, right: Affine, path: tuple[For, ...]) -> bool:
    """Tell whether two forms provably differ in every iteration of ``path``."""
    difference = left - right
    if difference.is_constant:
        return difference.const != 0
    return is_positive(difference, path) or is_positive(-difference, path)


def is_positive(form: Affine, path: tuple[For, ...]) -> bool:
    """Tell whether ``form`` is provably >= 1 in every iteration of ``path``."""
    candidates = [form]
    for loop in reversed(path):
        candidates = [low for form in candidates for low in _lowest(form, loop)]
        if len(candidates) > MOST_BOUNDS:
            return False
    return any(form.is_constant and form.const >= 1 for form in candidates)


def differ_inside(left: Forms, right: Forms, constraints: Forms) -> bool:
    """Tell whether a constraint of a domain says that one subscript of two accesses differs."""
    gaps = [sign * (a - b) - 1 for a, b in zip(left, right) for sign in (1, -1)]
    return any(gap in constraints or (gap.is_constant and gap.const >= 0) for gap in gaps)


def _lowest(form: Affine, loop: For) -> list[Affine]:
    """Return lower bounds of ``form`` that do not mention ``loop``, outside of divisions."""
    coefficient = form.coefficient(loop.name)
    if coefficient == 0:
        return [form]
    rest = form.without(loop.name)
    ends = loop.lowers if coefficient > 0 else tuple(upper - 1 for upper in loop.uppers)
    return [rest + end * coefficient for end in ends]
