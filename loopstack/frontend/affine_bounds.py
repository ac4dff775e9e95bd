"""Every access stays in its array: proven, refused, or required of the sizes.

For each subscript the sizes at which some instance leaves the array are worked out by projection:

    none                                   proven
    all for which the statement runs       FrontendError
    some                                   a Requirement of the program, checked with the sizes
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loopstack.frontend.affine_forms import readable
from loopstack.frontend.affine_proofs import follows, sizes_not_negative
from loopstack.frontend.affine_values import ArrayAccess
from loopstack.ir.affine import Affine
from loopstack.ir.program import Requirement

if TYPE_CHECKING:
    from loopstack.frontend.affine_source import Source

Forms = tuple[Affine, ...]


@dataclass(frozen=True)
class Escape:
    """One way out: the dimension, and a form that is >= 0 where the subscript is outside."""

    dimension: int
    subscript: Affine
    extent: Affine
    is_low: bool

    @property
    def outside(self) -> Affine:
        return -self.subscript - 1 if self.is_low else self.subscript - self.extent


def escapes(access: ArrayAccess) -> Iterator[Escape]:
    for dimension, (subscript, extent) in enumerate(zip(access.subscripts, access.array.shape)):
        yield Escape(dimension, subscript, extent, True)
        yield Escape(dimension, subscript, extent, False)


def surely_inside(access: ArrayAccess, domain: Sequence[Affine]) -> bool:
    """Prove that an access stays in its array on the whole domain, for all sizes."""
    return all(follows(-escape.outside - 1, domain) for escape in escapes(access))


def check_access(
    source: Source, access: ArrayAccess, domain: Sequence[Affine]
) -> Iterator[Requirement]:
    """Yield what the sizes have to fulfil. Raises FrontendError when no sizes do."""
    for escape in escapes(access):
        if not follows(-escape.outside - 1, domain):
            yield _requirement(source, access, escape, domain)


def _requirement(
    source: Source, access: ArrayAccess, escape: Escape, domain: Sequence[Affine]
) -> Requirement:
    runs = _shadow(domain)
    leaves = _shadow((*domain, escape.outside))
    beyond = [form for form in leaves if not follows(form, runs)]
    if not beyond:
        raise _always_outside(source, access, escape)
    # Where all but one of the conditions hold, that one must not.
    last = beyond[-1]
    when = tuple(form for form in leaves if form != last)
    needed = -last - 1
    positive = Affine(tuple((a, c) for a, c in needed.terms if c > 0), max(needed.const, 0))
    return Requirement(
        positive, ">=", positive - needed, _message(source, access, escape, positive, needed), when
    )


def _shadow(system: Sequence[Affine]) -> Forms:
    """Return what a domain's being inhabited says about sizes, without what others imply.

    Where the projection is not exact it says less: a requirement is then stronger than needed.
    """
    from loopstack.poly.projection import eliminate

    sizes = sizes_not_negative(system)
    indices = {n for form in system for n in form.names if n[0] != "$"}
    shadow = eliminate((*system, *sizes), indices).constraints
    forms = [form for form in shadow if form not in sizes]
    for form in list(forms):
        others = [other for other in forms if other != form]
        if follows(form, (*others, *sizes)):
            forms = others
    return tuple(forms)


def _always_outside(source: Source, access: ArrayAccess, escape: Escape) -> Exception:
    node = access.node
    limit = "0" if escape.is_low else readable(escape.extent - 1)
    way = f"{readable(escape.subscript)} goes {'below' if escape.is_low else 'beyond'} {limit}"
    return source.error(
        node,
        f"{source.segment(node)} leaves its array whenever it runs: {way} in dimension "
        f"{escape.dimension}",
        "change the bounds of the loops around it, or the extent in the annotation",
    )


def _message(
    source: Source, access: ArrayAccess, escape: Escape, positive: Affine, needed: Affine
) -> str:
    place = f"{os.path.basename(source.filename)}:{source.line(access.node)}"
    which = "below 0" if escape.is_low else "beyond its end"
    way = f"{source.segment(access.node)} ({place}) goes {which} in dimension {escape.dimension}"
    text = f"{way}: needs {readable(positive)} >= {readable(positive - needed)}"
    text = text.replace("{", "{{").replace("}", "}}")
    return text + ", found {left} and {right}"
