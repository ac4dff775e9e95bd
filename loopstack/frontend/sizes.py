"""Integer sizes from shapes: what a call's arrays say about ``$m``, ``$n``, ...

    infer_sizes(program, {"A": (3, 4), "B": (4, 5)}) -> {"m": 3, "k": 4, "n": 5}

Dimensions that are one name bind it; forms with one unknown name are solved; everything is then
checked against every shape given and against the program's requirements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from operator import index

from loopstack.errors import ShapeError
from loopstack.ir.affine import Affine
from loopstack.ir.program import Array, Program

Shapes = Mapping[str, Sequence[int]]
LARGEST_ARRAY = 1 << 47
"""Elements: as many bytes as today's processors can address."""
LARGEST_SIZE = 1 << 47


def infer_sizes(
    program: Program, shapes: Shapes, sizes: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the value of every size of ``program`` (derived sizes not included).

    ``shapes`` maps array names to shapes; arrays may be left out when ``sizes`` gives the rest.
    Raises: ShapeError that names array, dimension and both extents, or the missing size.
    """
    values = _given(program, sizes or {})
    dimensions = list(_dimensions(program, shapes))
    source = dict.fromkeys(values, "given")
    rest = []
    for array, d, form, extent in dimensions:
        name = _single_name(form)
        if name is None:
            rest.append((array, d, form, extent))
        elif name not in values:
            values[name] = extent
            source[name] = f"{array} dimension {d}"
        elif values[name] != extent:
            raise _conflict(name, values[name], source[name], array, d, extent)
    _solve_rest(rest, values, source)
    _check_complete(program, values)
    _check_requirements(program, values)
    _check_memory(program, values)
    return {name: values[f"${name}"] for name in program.sizes}


def _given(program: Program, sizes: Mapping[str, int]) -> dict[str, int]:
    for name in sizes:
        if name not in program.sizes:
            known = ", ".join(program.sizes) or "none"
            raise ShapeError(f"{program.name} has no size {name}; its sizes are {known}")
    return {f"${name}": _size(name, value) for name, value in sizes.items()}


def _size(name: str, value: object) -> int:
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0:
        raise ShapeError(f"size {name} is {value!r:.60}, expected an integer >= 0")
    if number > LARGEST_SIZE:
        raise ShapeError(f"size {name} is {value!r:.60}, expected at most {LARGEST_SIZE}")
    return number


def _dimensions(program: Program, shapes: Shapes) -> Iterator[tuple[str, int, Affine, int]]:
    for name, shape in shapes.items():
        array = program.array_by_name.get(name)
        if array is None:
            known = ", ".join(a.name for a in program.arguments)
            raise ShapeError(f"{program.name} has no array {name}; its arrays are {known}")
        if len(shape) != len(array.shape):
            raise ShapeError(
                f"{name} has rank {len(shape)} (shape {tuple(shape)}), "
                f"expected rank {len(array.shape)}{_labels(array)}"
            )
        for d, form in enumerate(array.shape):
            yield name, d, form, int(shape[d])


def _labels(array: Array) -> str:
    return f" ({', '.join(map(_plain, array.shape))})" if array.shape else ""


def _plain(form: Affine) -> str:
    return str(form).replace("$", "")


def _single_name(form: Affine) -> str | None:
    """Return ``$m`` for the form that is just this size."""
    if form.const or len(form.terms) != 1:
        return None
    atom, coefficient = form.terms[0]
    return atom if coefficient == 1 and isinstance(atom, str) else None


def _conflict(name: str, value: int, source: str, array: str, d: int, extent: int) -> ShapeError:
    return ShapeError(
        f"size {name[1:]} has two extents: {value} ({source}) and {extent} ({array} dimension {d})"
    )


def _solve_rest(
    rest: list[tuple[str, int, Affine, int]], values: dict[str, int], source: dict[str, str]
) -> None:
    """Solve dimensions such as ``N + 1``, then check those that hold no unknown size."""
    waiting, before = rest, -1
    while waiting and len(waiting) != before:
        before, later = len(waiting), []
        for array, d, form, extent in waiting:
            unknown = [n for n in form.names if n not in values]
            if not unknown:
                _check_form(array, d, form, extent, values)
            elif len(unknown) == 1 and form.coefficient(unknown[0]):
                _solve_one(array, d, form, extent, unknown[0], values, source)
                later.append((array, d, form, extent))
            else:
                later.append((array, d, form, extent))
        waiting = later


def _solve_one(
    array: str,
    d: int,
    form: Affine,
    extent: int,
    name: str,
    values: dict[str, int],
    source: dict[str, str],
) -> None:
    coefficient = form.coefficient(name)
    fixed = form - Affine(((name, coefficient),), 0)
    if name in fixed.names:
        return
    value, remainder = divmod(extent - fixed.evaluate(values), coefficient)
    if remainder or value < 0:
        raise ShapeError(
            f"{array} dimension {d} has extent {extent}, which no {name[1:]} >= 0 makes equal to "
            f"{_plain(form)}"
        )
    values[name] = value
    source[name] = f"{array} dimension {d}"


def _check_form(array: str, d: int, form: Affine, extent: int, values: dict[str, int]) -> None:
    expected = form.evaluate(values)
    if expected != extent:
        label = "" if form.is_constant else f" ({_plain(form)})"
        raise ShapeError(f"{array} dimension {d} has extent {extent}, expected {expected}{label}")


def _check_complete(program: Program, values: dict[str, int]) -> None:
    missing = [name for name in program.sizes if f"${name}" not in values]
    if missing:
        what = "size" if len(missing) == 1 else "sizes"
        call = ", ".join(f"{name}=..." for name in missing)
        raise ShapeError(
            f"{program.name}: {what} {', '.join(missing)} unknown; give {call}, or arrays that "
            "carry them"
        )


def _check_memory(program: Program, values: dict[str, int]) -> None:
    """Refuse arrays that no machine can hold: offsets in them would not fit generated code."""
    known = _with_derived(program, values)
    for array in program.arrays:
        extents = [form.evaluate(known) for form in array.shape]
        if prod(extents) > LARGEST_ARRAY:
            raise ShapeError(
                f"{program.name}: {array.name} would have shape {tuple(extents)}, more elements "
                "than a computer can address"
            )


def _with_derived(program: Program, values: dict[str, int]) -> dict[str, int]:
    known = dict(values)
    for size in program.derived:
        known[f"${size.name}"] = size.evaluate(known)
    return known


def _check_requirements(program: Program, values: dict[str, int]) -> None:
    if not program.requirements:
        return
    known = _with_derived(program, values)
    for r in program.requirements:
        if not r.holds(known):
            text = r.message.format(left=r.left.evaluate(known), right=r.right.evaluate(known))
            raise ShapeError(f"{program.name}: {text}")
