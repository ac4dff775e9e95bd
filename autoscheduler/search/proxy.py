"""A smaller program in place of a slow one: sizes at which a run takes milliseconds.

    fewer time steps      sizes that no large array carries: caches see the same arrays
    then smaller arrays   all other sizes by one factor, as long as the arrays exceed the cache

A size keeps its remainder to ``ALIGNMENT``, so that vectors and tiles end as they do at full size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from loopstack.ir.affine import Affine, FloorDiv
from loopstack.ir.program import Program
from loopstack.measure.oracle import instances
from loopstack.measure.work import byte_count, size_bytes

Sizes = Mapping[str, int]
LEAST_STEPS = 64
"""Time steps that are left: a few tiles of time, as many as schedules have."""
LEAST_SIZE = 64
"""Smaller sizes (a convolution's window) stay as they are."""
ALIGNMENT = 16
ALIASING = 512
"""Rows of a multiple of so many elements fall into few cache sets: avoided where the full size
does."""
SMALL_SHARE = 0.01
"""An array of this share of all bytes is no large one."""
CACHES = 2.0
"""Arrays stay larger than this many L2 caches where they were."""
BISECTIONS = 7


@dataclass(frozen=True)
class Scaling:
    """How a program shrinks. ``program`` has symbolic sizes."""

    program: Program
    sizes: Sizes
    l2_bytes: int

    @property
    def points(self) -> float:
        """Statement instances of one run at full size."""
        return self.points_at(self.sizes)

    @cached_property
    def time(self) -> set[str]:
        """Sizes that no large array carries: how often the arrays are walked."""
        bound = self.program.bind(dict(self.sizes))
        limit = SMALL_SHARE * byte_count(bound)
        large = {array.name for array in bound.arrays if size_bytes(array) > limit}
        forms = [form for a in self.program.arrays if a.name in large for form in a.shape]
        forms += [form for size in self.program.derived for form in size.forms]
        carried = {atom for form in forms for atom in _sizes(form)}
        return {name for name in self.program.sizes if f"${name}" not in carried}

    def points_at(self, sizes: Sizes) -> float:
        return instances(self.program.bind(dict(sizes)))

    def shrunk(self, points: float) -> dict[str, int] | None:
        """Return sizes with about so many instances; None when none are smaller and lawful."""
        steps = self._fewer_steps(points)
        found = steps if self.points_at(steps) <= points else self._smaller(steps, points)
        return found if found != dict(self.sizes) and self._lawful(found) else None

    # ---- time ---------------------------------------------------------------------------------
    def _fewer_steps(self, points: float) -> dict[str, int]:
        share = points / max(self.points, 1.0)
        return {
            name: min(size, max(LEAST_STEPS, round(size * share))) if name in self.time else size
            for name, size in self.sizes.items()
        }

    # ---- space --------------------------------------------------------------------------------
    def _smaller(self, sizes: Sizes, points: float) -> dict[str, int]:
        """Bisect the common factor of all array sizes."""
        low, high = 0.0, 1.0
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if self._is_small_enough(self._scaled(sizes, middle), points):
                low = middle
            else:
                high = middle
        return self._scaled(sizes, high)

    def _is_small_enough(self, sizes: Sizes, points: float) -> bool:
        if not self._lawful(sizes):
            return True
        bound = self.program.bind(dict(sizes))
        return byte_count(bound) < CACHES * self.l2_bytes or instances(bound) < points

    def _scaled(self, sizes: Sizes, factor: float) -> dict[str, int]:
        return {n: size if n in self.time else _shrink(size, factor) for n, size in sizes.items()}

    def _lawful(self, sizes: Sizes) -> bool:
        values = self.program.size_values(sizes)
        return all(requirement.holds(values) for requirement in self.program.requirements)


def _shrink(size: int, factor: float) -> int:
    if size <= LEAST_SIZE:
        return size
    smaller = max(LEAST_SIZE, int(size * factor))
    smaller -= (smaller - size) % ALIGNMENT
    smaller = max(smaller, LEAST_SIZE - LEAST_SIZE % ALIGNMENT + size % ALIGNMENT)
    if smaller % ALIASING == 0 and size % ALIASING:
        smaller += ALIGNMENT
    return min(size, smaller)


def _sizes(form: Affine) -> set[str]:
    found: set[str] = set()
    for atom, _ in form.terms:
        found |= _sizes(atom.numerator) if isinstance(atom, FloorDiv) else {atom}
    return found
