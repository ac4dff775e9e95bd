"""C text: compiles without a warning, runs, and agrees with the interpreter."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from harness import programs
from harness.compiled_c import call_c, compile_c, needs_compiler
from harness.inputs import inputs, outputs, random_floats, special_values
from harness.programs import access, array, box, load, op

import loopstack as ls
from loopstack.emit.c_expressions import literal
from loopstack.emit.c_text import emit_c
from loopstack.ir import operators
from loopstack.ir.expr import Op
from loopstack.ir.program import Program, Statement
from loopstack.kernel import Kernel, Specialization
from loopstack.reference.interpreter import run
from loopstack.reference.tolerance import compare, reference

MAKERS = {
    maker.__name__: maker
    for maker in (
        programs.matmul,
        programs.softmax,
        programs.jacobi_1d,
        programs.lu,
        programs.pad_then_exp,
        programs.repeat_rows,
        programs.scaled_sum,
    )
}


@pytest.mark.parametrize("label", ["matmul", "softmax", "lu"])
def test_text(label, golden):
    golden(emit_c(MAKERS[label]()), f"{label}.c")


@needs_compiler
@pytest.mark.parametrize("label", sorted(MAKERS))
def test_runs_at_many_sizes(label):
    program = MAKERS[label]()
    library = compile_c(emit_c(program))
    for extents in ((5, 7, 6), (1, 1, 1), (0, 3, 2), (3, 2, 0)):
        sizes = dict(zip(program.sizes, extents, strict=False))
        bound = program.bind(sizes)
        data = {**inputs(bound), **outputs(bound)}
        wanted = reference(bound, {n: a for n, a in data.items() if n in inputs(bound)})
        call_c(library, program, sizes, data)
        for name, (expected, error) in wanted.items():
            assert compare(data[name], expected, error) is None, (label, sizes)


@needs_compiler
def test_strides_are_parameters():
    program = programs.matmul()
    library = compile_c(emit_c(program, strides=True))
    sizes = {"m": 5, "n": 4, "k": 3}
    data = {**inputs(program.bind(sizes)), **outputs(program.bind(sizes))}
    data["A"] = np.asfortranarray(data["A"])
    data["B"] = np.repeat(data["B"], 2, axis=1)[:, ::2]
    call_c(library, program, sizes, data, strides=True)
    np.testing.assert_allclose(data["C"], data["A"] @ data["B"], rtol=1e-5, atol=1e-6)


@needs_compiler
def test_an_extent_that_follows_from_two_others():
    @ls.kernel
    def every_second(x: ls.f32["a h"], y: ls.f32["g"]) -> ls.f32["a o"]:
        a, o = ls.indices("a o")
        both = ls.named("both", x[a, 2 * o] + y[3 * o + 1])
        return ls.exp(both) * both

    text = emit_c(every_second.program)
    assert "float out[restrict a][min_of(floor_div(h + 1, 2), floor_div(g + 1, 3))]" in text
    sizes = {"a": 3, "h": 11, "g": 14}
    data = inputs(every_second.program.bind(sizes))
    both = data["x"][:, 0:10:2] + data["y"][1::3]
    found = {**data, **outputs(every_second.program.bind(sizes))}
    call_c(compile_c(text), every_second.program, sizes, found)
    np.testing.assert_allclose(found["out"], np.exp(both) * both, rtol=1e-5)


def _all_operators(dtype: str) -> Program:
    """Return a program with one output an operator, over two inputs of ``dtype``."""
    arrays = [array("x", "n", "input", dtype), array("y", "n", "input", dtype)]
    statements = []
    operands = (load("x", "i", dtype), load("y", "i", dtype), load("x", "i", dtype))
    for row in operators.OPERATORS.values():
        kinds = {"float": operators.FLOATS, "int": operators.INTEGERS}
        if row.expansion or row.rule in ("logical", "select", "cast"):
            continue
        if dtype not in kinds.get(row.rule, operators.NUMERIC):
            continue
        result = "bool_" if row.rule == "compare" else dtype
        label = f"out_{row.name}"
        # The sum keeps operands from being plain loads, so that repeated ones are named.
        shifted = tuple(op("add", each, each) for each in operands[: row.arity])
        expr = Op(row.name, shifted, result)
        if result == "bool_":
            expr = Op("select", (Op("logical_not", (expr,), "bool_"), *operands[:2]), dtype)
        arrays.append(array(label, "n", "output", dtype))
        place = (len(statements), 0)
        statements.append(
            Statement(label, ("i",), box(i="n"), access(label, "i"), expr, None, place)
        )
    return Program("every_operator", ("n",), tuple(arrays), tuple(statements))


@needs_compiler
@pytest.mark.parametrize("dtype", ["f32", "f64", "i32", "i64"])
@pytest.mark.parametrize("fill", [random_floats, special_values])
def test_every_operator(dtype, fill):
    program = _all_operators(dtype)
    sizes, bound = {"n": 300}, program.bind({"n": 300})
    data = inputs(bound, fill)
    wanted = run(bound, data, "faithful")
    arrays = {**data, **outputs(bound)}
    call_c(compile_c(emit_c(program)), program, sizes, arrays)
    for name, expected in wanted.items():
        inexact = name == "out_exp" and dtype[0] == "f"
        allowed = np.abs(expected) * 1e-6 if inexact else np.zeros(expected.shape)
        assert compare(arrays[name], expected, allowed) is None, name


SCHEDULE = """schedule 1
split C.n 4 -> no, ni
reorder C no m k ni
pack B at C.no as Bp[k, ni]
vectorize C.ni
"""


@needs_compiler
def test_the_text_of_a_schedule(golden):
    sizes = {"m": 3, "k": 5, "n": 6}
    kernel = Kernel(Specialization(programs.matmul(), sizes, "avx2")).with_schedule(SCHEDULE)
    text = ls.emit_c(kernel, scheduled=True)
    golden(text, "scheduled.c")
    data = {**inputs(kernel.program), **outputs(kernel.program)}
    call_c(compile_c(text), kernel.program, {}, data)
    np.testing.assert_allclose(data["C"], data["A"] @ data["B"], rtol=1e-5, atol=1e-6)


def test_literals():
    assert literal(0.1, "f32") == "0.1f"
    assert literal(0.1, "f64") == "0.1"
    assert literal(-1.0, "f32") == "(-1.0f)"
    assert literal(1e20, "f64") == "1e+20"
    assert literal(float("-inf"), "f32") == "(-INFINITY)"
    assert literal(-(2**31), "i32") == "((-2147483647) - 1)"
    assert literal(2**40, "i64") == "INT64_C(1099511627776)"
    assert literal(True, "bool_") == "1"


@needs_compiler
def test_names_that_c_reserves():
    body = op("mul", load("for", "int"), load("exp", "int"))
    statement = Statement("S", ("int",), box(int="n"), access("double", "int"), body)
    arrays = (
        array("for", "n", "input"),
        array("exp", "n", "input"),
        array("double", "n", "output"),
    )
    text = emit_c(Program("main", ("n",), arrays, (statement,)))
    compile_c(text)
    assert "const float for_[restrict n]" in text
    assert "int main_(" in text


RESERVED_ROLES = {
    "sizes": "def kernel(WORD: ls.size, A: ls.f64['WORD']):\n    for i in range(WORD):",
    "arrays": "def kernel(N: ls.size, WORD: ls.f64['N']):\n    for i in range(N):",
    "loops": "def kernel(N: ls.size, A: ls.f64['N']):\n    for WORD in range(N):",
    "functions": "def WORD(N: ls.size, A: ls.f64['N']):\n    for i in range(N):",
}
RESERVED_WORDS = (
    "int", "double", "restrict", "main", "linux", "unix", "NULL", "NAN", "INFINITY", "M_PI", "asm",
    "int64_t", "size_t", "bool", "true", "INT64_C", "__LINE__", "_Complex", "RAND_MAX", "y0",
    "random", "signgam", "HUGE_VAL", "EXIT_FAILURE", "isnan", "BYTE_ORDER", "typeof",
)  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("role", RESERVED_ROLES)
@pytest.mark.parametrize("word", RESERVED_WORDS)
def test_words_of_c_are_not_names(tmp_path, monkeypatch, word, role):
    text = RESERVED_ROLES[role].replace("WORD", word)
    index = word if role == "loops" else "i"
    array = word if role == "arrays" else "A"
    (tmp_path / f"of_{role}_{word}.py").write_text(
        "import loopstack as ls\n\n\n@ls.affine\n"
        f"{text}\n        {array}[{index}] = 2.0 * {array}[{index}] + {index} // 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(f"of_{role}_{word}")
    function = getattr(module, word if role == "functions" else "kernel")
    compile_c(ls.emit_c(function), ("-std=gnu11", "-Wall", "-Wextra", "-Werror"))
