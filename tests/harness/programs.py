"""Programs written out by hand, as the frontends would make them."""

from __future__ import annotations

from loopstack.ir.affine import Affine, affine, name
from loopstack.ir.expr import Const, Expr, Load, Op
from loopstack.ir.program import Access, Array, Program, Reduction, Role, Statement


def forms(text: str) -> tuple[Affine, ...]:
    """Return the affine form of each word: an index, ``$size``, an integer, or a sum ``i+1``."""
    return tuple(_form(word) for word in text.split())


def _form(word: str) -> Affine:
    total = affine(0)
    for term in word.replace("-", "+-").split("+"):
        sign, text = (-1, term[1:]) if term.startswith("-") else (1, term)
        factor, _, atom = text.rpartition("*")
        value = affine(int(atom) if atom.isdigit() else atom) if atom else affine(0)
        total = total + value * (sign * int(factor or 1))
    return total


def box(**extents: str | int) -> tuple[Affine, ...]:
    """Return ``0 <= index < extent`` for every keyword."""
    pairs = ((name(i), affine(_extent(e)) - 1 - name(i)) for i, e in extents.items())
    return tuple(form for pair in pairs for form in pair)


def _extent(extent: str | int) -> str | int:
    return f"${extent}" if isinstance(extent, str) else extent


def array(label: str, shape: str, role: Role, dtype: str = "f32") -> Array:
    """``shape`` is words: sizes without ``$``, or integers."""
    extents = tuple(_form(w if w.isdigit() else f"${w}") for w in shape.split())
    return Array(label, dtype, extents, role)


def load(label: str, subscripts: str = "", dtype: str = "f32") -> Load:
    return Load(label, forms(subscripts), dtype)


def op(operator: str, *args: Expr, dtype: str | None = None) -> Op:
    return Op(operator, args, dtype or args[-1].dtype)


def access(label: str, subscripts: str = "") -> Access:
    return Access(label, forms(subscripts))


def matmul(dtype: str = "f32") -> Program:
    product = op("mul", load("A", "m k", dtype), load("B", "k n", dtype))
    c = Statement(
        "C", ("m", "n", "k"), box(m="m", n="n", k="k"), access("C", "m n"), product,
        Reduction("sum"), (0, 0, 0, 0),
    )  # fmt: skip
    arrays = (
        array("A", "m k", "input", dtype),
        array("B", "k n", "input", dtype),
        array("C", "m n", "output", dtype),
    )
    return Program("matmul", ("m", "k", "n"), arrays, (c,))


def softmax() -> Program:
    exponential = op("exp", op("sub", load("x", "i j"), load("most", "i")))
    whole = box(i="i", j="j")
    statements = (
        Statement(
            "most", ("i", "j"), whole, access("most", "i"), load("x", "i j"), Reduction("max"),
            (0, 0, 0),
        ),
        Statement("e", ("i", "j"), whole, access("e", "i j"), exponential, None, (1, 0, 0)),
        Statement(
            "total", ("i", "j"), whole, access("total", "i"), load("e", "i j"), Reduction("sum"),
            (2, 0, 0),
        ),
        Statement(
            "out", ("i", "j"), whole, access("out", "i j"),
            op("div", load("e", "i j"), load("total", "i")), None, (3, 0, 0),
        ),
    )  # fmt: skip
    arrays = (
        array("x", "i j", "input"),
        array("out", "i j", "output"),
        array("most", "i", "temporary"),
        array("e", "i j", "temporary"),
        array("total", "i", "temporary"),
    )
    return Program("softmax", ("i", "j"), arrays, statements)


def jacobi_1d() -> Program:
    def third(source: str) -> Expr:
        left, middle, right = (load(source, s, "f64") for s in ("i-1", "i", "i+1"))
        return op("mul", Const(0.33333, "f64"), op("add", op("add", left, middle), right))

    domain = forms("t $T-1-t i-1 $N-2-i")
    statements = (
        Statement("S0", ("t", "i"), domain, access("B", "i"), third("A"), None, (0, 0, 0)),
        Statement("S1", ("t", "i"), domain, access("A", "i"), third("B"), None, (0, 1, 0)),
    )
    arrays = (array("A", "N", "inout", "f64"), array("B", "N", "inout", "f64"))
    return Program("jacobi_1d", ("T", "N"), arrays, statements, reassociate=False)


def lu() -> Program:
    """In place, triangular, two statements below one loop, a compound inner order."""
    a = "f64"
    pivot = op("div", load("A", "i k", a), load("A", "k k", a))
    update = op("sub", load("A", "i j", a), op("mul", load("A", "i k", a), load("A", "k j", a)))
    below = forms("k $N-1-k i-k-1 $N-1-i")
    statements = (
        Statement("S0", ("k", "i"), below, access("A", "i k"), pivot, None, (0, 0, 0)),
        Statement(
            "S1", ("k", "i", "j"), below + forms("j-k-1 $N-1-j"), access("A", "i j"), update, None,
            (0, 1, 0, 0),
        ),
    )  # fmt: skip
    return Program("lu", ("N",), (array("A", "N N", "inout", "f64"),), statements, False)


def pad_then_exp() -> Program:
    """Two statements write one array; the third reads border and interior."""
    fill = Statement(
        "S0", ("i",), box(i="n") [:1] + forms("$n+1-i"), access("p", "i"), Const(2.0, "f32"), None,
        (0, 0),
    )  # fmt: skip
    copy = Statement("S1", ("i",), box(i="n"), access("p", "i+1"), load("x", "i"), None, (1, 0))
    out = Statement(
        "out", ("i",), forms("i $n+1-i"), access("out", "i"), op("exp", load("p", "i")), None,
        (2, 0),
    )  # fmt: skip
    padded = (name("$n") + 2,)
    arrays = (
        array("x", "n", "input"),
        Array("out", "f32", padded, "output"),
        Array("p", "f32", padded, "temporary"),
    )
    return Program("pad_then_exp", ("n",), arrays, (fill, copy, out))


def repeat_rows() -> Program:
    """A floor division in a subscript: every element of x twice."""
    out = Statement(
        "out", ("i",), forms("i 2*$n-1-i"), access("out", "i"),
        Load("x", (name("i") // 2,), "f32"), None, (0, 0),
    )  # fmt: skip
    arrays = (array("x", "n", "input"), Array("out", "f32", (name("$n") * 2,), "output"))
    return Program("repeat_rows", ("n",), arrays, (out,))


def scaled_sum() -> Program:
    """A run-time scalar, and a reduction to rank 0."""
    value = op("mul", load("alpha"), load("x", "i"))
    total = Statement("out", ("i",), box(i="n"), access("out"), value, Reduction("sum"), (0, 0))
    arrays = (array("x", "n", "input"), array("alpha", "", "scalar"), array("out", "", "output"))
    return Program("scaled_sum", ("n",), arrays, (total,))
