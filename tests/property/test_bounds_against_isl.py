"""Our loop bounds scan what isl's AST generator scans: the same instances, in the same order."""

from __future__ import annotations

import pytest
from harness.agreement import script
from harness.bands import LINES
from harness.maps import mapped_scripts
from harness.scans import scan_of_isl, scan_of_ours
from hypothesis import event, given, note
from hypothesis import strategies as st

from loopstack.ir.affine import Affine, name
from loopstack.ir.expr import Const
from loopstack.ir.loop_tree import Tree
from loopstack.ir.printer import print_program
from loopstack.ir.program import Access, Array, Program, Statement
from loopstack.ir.reader import read_affine
from loopstack.reference.domain import points
from loopstack.schedule.script import build

SIZE = 7
"""Every index runs within 0 .. SIZE - 1; arrays have this extent."""


# ---- programs -----------------------------------------------------------------------------------
def writes_once(number: int, indices: str, constraints: tuple[Affine, ...]) -> Statement:
    box = [bound for i in indices for bound in (name(i), SIZE - 1 - name(i))]
    write = Access(f"T{number}", tuple(name(i) for i in indices))
    order = (number, *(0 for _ in indices))
    return Statement(
        f"S{number}", tuple(indices), (*box, *constraints), write, Const(1.0, "f64"), None, order
    )


def program_of(*domains: tuple[str, tuple[Affine, ...]]) -> Program:
    """Return a program of one statement for each (indices, constraints)."""
    statements = tuple(writes_once(n, *domain) for n, domain in enumerate(domains))
    size = Affine((), SIZE)
    arrays = tuple(
        Array(s.write.array, "f64", tuple(size for _ in s.indices), "inout") for s in statements
    )
    return Program("scanned", (), arrays, statements)


def forms(text: str) -> tuple[Affine, ...]:
    return tuple(read_affine(part) for part in text.split(";") if part.strip())


# ---- known domains ------------------------------------------------------------------------------
DOMAINS = {
    "box": "",
    "empty": "i - 4; 2 - i",
    "empty inside": "j - i - 5; 3 - j",
    "no integer point": "2*i - 2*j - 1; 2*j - 2*i + 1",
    "one point": "i - 3; 3 - i; j - 5; 5 - j; k - 0; -k",
    "one iteration outside": "i - 2; 2 - i",
    "one iteration inside": "j - i; i - j",
    "triangle": "j - i",
    "strict triangle": "i - j - 1",
    "triangles of triangles": "i - j; j - k",
    "trapezoid": "j - i + 3; i + 2 - j",
    "turned trapezoid": "2*i - j + 1; 9 - i - j",
    "parallelogram": "j - i; i + 3 - j",
    "diagonal band": "i + j - 4; 6 - i - j",
    "diagonal plane": "i + j + k - 8; 8 - i - j - k",
    "holes": "2*(i // 2) - i; j - 3*(j // 3) - 1",
    "steep": "3*j - i; i + 2 - 3*j",
}
SCRIPTS = (
    "",
    "interchange S0.i S0.k",
    "reverse S0.j; shift S0.j 2",
    "skew S0.j S0.i 1; interchange S0.i S0.j",
    "split S0.j 3 -> o, v; split S0.i 4 -> p, w; reorder S0 o p k w v",
    "tile S0.i S0.j S0.k 2 3 4 -> a, b, c, d, e, f",
    "skew S0.j S0.i 2; tile S0.i S0.j 2 4 -> a, b, c, d; wavefront S0.a S0.b -> w",
    "tile S0.i S0.j 3 3 along i + j, j - i -> a, b, c, d",
    "map S0.i S0.j -> a = i + j, b = i - j",
    "map S0.i S0.j S0.k -> a = 2*i + k, b = j, c = i",
    "partition S0 where j < i -> R; partition R where k >= 2*j - 1 -> Q",
    "split S0.k 2 -> o, v; unroll S0.v; split S0.j 3 -> p, w; unroll S0.w",
)


def assert_same(tree: Tree) -> None:
    ours, wanted = scan_of_ours(tree), scan_of_isl(tree)
    assert sorted(ours) == sorted(wanted)
    assert ours == wanted


@pytest.mark.parametrize("commands", SCRIPTS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_known_domains(domain: str, commands: str) -> None:
    program = program_of(("ijk", forms(DOMAINS[domain])))
    tree = build(script(commands), program)
    assert_same(tree)
    s = program.statements[0]
    count = len(points(s.constraints, s.indices)["i"])
    assert len(scan_of_ours(tree)) == count
    assert (count == 0) == domain.startswith(("empty", "no "))


FUSED = (
    "fuse S0.i S1.i shift=0",
    "fuse S0.i S1.i shift=2; fuse S0.j S1.j shift=1",
    "fuse S0.i S1.i shift=0; tile S0.i 3 -> o, v",
    "fuse S0.i S1.i shift=0; fuse S0.j S1.j shift=0; skew S0.j S0.i 1; "
    "tile S0.i S0.j 2 3 -> a, b, c, d",
    "fuse S0.i S1.i shift=0; fuse S0.j S1.j shift=0; map S0.i S0.j -> a = i + j, b = i",
)


@pytest.mark.parametrize("commands", FUSED)
@pytest.mark.parametrize("second", DOMAINS)
def test_two_statements_in_one_nest(second: str, commands: str) -> None:
    """Loops are cut where their set of statements changes: the order stays that of the tree."""
    program = program_of(("ijk", forms("j - i")), ("ijk", forms(DOMAINS[second])))
    assert_same(build(script(commands), program))


# ---- random domains and schedules ---------------------------------------------------------------
@st.composite
def constraint(draw: st.DrawFn, indices: str) -> Affine:
    factors = [draw(st.sampled_from((0, 1, 1, -1, -1, 2, -2, 3))) for _ in indices]
    form = Affine.of(zip(indices, factors), draw(st.integers(-3, 8)))
    if draw(st.integers(0, 5)) == 0:
        form = form - 2 * (name(indices[0]) // draw(st.integers(2, 3)))
    return form


@st.composite
def domains(draw: st.DrawFn) -> tuple[str, tuple[Affine, ...]]:
    """Draw indices and constraints; now and then a plane."""
    indices = "ijk"[: draw(st.integers(1, 3))]
    found = [draw(constraint(indices)) for _ in range(draw(st.integers(0, 3)))]
    if found and draw(st.integers(0, 4)) == 0:
        found.append(draw(st.integers(0, 1)) - found[0])
    return indices, tuple(found)


@given(st.data())
def test_random_domains_and_schedules(data: st.DataObject) -> None:
    program = program_of(*data.draw(st.lists(domains(), min_size=1, max_size=3)))
    schedule = data.draw(mapped_scripts(program, lines=LINES, others=False))
    note(f"{print_program(program)}{schedule}")
    for command in schedule.commands:
        event(command.keyword)
    assert_same(build(schedule, program))
