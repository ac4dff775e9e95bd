"""Which elements a reduction writes, apart from the terms it adds up.

A leaf's constraints bound results and terms together. Initialising and storing accumulators visit
each result once, so they need the results' own domain:

    identity    constraints that mention no reduction loop: a sum of no terms is written too
    existing    the shadow of the domain on the loops that stay, where it can be told exactly

    C[i] = sum of A[i, k] over k < i     results 0 <= i < n, C[0] among them; terms 1 <= i < n
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from loopstack.ir.affine import Affine
from loopstack.ir.affine import name as form_of
from loopstack.ir.loop_tree import Leaf, Loop
from loopstack.ir.program import Statement
from loopstack.poly.projection import eliminate

Forms = tuple[Affine, ...]


def starts_anew(leaf: Leaf) -> bool:
    """Tell whether the leaf is a reduction that starts from the operator's identity."""
    return leaf.reduction is not None and leaf.reduction.init == "identity"


def reduction_loops(leaf: Leaf, path: Sequence[Loop]) -> tuple[str, ...]:
    """Return the loops of ``path`` that the leaf's write does not mention, outermost first."""
    kept = frozenset().union(*(s.names for s in leaf.write.subscripts), frozenset())
    return tuple(loop.name for loop in path if loop.name not in kept)


def couples(leaf: Leaf, reducing: Collection[str], others: Collection[str]) -> bool:
    """Tell whether a constraint links one of ``reducing`` with one of ``others``."""
    return any(
        not form.names.isdisjoint(reducing) and not form.names.isdisjoint(others)
        for form in leaf.constraints
    )


def results_of(leaf: Leaf | Statement, reducing: Collection[str]) -> Forms:
    """Return what bounds the results alone: the constraints without reduction loops (indices)."""
    return tuple([form for form in leaf.constraints if form.names.isdisjoint(reducing)])


def shadow_on_results(leaf: Leaf, inner: tuple[Loop, ...]) -> Forms | None:
    """Return the domain without the ``inner`` loops; None when that cannot be told exactly."""
    extents = [
        bound
        for loop in inner
        if loop.extent is not None
        for bound in (form_of(loop.name), loop.extent - 1 - form_of(loop.name))
    ]
    shadow = eliminate([*leaf.constraints, *extents], [loop.name for loop in inner])
    return shadow.constraints if shadow.exact else None
