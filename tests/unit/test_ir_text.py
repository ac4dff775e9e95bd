"""Program text prints and parses back; the verifier and the canonical form."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopstack.errors import InternalError
from loopstack.ir.affine import Affine, affine, name
from loopstack.ir.canonical import canonical_sizes, program_hash, program_key
from loopstack.ir.expr import Const, Expr, IndexValue, Load, Op
from loopstack.ir.operators import OPERATORS, result_dtype
from loopstack.ir.printer import print_program
from loopstack.ir.program import (
    Access,
    Array,
    DerivedSize,
    Program,
    Reduction,
    Requirement,
    Statement,
)
from loopstack.ir.reader import ProgramSyntaxError, read_expr, read_program
from loopstack.ir.verifier import problems, verify

SIZES = ("n", "m")
INDICES = ("i", "j", "k")
ARRAYS = {"A": ("f32", 2), "B": ("f64", 1), "s": ("f32", 0), "c": ("i64", 2), "where": ("i32", 1)}
DTYPES = {array: dtype for array, (dtype, _) in ARRAYS.items()}
PLAIN = [row.name for row in OPERATORS.values() if row.is_primitive and row.name != "cast"]


def forms(names: tuple[str, ...]) -> st.SearchStrategy[Affine]:
    terms = st.lists(st.tuples(st.sampled_from(names), st.integers(-3, 3)), max_size=3)
    linear = st.builds(lambda t, c: Affine.of(t, c), terms, st.integers(-9, 9))
    return st.builds(lambda a, b, d: a + b // d, linear, linear, st.integers(1, 4))


SUBSCRIPTS = forms((*INDICES, "$n", "$m"))
CONSTANTS = {
    "f32": st.floats(width=32),
    "f64": st.floats(),
    "i32": st.integers(-(2**31), 2**31 - 1),
    "i64": st.integers(-(2**63), 2**63 - 1),
    "bool_": st.booleans(),
}


@st.composite
def leaves(draw) -> Expr:
    kind = draw(st.sampled_from(["const", "load", "index"]))
    if kind == "const":
        dtype = draw(st.sampled_from(sorted(CONSTANTS)))
        return Const(draw(CONSTANTS[dtype]), dtype)
    if kind == "index":
        return IndexValue(draw(SUBSCRIPTS))
    array = draw(st.sampled_from(sorted(ARRAYS)))
    dtype, rank = ARRAYS[array]
    return Load(array, tuple(draw(SUBSCRIPTS) for _ in range(rank)), dtype)


@st.composite
def operations(draw, operand) -> Expr:
    """Return an operator over operands, cast where the row asks for another dtype."""
    row = OPERATORS[draw(st.sampled_from(PLAIN))]
    args = [draw(operand) for _ in range(row.arity)]
    dtype = {"float": "f64", "int": "i32", "logical": "bool_"}.get(row.rule, "f32")
    wanted = ["bool_", dtype, dtype] if row.rule == "select" else [dtype] * row.arity
    args = [a if a.dtype == w else Op("cast", (a,), w) for a, w in zip(args, wanted)]
    return Op(row.name, tuple(args), result_dtype(row.name, wanted))


EXPRESSIONS = st.recursive(leaves(), operations, max_leaves=12)


@st.composite
def programs(draw) -> Program:
    arrays = [
        Array(label, dtype, tuple(draw(forms(("$n", "$m"))) for _ in range(rank)), "input")
        for label, (dtype, rank) in ARRAYS.items()
    ]
    arrays = [replace(a, role="scalar") if not a.shape else a for a in arrays]
    statements = []
    for number in range(draw(st.integers(1, 3))):
        expr = draw(EXPRESSIONS)
        indices = tuple(draw(st.permutations(INDICES)))[: draw(st.integers(0, 3))]
        inside = {n: affine(0) for n in INDICES if n not in indices}
        expr = _without(expr, inside)
        target = Array(f"out{number}", expr.dtype, (name("$n"),) * len(indices), "output")
        arrays.append(target)
        kinds = [None, *(Reduction(o, i) for o in ("sum", "max") for i in ("identity", "existing"))]
        reduction = draw(st.sampled_from(kinds)) if expr.dtype != "bool_" else None
        constraints = tuple(f.substitute(inside) for f in draw(st.lists(SUBSCRIPTS, max_size=3)))
        order = draw(st.sampled_from([(), (number,) * (len(indices) + 1)]))
        write = Access(target.name, tuple(map(name, indices)))
        label = f"S{number}"
        statements.append(Statement(label, indices, constraints, write, expr, reduction, order))
    extra = draw(forms(("$n", "$m")))
    derived = draw(st.sampled_from([(), (DerivedSize("d", (extra, name("$n"))),)]))
    text = draw(st.text(max_size=20))
    required = draw(st.sampled_from([(), (Requirement(extra, ">=", affine(0), text),)]))
    reassociate = draw(st.booleans())
    return Program("p", SIZES, tuple(arrays), tuple(statements), reassociate, derived, required)


def _without(expr: Expr, values: dict[str, Affine]) -> Expr:
    from loopstack.ir.expr import map_subscripts

    return map_subscripts(expr, lambda form: form.substitute(values))


@given(EXPRESSIONS)
def test_expressions_read_back(expr):
    assert read_expr(str(expr), DTYPES) == expr


@given(programs())
def test_programs_read_back(program):
    assert problems(program) == []
    text = print_program(program)
    assert read_program(text) == program
    assert print_program(read_program(text)) == text


def test_special_constants_read_back_exactly():
    for value, dtype in [
        (math.inf, "f32"),
        (-math.inf, "f64"),
        (math.nan, "f32"),
        (-0.0, "f32"),
        (5e-324, "f64"),
        (1e300, "f64"),
        (True, "bool_"),
        (-(2**63), "i64"),
    ]:
        assert repr(read_expr(str(Const(value, dtype)), {})) == repr(Const(value, dtype))


# ---- errors of the reader -----------------------------------------------------------------------
GOOD = """program p reassociate
sizes n
input x: f32[$n]
output y: f32[$n]
statement y(i) order 0 0
  where i; $n - i - 1
  y[i] = neg(x[i])
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("program p", "kernel p", "line 1, column 1: expected 'program', found 'kernel'"),
        ("f32[$n]\noutput", "f31[$n]\noutput", "line 3, column 13: unknown dtype 'f31'; "
         "dtypes are bool_, i32, i64, f32, f64"),
        ("neg(x[i])", "neg(x[i]", "line 7, column 18: expected ',', found the end of the line"),
        ("neg(x[i])", "neg(z[i])", "line 7, column 15: unknown array 'z'"),
        ("neg(x[i])", "log(x[i])", "line 7, column 19: unknown operator 'log'"),
        ("neg(x[i])", "add(x[i], 1:i64)",
         "line 7, column 26: add wants operands of one dtype, found f32, i64"),
        ("y[i] =", "reduce mean y[i] =",
         "line 7, column 15: unknown reduction 'mean'; expected sum, prod, max or min"),
        ("where i;", "where i; !", "line 6, column 12: unexpected character '!'"),
    ],
)  # fmt: skip
def test_reader_points_at_the_problem(old, new, message):
    assert read_program(GOOD).statements[0].name == "y"
    with pytest.raises(ProgramSyntaxError) as error:
        read_program(GOOD.replace(old, new))
    assert message.split(": ", 1)[1] in str(error.value)
    assert error.value.line == int(message.split()[1].rstrip(","))


def test_comments_and_blank_lines_are_skipped():
    text = "# a comment\n\n" + GOOD.replace("sizes n\n", "sizes n  # one size\n\n")
    assert read_program(text) == read_program(GOOD)


# ---- verifier -----------------------------------------------------------------------------------
def broken(**changes) -> Program:
    return replace(read_program(GOOD), **changes)


def test_verifier_names_every_problem():
    program = read_program(GOOD)
    s = program.statements[0]
    x = Load("x", (name("i"),), "f32")
    cases = {
        "two statements are named y": broken(statements=(s, s)),
        "statement y: array q is not declared": broken(
            statements=(replace(s, expr=Load("q", (), "f32")),)
        ),
        "statement y: x has rank 1, found 0 subscripts": broken(
            statements=(replace(s, expr=Load("x", (), "f32")),)
        ),
        "statement y: a subscript of x mentions j, which is not declared": broken(
            statements=(replace(s, expr=Load("x", (name("j"),), "f32")),)
        ),
        "statement y: a f64 expression is written to y, which is f32": broken(
            statements=(replace(s, expr=Const(1.0, "f64")),)
        ),
        "statement y: tanh is not a primitive operator; it has to be expanded": broken(
            statements=(replace(s, expr=Op("tanh", (x,), "f32")),)
        ),
        "statement y: order has 1 entries, expected 2": broken(
            statements=(replace(s, order=(0,)),)
        ),
        "output y is never written": broken(statements=()),
        "input x is written": broken(
            statements=(s, replace(s, name="x", write=Access("x", (name("i"),))))
        ),
        "the shape of x mentions $m, which is not declared": broken(
            arrays=(replace(program.array("x"), shape=(name("$m"),)), program.array("y"))
        ),
    }  # fmt: skip
    for message, case in cases.items():
        assert message in problems(case)


def test_verify_carries_a_reproducer():
    case = broken(statements=())
    with pytest.raises(InternalError, match="output y is never written") as error:
        verify(case)
    assert error.value.reproducer == print_program(case)


# ---- canonical form -----------------------------------------------------------------------------
def renamed() -> Program:
    return read_program(
        GOOD.replace("program p", "program other")
        .replace("$n", "$len")
        .replace("sizes n", "sizes len")
        .replace("x", "source")
        .replace("(i)", "(q)")
        .replace("i;", "q;")
        .replace("- i -", "- q -")
        .replace("[i]", "[q]")
    )


def test_names_do_not_count():
    program = read_program(GOOD)
    assert program_key(program) == program_key(renamed())
    assert program_hash(program) == program_hash(renamed())
    assert canonical_sizes(renamed()) == {"len": "s0"}


def test_what_is_computed_counts():
    program = read_program(GOOD)
    for old, new in [("neg", "abs"), ("f32", "f64"), (" reassociate", ""), ("- 1\n", "- 2\n")]:
        assert program_key(read_program(GOOD.replace(old, new))) != program_key(program)


def test_key_is_size_free_and_binding_is_not():
    program = read_program(GOOD)
    assert program_key(program.bind({"n": 4})) != program_key(program.bind({"n": 5}))


@given(programs())
def test_keys_are_programs_and_stable(program):
    assert program_key(read_program(program_key(program))) == program_key(program)


# ---- binding ------------------------------------------------------------------------------------
def test_binding_computes_derived_sizes_and_folds_extents():
    program = read_program(
        "program p\n"
        "sizes n m\n"
        "derived d = min($n, 2*$m)\n"
        "output y: f32[$d]\n"
        "statement y(i)\n"
        "  where i; $d - i - 1\n"
        "  y[i] = add(cast.f32(mul(index($d), index($m))), cast.f32(index(i)))\n"
    )
    bound = program.bind({"n": 9, "m": 3})
    assert program.size_values({"n": 9, "m": 3}) == {"$n": 9, "$m": 3, "$d": 6}
    assert bound.array("y").shape == (affine(6),)
    assert str(bound.statements[0].expr) == "add(18.0:f32, cast.f32(index(i)))"
    assert bound.derived == ()
