"""What a user reads when a body is not affine: the exact texts, with line and caret."""

# The bodies are wrong on purpose.
# ruff: noqa: B007, B018, F841, SIM113
from __future__ import annotations

import inspect

import numpy as np
import pytest

import loopstack as ls
from loopstack.frontend.affine import parse

FACTOR = 2.5
TABLE = np.zeros(3)
TEXTS: dict[object, str] = {}


def helper(x):
    return x


@ls.scalar
def loops(x):
    while x > 0:
        x = x - 1
    return x


@ls.scalar
def open_end(x):
    if x > 0:
        return 1.0


def says(text: str):
    """Register what an affine function should be told: message, underlined text, hint."""

    def register(function):
        TEXTS[function] = text
        return function

    return register


def shown(error: ls.FrontendError) -> str:
    """Return what the error says, the text above the carets, and the hint."""
    lines = str(error).splitlines()
    assert lines[1].startswith(f"  --> {__file__}:{error.line}")
    source, carets = (line.split(" | ", 1)[1] for line in lines[3:5])
    assert set(carets.strip()) == {"^"}
    assert carets.index("^") == error.caret
    under = source[carets.index("^") : len(carets)]
    return "\n".join([lines[0], under, *(line.strip()[2:] for line in lines[5:])])


@says(
    "i * j is not affine in a subscript of A: it multiplies two unknowns\n"
    "i * j\n"
    "use one subscript for each factor (A[i, j], not A[i * n + j])"
)
def product_of_indices(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        for j in range(N):
            A[i * j] = 0.0


@says(
    "N * M is not affine in a loop bound: it multiplies two unknowns\n"
    "N * M\n"
    "make the product a size of its own, or use one dimension for each factor"
)
def product_of_sizes(N: ls.size, M: ls.size, A: ls.f64["N"]):
    for i in range(N * M):
        A[i] = 0.0


@says(
    "ids[i] is data: a subscript of A may depend on loop variables and sizes only\n"
    "ids[i]\n"
    "gathers are not affine; subscripts are forms such as 2 * i + 1, i // 2, i % 4"
)
def data_subscript(N: ls.size, A: ls.f64["N"], ids: ls.i32["N"]):
    for i in range(N):
        A[ids[i]] = 0.0


@says(
    "A[i] is data: a loop bound may depend on loop variables and sizes only\n"
    "A[i]\n"
    "pass it as a parameter n: ls.size if it is known before the loops run"
)
def data_bound(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        for j in range(A[i]):
            A[j] = 0.0


@says(
    "k is data: a subscript of A may depend on loop variables and sizes only\n"
    "k\n"
    "a name stands for a form when it is assigned once: k = 2 * i + 1"
)
def local_subscript(N: ls.size, A: ls.f64["N"]):
    k = 0
    for i in range(N):
        k += 1
        A[k] = 0.0


@says("N / 2 is not affine in a loop bound\nN / 2\n/ gives a float: write // for the integer part")
def float_division(N: ls.size, A: ls.f64["N"]):
    for i in range(N / 2):
        A[i] = 0.0


@says(
    "i // N is not affine in a subscript of A: it divides by an unknown\n"
    "i // N\n"
    "the right side of // is an integer constant, not 0"
)
def division_by_size(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i // N] = 0.0


@says(
    "expected an integer in a loop bound, found float 2.5\n"
    "FACTOR\n"
    "write int(...), or // for a division without remainder"
)
def float_in_bound(N: ls.size, A: ls.f64["N"]):
    for i in range(FACTOR):
        A[i] = 0.0


@says(
    "n is not known here\nn\nmake it a parameter (n: ls.size), or a number of the enclosing scope"
)
def unknown_name(N: ls.size, A: ls.f64["N"]):
    for i in range(n):
        A[i] = 0.0


@says("a while loop in an affine body\nw\nloops run over range with affine bounds")
def while_loop(N: ls.size, A: ls.f64["N"]):
    while N > 0:
        A[0] = 0.0


@says("a loop runs over range, found A\nA\nwrite for i in range(start, stop, step)")
def loop_over_array(N: ls.size, A: ls.f64["N"]):
    for x in A:
        A[0] = x


@says("the step of a range cannot be 0\n0\nwrite for i in range(start, stop, step)")
def zero_step(N: ls.size, A: ls.f64["N"]):
    for i in range(0, N, 0):
        A[i] = 0.0


@says(
    "the step N is not an integer constant\n"
    "N\n"
    "a step is an integer, or a number of the enclosing scope"
)
def step_of_size(N: ls.size, A: ls.f64["N"]):
    for i in range(0, N, N):
        A[i] = 0.0


@says(
    "the test A[i] > 0.0 depends on data\n"
    "A[i] > 0.0\n"
    "for data write a conditional expression: x = a if test else x"
)
def data_test(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        if A[i] > 0.0:
            A[i] = 0.0


@says("break in an affine body\nbreak\ngive the loop its range, or use an if with an affine test")
def break_(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = 0.0
        break


@says(
    "a return in an affine body\n"
    "return A\n"
    "arrays are updated in place; an affine function returns None"
)
def returns(N: ls.size, A: ls.f64["N"]):
    A[0] = 0.0
    return A


@says(
    "annotated_result has a return annotation: an affine function returns None\n"
    'ls.f64["N"]\n'
    "arrays are updated in place: make the result a parameter"
)
def annotated_result(N: ls.size, A: ls.f64["N"]) -> ls.f64["N"]:
    A[0] = 0.0


@says("A is subscripted with a slice\n:\nwrite a loop over the dimension: for j in range(...)")
def slice_(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        A[i, :] = 0.0


@says("A has 2 dimensions (N N), found 1 subscript\nA[i]\nwrite A[i, j]")
def rank(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        A[i] = 0.0


@says("B is an array, expected a value\nB\nsubscript it: B[i]")
def whole_array(N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
    for i in range(N):
        A[i] = B


@says(
    "A is a parameter: an affine function assigns to elements of arrays and to local names\n"
    "A\n"
    "write A[i] = ..."
)
def rebinds_array(N: ls.size, A: ls.f64["N"]):
    A = 0.0


@says(
    "alpha is a parameter: an affine function assigns to elements of arrays and to local names\n"
    "alpha\n"
    "use another name"
)
def writes_scalar(N: ls.size, alpha: ls.f64, A: ls.f64["N"]):
    alpha = 2.0
    A[0] = alpha


@says("i counts a loop and cannot be assigned to\ni\nuse another name")
def writes_loop_variable(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        i = 0


@says("t is read before it is assigned\nt\nassign it above: t = 0.0")
def read_before(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = t
        t = A[i]


@says(
    "i follows a loop variable, and that loop has ended here\n"
    "i\n"
    "use it inside the loop, or write the value it ends with"
)
def loop_variable_after(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = 0.0
    A[i] = 1.0


@says(
    "helper cannot be called here\n"
    "helper(A[i])\n"
    "decorate helper with @ls.scalar: it is then inlined"
)
def undecorated(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = helper(A[i])


@says(
    "ls.sum cannot be called here\n"
    "ls.sum(A[i], over=i)\n"
    "an affine body has loops instead: for k in range(...): x += ..."
)
def tensor_function(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = ls.sum(A[i], over=i)


@says(
    "loops: a scalar function has assignments to names, if and return\n"
    "w\n"
    "loops and arrays belong into the @ls.affine function"
)
def loop_in_helper(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = loops(A[i])


@says(
    "A[i], A[0] cannot be assigned to here\n"
    "A[i], A[0]\n"
    "assign to one array element or one local name at a time"
)
def tuple_target(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i], A[0] = 0.0, 1.0


@says("A is ls.i32, and cannot hold an ls.f64 value\nA[i] = 0.5\nconvert it: ls.cast(..., ls.i32)")
def lossy(N: ls.size, A: ls.i32["N"]):
    for i in range(N):
        A[i] = 0.5


@says("the constant 1099511627776 does not fit ls.i32\nA[i] = 2**40")
def too_large(N: ls.size, A: ls.i32["N"]):
    for i in range(N):
        A[i] = 2**40


@says("A[i] + 1.0 has no effect\nA[i] + 1.0\nan affine body assigns to arrays and local names")
def no_effect(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] + 1.0


@says('nothing has no assignment\n"""Nothing."""\nan affine function updates arrays: A[i] = ...')
def nothing(N: ls.size, A: ls.f64["N"]):
    """Nothing."""


@says(
    "A[i + 1] leaves its array whenever it runs: i + 1 goes beyond N - 1 in dimension 0\n"
    "A[i + 1]\n"
    "change the bounds of the loops around it, or the extent in the annotation"
)
def always_outside(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i + 1] = 0.0


@says(
    "A[i - 1] leaves its array whenever it runs: i - 1 goes below 0 in dimension 0\n"
    "A[i - 1]\n"
    "change the bounds of the loops around it, or the extent in the annotation"
)
def below(N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
    for i in range(N):
        B[i] = A[i - 1]


@says(
    "parameter A of no_annotation needs a type, found no annotation\n"
    "A\n"
    'annotate parameters like A: ls.f64["N M"], alpha: ls.f64 or N: ls.size'
)
def no_annotation(N: ls.size, A):
    A[0] = 1.0


@says(
    "TABLE is not an array of this function\n"
    "TABLE\n"
    'arrays are parameters, x: ls.f64["N"], or local: x = ls.empty("N", ls.f64)'
)
def captured_array(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = TABLE[i]


@says("t is read, but nothing assigns to its elements\nt[i]\nassign to t[i] first")
def never_filled(N: ls.size, A: ls.f64["N"]):
    t = ls.empty("N", ls.f64)
    for i in range(N):
        A[i] = t[i]


@says('K is not a size\n"K"\nsizes here are N')
def bad_empty(N: ls.size, A: ls.f64["N"]):
    t = ls.empty("K", ls.f64)
    t[0] = 1.0


@says(
    "a loop with step 2 starts at one form, found a max\n"
    "max(N - 9, 0)\n"
    "start at a plain form and leave the first values out with an if"
)
def step_from_max(N: ls.size, A: ls.f64["N"]):
    for i in range(max(N - 9, 0), N, 2):
        A[i] = 0.0


@says(
    "else of a loop in an affine body\n"
    "A[0] = 1.0\n"
    "an affine body has for over range, if, assignments and updates (+=)"
)
def for_else(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = 0.0
    else:
        A[0] = 1.0


@says(
    "i % N is not affine in a test: it divides by an unknown\n"
    "i % N\n"
    "the right side of % is an integer constant, not 0"
)
def remainder_of_size(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        if i % N == 0:
            A[i] = 0.0


@says("N is a parameter, and cannot count a loop\nN\nrename it")
def size_as_loop(N: ls.size, A: ls.f64["N"]):
    for N in range(3):
        A[N] = 0.0


@says('"x" is \'x\', expected a number\n"x"\narrays and run-time scalars are parameters')
def string(N: ls.size, A: ls.f64["N"]):
    A[0] = "x"


@says(
    "[1.0] is not an array of this function\n"
    "[1.0]\n"
    'arrays are parameters, x: ls.f64["N"], or local: x = ls.empty("N", ls.f64)'
)
def unsupported_expr(N: ls.size, A: ls.f64["N"]):
    A[0] = [1.0][0]


@says(
    "ls.f16 is not supported yet by the code generator: dtypes are bool_, i32, i64, f32, f64\n"
    "A\n"
    "store the data as ls.f32 or ls.i32"
)
def f16(N: ls.size, A: ls.f16["N"]):
    A[0] = 1.0


@says(
    "lambda x: x is not a function of numbers\n"
    "lambda x: x\n"
    "functions here are abs, min, max, ls.sqrt, ls.exp and the like, and @ls.scalar ones"
)
def lambda_call(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = (lambda x: x)(A[i])


@says(
    "A[i] @ A[i]: this operator is not for numbers\n"
    "A[i] @ A[i]\n"
    "operators of numbers are + - * / // % **"
)
def matmul_op(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = A[i] @ A[i]


@says("1 / 0: division by zero\n1 / 0")
def zero_div(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = 1 / 0


@says(
    "default: parameters of a kernel have no defaults\n"
    "2.0\n"
    "pass every argument, or take the number from the enclosing scope"
)
def default(N: ls.size, A: ls.f64["N"], k: ls.f64 = 2.0):
    for i in range(N):
        A[i] = k


@says(
    "with in an affine body\nw\nan affine body has for over range, if, assignments and updates (+=)"
)
def with_block(N: ls.size, A: ls.f64["N"]):
    with open("x") as f:
        A[0] = 1.0


@says(
    "(1, 2) is not affine in a test\n"
    "(1, 2)\n"
    "forms are sums of loop variables and sizes times integers, also // and % by integers"
)
def in_test(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        if i in (1, 2):
            A[i] = 0.0


@says(
    "A.sum is not a function of numbers\n"
    "A.sum\n"
    "functions here are abs, min, max, ls.sqrt, ls.exp and the like, and @ls.scalar ones"
)
def method(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = A.sum()


@says(
    "open_end may end without a result\n"
    "d\n"
    "every path of a scalar function ends with return and a value"
)
def open_ended_helper(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = open_end(A[i])


@says("'function' object has no attribute 'missing'\nhelper.missing")
def missing_attribute(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = helper.missing


@says(
    "expected an integer in a subscript of A, found float 2.5\n"
    "FACTOR\n"
    "write int(...), or // for a division without remainder"
)
def product_of_factors(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        A[i * FACTOR, 0] = 1.0


@pytest.mark.parametrize("function", TEXTS, ids=lambda f: f.__name__)
def test_message(function):
    with pytest.raises(ls.FrontendError) as error:
        parse(function)
    assert shown(error.value) == TEXTS[function]


def test_the_whole_text():
    def fn(N: ls.size, A: ls.f64["N"]):
        for i in range(N):
            A[2 * i * i] = 0.0

    with pytest.raises(ls.FrontendError) as error:
        parse(fn)
    number = str(inspect.getsourcelines(fn)[1] + 2)
    pad = " " * len(number)
    assert str(error.value).splitlines() == [
        "2 * i * i is not affine in a subscript of A: it multiplies two unknowns",
        f"  --> {__file__}:{number}",
        f"{pad} |",
        f"{number} |             A[2 * i * i] = 0.0",
        f"{pad} |               ^^^^^^^^^",
        "   = use one subscript for each factor (A[i, j], not A[i * n + j])",
    ]
    assert (error.value.line, error.value.caret) == (int(number), 14)


def test_columns_count_characters_behind_a_wide_one():
    def fn(N: ls.size, A: ls.f64["N"]):
        for i in range(N):
            "é"; A[i * i] = 0.0  # fmt: skip  # noqa: E702

    with pytest.raises(ls.FrontendError) as error:
        parse(fn)
    source, carets = (line.split(" | ", 1)[1] for line in str(error.value).splitlines()[3:5])
    assert source[carets.index("^") : len(carets)] == "i * i"


def test_a_helper_without_source():
    function = eval("lambda A: None")
    with pytest.raises(ls.FrontendError, match="the source of <lambda> cannot be read"):
        ls.affine(function).program


def test_not_a_function():
    with pytest.raises(ls.FrontendError, match=r"@ls\.affine takes a Python function, found int"):
        parse(3)


def test_empty_outside():
    with pytest.raises(ls.FrontendError, match=r"ls\.empty declares an array"):
        ls.empty("N", ls.f64)
