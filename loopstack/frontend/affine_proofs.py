"""What follows from forms that are >= 0, for all sizes >= 0: surely, or not known."""

from __future__ import annotations

from collections.abc import Sequence

from loopstack.ir.affine import Affine, affine

Forms = Sequence[Affine]


def sizes_not_negative(forms: Forms) -> tuple[Affine, ...]:
    """Return a form >= 0 for each size that ``forms`` mention."""
    names = sorted({name for form in forms for name in form.names if name[0] == "$"})
    return tuple(affine(name) for name in names)


def impossible(forms: Forms) -> bool:
    """Prove that no point has all of ``forms`` >= 0."""
    from loopstack.poly.projection import surely_empty

    return surely_empty((*forms, *sizes_not_negative(forms)))


def follows(form: Affine, given: Forms) -> bool:
    """Prove that ``form >= 0`` wherever ``given`` are."""
    if any((gap := form - other).is_constant and gap.const >= 0 for other in given):
        return True
    return impossible((*given, -form - 1))
