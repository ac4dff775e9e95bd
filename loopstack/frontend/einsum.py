"""Einstein summation: a subscripts string -> Program, through the same graph as a kernel.

    program_of("bij,bjk->bik", ("f32", "f32"), ((2, 3, 4), (2, 4, 5))) -> Program

Accepts what ``numpy.einsum`` accepts: repeated indices, explicit and implicit output, scalars, an
ellipsis, extents of 1 that broadcast. With three or more operands a pairwise order is chosen by
cost, each contraction one statement. Operands are named ``x0``, ``x1``, ...; an index is its
letter, the ellipsis' dimensions are ``e0``, ``e1``, ... counted from the last.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loopstack.errors import ArgumentError, ShapeError
from loopstack.frontend.arithmetic import make
from loopstack.frontend.build import Output, build
from loopstack.frontend.graph import Node, TensorData, Trace
from loopstack.frontend.promotion import constant, convert, promote_all
from loopstack.ir.affine import ZERO, Affine, affine
from loopstack.ir.program import Program

Terms = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Equation:
    """Parsed subscripts: an index name per dimension of each operand and of the output."""

    inputs: Terms
    output: tuple[str, ...]


def program_of(
    subscripts: str,
    dtypes: Sequence[str],
    ranks: Sequence[int] | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
) -> Program:
    """Return the program of ``numpy.einsum(subscripts, *operands)``.

    ``shapes`` decide which extents of 1 broadcast, and the order of three or more operands; with
    ``ranks`` alone nothing broadcasts and all extents count as equal. The program holds for every
    shape with ones at the same places.
    Raises: ArgumentError for subscripts that do not fit, ShapeError for extents that disagree.
    """
    if shapes is None and ranks is None:
        raise ArgumentError("einsum: give the ranks or the shapes of the operands")
    ranks = [len(s) for s in shapes] if shapes is not None else list(ranks or ())
    equation = parse(subscripts, ranks)
    extents = index_extents(equation, shapes) if shapes is not None else {}
    with Trace("einsum") as trace:
        factors = [
            _factor(trace, n, dtypes[n], term, shapes[n] if shapes is not None else None, extents)
            for n, term in enumerate(equation.inputs)
        ]
        result = _contract_all(trace, factors, equation.output, extents)
        return build(trace, [Output(result, _order(result, equation.output))])


# ---- subscripts -------------------------------------------------------------------------------
def parse(subscripts: str, ranks: Sequence[int]) -> Equation:
    """Return the index names of each operand and of the output."""
    text = "".join(subscripts.split())
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ArgumentError(
            f"einsum {subscripts!r} has {len(terms)} terms, found {len(ranks)} operands"
        )
    inputs = tuple(
        _names(term, rank, f"operand {n} of einsum {subscripts!r}")
        for n, (term, rank) in enumerate(zip(terms, ranks))
    )
    wide = max((_ellipsis(names) for names in inputs), default=0)
    if arrow:
        output = _output_names(right, wide, f"the output of einsum {subscripts!r}")
    else:
        output = _implicit_output(inputs, wide)
    _check_output(subscripts, inputs, output, wide)
    return Equation(inputs, output)


def _letters(term: str, what: str) -> tuple[str, bool, str]:
    """Split a term into the letters before the ellipsis, whether there is one, those after it."""
    head, dots, tail = term.partition("...")
    for character in head + tail:
        if character == ".":
            raise ArgumentError(f"{what}: a '.' that is not part of one ellipsis '...'")
        if not (character.isascii() and character.isalpha()):
            raise ArgumentError(f"{what}: {character!r} is not a letter")
    return head, bool(dots), tail


def _names(term: str, rank: int, what: str) -> tuple[str, ...]:
    head, dots, tail = _letters(term, what)
    wide = rank - len(head) - len(tail)
    if wide < 0 or (wide > 0 and not dots):
        count = len(head) + len(tail)
        raise ArgumentError(f"{what} has rank {rank}, but {count} subscripts ({term})")
    return (*head, *_ellipsis_names(wide), *tail)


def _ellipsis_names(wide: int) -> tuple[str, ...]:
    return tuple(f"e{d}" for d in reversed(range(wide)))


def _ellipsis(names: Sequence[str]) -> int:
    return sum(len(name) > 1 for name in names)


def _output_names(term: str, wide: int, what: str) -> tuple[str, ...]:
    head, dots, tail = _letters(term, what)
    if wide and not dots:
        raise ArgumentError(f"{what} has no '...' for the {wide} dimensions it stands for")
    return (*head, *_ellipsis_names(wide if dots else 0), *tail)


def _implicit_output(inputs: Terms, wide: int) -> tuple[str, ...]:
    """Return the ellipsis, then the letters that appear once, in alphabetical order."""
    counts = Counter(itertools.chain.from_iterable(inputs))
    once = sorted(name for name, count in counts.items() if count == 1 and len(name) == 1)
    return (*_ellipsis_names(wide), *once)


def _check_output(subscripts: str, inputs: Terms, output: tuple[str, ...], wide: int) -> None:
    known = set(itertools.chain.from_iterable(inputs))
    for name, count in Counter(output).items():
        if count > 1:
            raise ArgumentError(f"einsum {subscripts!r}: output index {name} appears twice")
        if name not in known:
            raise ArgumentError(f"einsum {subscripts!r}: output index {name} is in no operand")


def index_extents(equation: Equation, shapes: Sequence[Sequence[int]]) -> dict[str, int]:
    """Return the extent of every index; 1 broadcasts against anything.

    Raises: ShapeError when two operands disagree, or one disagrees with itself.
    """
    found: dict[str, tuple[int, str]] = {}
    for n, (term, shape) in enumerate(zip(equation.inputs, shapes)):
        own: dict[str, int] = {}
        for d, (name, extent) in enumerate(zip(term, shape)):
            if own.setdefault(name, extent) != extent:
                raise ShapeError(
                    f"einsum: index {name} has two extents in operand {n}: {own[name]} and {extent}"
                )
            place = f"operand {n} dimension {d}"
            known, where = found.get(name, (1, place))
            if known != extent and known != 1 and extent != 1:
                raise ShapeError(
                    f"einsum: index {name} has two extents: {known} ({where}) and "
                    f"{extent} ({place})"
                )
            if name not in found or known == 1:
                found[name] = (extent, place)
    return {name: extent for name, (extent, _) in found.items()}


# ---- operands ---------------------------------------------------------------------------------
def _factor(
    trace: Trace,
    number: int,
    dtype: str,
    term: tuple[str, ...],
    shape: Sequence[int] | None,
    extents: Mapping[str, int],
) -> Node:
    """Declare operand ``number`` and return its element; broadcast dimensions are read at 0."""
    spread = [shape is not None and shape[d] == 1 and extents[n] != 1 for d, n in enumerate(term)]
    forms = tuple(affine(1) if s else affine(f"${n}") for n, s in zip(term, spread))
    for name, s in zip(term, spread):
        if not s and name not in trace.sizes:
            trace.sizes.append(name)
    labels = tuple("1" if s else n for n, s in zip(term, spread))
    data = TensorData(f"x{number}", dtype, forms, labels, (False,) * len(term))
    trace.arguments.append(data)
    subscripts: tuple[Affine, ...] = tuple(ZERO if s else affine(n) for n, s in zip(term, spread))
    return trace.node("load", (data, subscripts), (), dtype)


def _order(result: Node, output: tuple[str, ...]) -> tuple[str, ...]:
    assert set(result.free) == set(output), (result.free, output)
    return output


# ---- contraction ------------------------------------------------------------------------------
def _contract_all(
    trace: Trace, factors: list[Node], output: tuple[str, ...], extents: Mapping[str, int]
) -> Node:
    """Multiply all factors and sum what the output does not have, two factors at a time."""
    dtype = promote_all([f.dtype for f in factors])
    factors = [convert(f, dtype) for f in factors]
    while len(factors) > 2:
        left, right = _cheapest_pair(factors, output, extents)
        others = [f for n, f in enumerate(factors) if n not in (left, right)]
        kept = {*output, *(name for f in others for name in f.free)}
        factors = [*others, _product_sum(trace, [factors[left], factors[right]], kept, extents)]
    result = _product_sum(trace, factors, set(output), extents)
    if result.kind == "load":
        return trace.node("copy", "out", (result,), result.dtype)
    return result


def _cheapest_pair(
    factors: list[Node], output: tuple[str, ...], extents: Mapping[str, int]
) -> tuple[int, int]:
    """Return the pair whose contraction shrinks the data most, then costs least (greedy)."""

    def cost(pair: tuple[int, int]) -> tuple[int, int, tuple[int, int]]:
        a, b = (set(factors[n].free) for n in pair)
        others = {name for n, f in enumerate(factors) if n not in pair for name in f.free}
        kept = (a | b) & (others | set(output))
        growth = _volume(kept, extents) - _volume(a, extents) - _volume(b, extents)
        return growth, _volume(a | b, extents), pair

    return min(itertools.combinations(range(len(factors)), 2), key=cost)


def _volume(names: set[str], extents: Mapping[str, int]) -> int:
    """Return the number of points over these indices (16 each where extents are unknown)."""
    return math.prod(extents.get(name, 16) for name in names)


def _product_sum(
    trace: Trace, factors: list[Node], kept: set[str], extents: Mapping[str, int]
) -> Node:
    """Return the sum of the product over every index that is not kept."""
    if len(factors) == 2:
        factors = [_presummed(trace, f, g, kept, extents) for f, g in (factors, factors[::-1])]
    product = factors[0]
    for factor in factors[1:]:
        product = _times(product, factor)
    return _sum_over(trace, product, [n for n in product.free if n not in kept])


def _presummed(
    trace: Trace, factor: Node, other: Node, kept: set[str], extents: Mapping[str, int]
) -> Node:
    """Sum a factor over indices only it has, where the product would repeat that work."""
    own = [n for n in factor.free if n not in kept and n not in other.free]
    repeated = _volume(set(other.free) - set(factor.free), extents)
    return _sum_over(trace, factor, own) if own and repeated > 1 else factor


def _times(left: Node, right: Node) -> Node:
    return make("logical_and" if left.dtype == "bool_" else "mul", left, right)


def _sum_over(trace: Trace, body: Node, names: list[str]) -> Node:
    """Return a sum; of truth values, whether one holds (NumPy's einsum of bool is bool)."""
    if not names:
        return body
    if body.dtype != "bool_":
        total = trace.node("reduce", ("sum", tuple(names), True), (body,), body.dtype)
        trace.labels.setdefault(total, "sum")
        return total
    flags = convert(body, "i32")
    found = trace.node("reduce", ("max", tuple(names), True), (flags,), "i32")
    trace.labels.setdefault(found, "any")
    return make("gt", found, constant(0, "i32"))
