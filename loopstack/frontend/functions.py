"""The functions of the tensor language: what ``ls.`` offers inside a kernel.

Names and dtype rules are NumPy's. Reductions take ``over=`` an index or a tuple of indices, which
are bound inside only. A reduction keeps its dtype; ``dtype=`` casts first.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any, Union

from loopstack.diagnostics import Signature, frontend_error
from loopstack.frontend.arithmetic import make, truth
from loopstack.frontend.graph import (
    Concat,
    Node,
    Pad,
    Stored,
    TensorData,
    current,
    display,
)
from loopstack.frontend.promotion import as_float, constant, convert, definite, promote_all
from loopstack.frontend.types import DType
from loopstack.frontend.values import (
    IndexForm,
    SymbolicTensor,
    Value,
    apply,
    lift,
    power,
    single_token,
)
from loopstack.ir.affine import Affine, affine
from loopstack.ir.operators import INTEGER_RANGE
from loopstack.ir.program import Requirement

Number = Union[builtins.int, builtins.float, builtins.bool]
Operand = Union[Value, Number]
Indices = Union[IndexForm, Sequence[IndexForm]]


# ---- indices ----------------------------------------------------------------------------------
def indices(names: str, **extents: int | IndexForm) -> Any:
    """Return one index per name: ``i, j = ls.indices("i j")``; ``i=10`` gives an extent.

    Raises: FrontendError for a name that is not an identifier, or an extent of no index.
    """
    wanted = names.replace(",", " ").split()
    for name in wanted:
        if not (name.isidentifier() and name.isascii()):
            raise frontend_error(f"{name!r} is not an index name", hint='ls.indices("m n k")')
    for name in extents:
        if name not in wanted:
            raise frontend_error(f"an extent is given for {name}, which is not in {names!r}")
    if not wanted:
        raise frontend_error("ls.indices needs at least one name", hint='ls.indices("m n k")')
    made = tuple(IndexForm(affine(_token(name, extents.get(name)))) for name in wanted)
    return made[0] if len(made) == 1 else made


def _token(name: str, extent: object) -> str:
    if extent is None:
        return name
    form = extent.form if isinstance(extent, IndexForm) else _whole(extent, name)
    if builtins.any(not n.startswith("$") for n in form.names):
        raise frontend_error(f"the extent of {name} is an integer or a size, found {extent!r}")
    return f"{name}={form}"


def _whole(extent: object, name: str) -> Affine:
    try:
        return affine(extent.__index__())  # type: ignore[attr-defined]
    except AttributeError:
        raise frontend_error(
            f"the extent of {name} is an integer or a size, found {extent!r:.60}"
        ) from None


def extent(index: IndexForm) -> IndexForm:
    """Return how far an index runs, as a number: ``ls.sum(x[i], over=i) / ls.extent(i)``."""
    return IndexForm(affine("#" + single_token(index, "ls.extent")))


# ---- elementwise ------------------------------------------------------------------------------
def _unary(name: str, sentence: str) -> Callable[[Operand], Value]:
    def function(x: Operand) -> Value:
        return apply(name, x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = sentence
    return function


exp = _unary("exp", "Return e ** x.")
sqrt = _unary("sqrt", "Return the square root.")
floor = _unary("floor", "Return the largest whole number <= x, as a float.")
abs = _unary("abs", "Return the absolute value.")
relu = _unary("relu", "Return maximum(x, 0).")
sigmoid = _unary("sigmoid", "Return 1 / (1 + exp(-x)).")
silu = _unary("silu", "Return x * sigmoid(x).")
tanh = _unary("tanh", "Return the hyperbolic tangent, within 3 ulp.")
erf = _unary("erf", "Return the error function, within 3 ulp.")
gelu = _unary("gelu", "Return x / 2 * (1 + erf(x / sqrt(2))).")


def maximum(a: Operand, b: Operand) -> Value:
    """Return the larger of two values; nan when either is nan."""
    return apply("maximum", a, b)


def minimum(a: Operand, b: Operand) -> Value:
    """Return the smaller of two values; nan when either is nan."""
    return apply("minimum", a, b)


def where(condition: Operand, a: Operand, b: Operand) -> Value:
    """Return ``a`` where the condition holds, else ``b``; both are defined everywhere."""
    return apply("select", condition, a, b)


def clip(x: Operand, low: Operand, high: Operand) -> Value:
    """Return ``x`` limited to low .. high."""
    return minimum(maximum(x, low), high)


def isnan(x: Operand) -> Value:
    """Return whether a value is nan."""
    return apply("ne", x, x)


def square(x: Operand) -> Value:
    """Return x * x."""
    return apply("mul", x, x)


def pow(x: Value, exponent: Number) -> Value:
    """Return ``x ** exponent`` for an integer constant or 0.5."""
    return power(Value(lift(x)), exponent)


def cast(x: Operand, dtype: DType) -> Value:
    """Return ``x`` as ``dtype``; floats become integers by truncation, as in NumPy."""
    return Value(convert(lift(x), _dtype_name(dtype, "ls.cast")))


def _dtype_name(dtype: object, role: str) -> str:
    if not isinstance(dtype, DType):
        raise frontend_error(f"{role} expects a dtype such as ls.f32, found {dtype!r:.60}")
    return dtype.check_supported().name


# ---- reductions -------------------------------------------------------------------------------
def _tokens(over: object, role: str) -> tuple[str, ...]:
    given = over if isinstance(over, (tuple, list)) else (over,)
    found = tuple(single_token(index, role) for index in given)
    if not found or len(set(found)) != len(found):
        raise frontend_error(f"{role} expects one or more different indices, found {len(found)}")
    return found


def _reduce(
    operator: str, body: Node, over: object, role: str, *, empty_is_fine: bool = True
) -> Node:
    tokens = _tokens(over, f"{role}(over=)")
    for token in tokens:
        if token not in body.free and "=" not in token:
            used = " ".join(display(t) for t in body.free) or "no index"
            raise frontend_error(
                f"{role} runs over {display(token)}, but its expression uses {used}",
                hint="every index of over= appears in the expression",
            )
    payload = (operator, tokens, empty_is_fine)
    node = current().node("reduce", payload, (body,), body.dtype)
    current().labels.setdefault(node, operator)
    return node


def _body(expr: Operand, dtype: DType | None, role: str) -> Node:
    node = lift(expr)
    if dtype is not None:
        return convert(node, _dtype_name(dtype, f"{role}(dtype=)"))
    return definite(node)


def sum(expr: Operand, over: Indices, dtype: DType | None = None) -> Value:
    """Return the sum over indices; of truth values, their count (i64)."""
    body = _body(expr, dtype, "ls.sum")
    return Value(_reduce("sum", _as_number(body), over, "ls.sum"))


def prod(expr: Operand, over: Indices, dtype: DType | None = None) -> Value:
    """Return the product over indices."""
    body = _body(expr, dtype, "ls.prod")
    return Value(_reduce("prod", _as_number(body), over, "ls.prod"))


def _as_number(node: Node) -> Node:
    return convert(node, "i64") if node.dtype == "bool_" else node


def max(expr: Operand, over: Indices, dtype: DType | None = None) -> Value:
    """Return the largest value; nan when one is nan. An empty range is a ShapeError."""
    body = _body(expr, dtype, "ls.max")
    if body.dtype == "bool_":
        return any(expr, over)
    return Value(_reduce("max", body, over, "ls.max", empty_is_fine=False))


def min(expr: Operand, over: Indices, dtype: DType | None = None) -> Value:
    """Return the smallest value; nan when one is nan. An empty range is a ShapeError."""
    body = _body(expr, dtype, "ls.min")
    if body.dtype == "bool_":
        return all(expr, over)
    return Value(_reduce("min", body, over, "ls.min", empty_is_fine=False))


def mean(expr: Operand, over: Indices, dtype: DType | None = None) -> Value:
    """Return the arithmetic mean; of integers, in f64."""
    body = _body(expr, dtype, "ls.mean")
    total = _reduce("sum", convert(body, as_float(body.dtype)), over, "ls.mean")
    # Extents of this very reduction: the same index may run elsewhere in another scope.
    counts = [IndexForm(affine(f"#{total.number}.{t}")) for t in total.payload[1]]
    count: Value = counts[0]
    for further in counts[1:]:
        count = apply("mul", count, further)
    result = apply("div", Value(total), count)
    current().labels.setdefault(result.node, "mean")
    return result


def any(expr: Operand, over: Indices) -> Value:
    """Return whether a truth value holds anywhere (bool_); False when there is none."""
    # The identity of max is negative, so an empty range compares as False; below, as True.
    flags = convert(truth(lift(expr)), "i32")
    found = _reduce("max", flags, over, "ls.any")
    current().labels[found] = "any"
    return Value(make("gt", found, constant(0, "i32")))


def all(expr: Operand, over: Indices) -> Value:
    """Return whether a truth value holds everywhere (bool_); True when there is none."""
    flags = convert(truth(lift(expr)), "i32")
    found = _reduce("min", flags, over, "ls.all")
    current().labels[found] = "all"
    return Value(make("gt", found, constant(0, "i32")))


def argmax(expr: Operand, over: IndexForm) -> Value:
    """Return the i64 index of the largest value: the first of equals, the first nan if any."""
    return _arg("max", expr, over)


def argmin(expr: Operand, over: IndexForm) -> Value:
    """Return the i64 index of the smallest value: the first of equals, the first nan if any."""
    return _arg("min", expr, over)


def _arg(operator: str, expr: Operand, over: IndexForm) -> Value:
    role = f"ls.arg{operator}"
    tokens = _tokens(over, f"{role}(over=)")
    if len(tokens) != 1:
        raise frontend_error(f"{role} takes one index, found {len(tokens)}")
    body = _as_number(definite(lift(expr)))
    best = _reduce(operator, body, over, role, empty_is_fine=False)
    # With a nan among them the best is nan, equals nothing, and only nans are candidates.
    hit = make("logical_or", make("eq", body, best), make("ne", body, body))
    position = current().node("index", affine(tokens[0]), (), "i64")
    none = constant(INTEGER_RANGE["i64"][1], "i64")
    candidates = current().node("op", "select", (hit, position, none), "i64")
    found = _reduce("min", candidates, over, role, empty_is_fine=False)
    current().labels[found] = f"arg{operator}"
    return Value(found)


def cumsum(expr: Operand, along: IndexForm, dtype: DType | None = None) -> Value:
    """Return running sums along an index, which stays free."""
    body = _as_number(_body(expr, dtype, "ls.cumsum"))
    token = single_token(along, "ls.cumsum(along=)")
    if token not in body.free:
        raise frontend_error(f"ls.cumsum runs along {display(token)}, which is not in it")
    node = current().node("scan", ("sum", token), (body,), body.dtype)
    current().labels[node] = "cumsum"
    return Value(node)


# ---- storage ----------------------------------------------------------------------------------
def named(name: str, expr: Operand, dims: str | None = None) -> Any:
    """Store an expression under a name that schedules and generated code show.

    With ``dims="i j"`` return an array with these dimensions (the free indices of ``expr``), to be
    padded, concatenated or subscripted anew; otherwise return the same value.
    Raises: FrontendError for a name that is no identifier or is taken.
    """
    trace = current()
    if not (isinstance(name, str) and name.isidentifier() and name.isascii()):
        raise frontend_error(f"{name!r} is not a name for an array", hint='ls.named("C", ...)')
    node = definite(lift(expr))
    if trace.names.get(node) != name:
        node = _register_name(name, node)
    if dims is None:
        return Value(node)
    return SymbolicTensor(_stored_tensor(name, node, dims))


def _register_name(name: str, node: Node) -> Node:
    trace = current()
    if name in trace.names.values() or builtins.any(t.name == name for t in trace.arguments):
        raise frontend_error(f"the name {name} is taken", hint="choose another name")
    # A bare element, or a value that has a name already, is stored once more.
    if node.kind in ("load", "const", "index") or node in trace.names:
        node = trace.node("copy", name, (node,), node.dtype)
    trace.names[node] = name
    return node


def _stored_tensor(name: str, node: Node, dims: str) -> TensorData:
    from loopstack.frontend.extents import Storage

    tokens = order_tokens(node, tuple(dims.split()), f"dims of {name}")
    known = current().tensors.get(node)
    if known is not None and known.labels == tuple(map(display, tokens)):
        return known
    if known is not None:
        raise frontend_error(f"{name} already has the dimensions {' '.join(known.labels)}")
    shape, soft = Storage(current()).shape(node, tokens)
    labels = tuple(display(t) for t in tokens)
    data = TensorData(name, node.dtype, shape, labels, soft, Stored(node, tokens), True)
    current().tensors[node] = data
    return data


def order_tokens(
    node: Node, dims: tuple[str, ...], role: str, where: Signature | None = None
) -> tuple[str, ...]:
    """Return the free tokens of ``node`` in the order of ``dims``. Raises FrontendError."""
    free = {display(t): t for t in node.free}
    if len(free) != len(node.free):
        raise frontend_error(f"{role}: two indices have one name; rename one of them", where)
    if sorted(dims) == sorted(free):
        return tuple(free[d] for d in dims)
    expected = " ".join(display(t) for t in node.free) or "none"
    raise frontend_error(
        f"{role}: expected the free indices of the expression ({expected}), "
        f"found ({' '.join(dims)})",
        where,
        hint="an index is free unless a reduction binds it with over=",
    )


def pad(x: SymbolicTensor, value: Number = 0, **widths: int | tuple[int, int]) -> SymbolicTensor:
    """Return ``x`` with a border of ``value``; widths by dimension: ``h=(1, 1)``, or ``h=1``.

    Raises: FrontendError for a dimension that does not exist, or a negative width.
    """
    data = _tensor(x, "ls.pad")
    low, high = [0] * data.rank, [0] * data.rank
    for label, width in widths.items():
        axis = _axis(data, label, "ls.pad")
        low[axis], high[axis] = _width(label, width)
    shape = tuple(form + low[d] + high[d] for d, form in enumerate(data.shape))
    number = _pad_value(value, data)
    made = Pad(data, tuple(low), tuple(high), number)
    return SymbolicTensor(TensorData("pad", data.dtype, shape, data.labels, data.soft, made))


def _pad_value(value: object, data: TensorData) -> Number:
    node = lift(value)
    if node.kind != "const":
        raise frontend_error("ls.pad(value=) expects a number, found a symbolic value")
    if promote_all([data.dtype, node.dtype]) != data.dtype:
        raise frontend_error(f"the value {value!r} of ls.pad does not fit ls.{data.dtype}")
    number: Number = convert(node, data.dtype).payload.value
    return number


def _width(label: str, width: object) -> tuple[int, int]:
    pair = (width, width) if isinstance(width, int) else width
    if (
        not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not builtins.all(isinstance(w, int) and w >= 0 for w in pair)
    ):
        raise frontend_error(
            f"ls.pad({label}=) expects two integers >= 0, before and after; found {width!r:.60}"
        )
    return pair[0], pair[1]


def _tensor(x: object, role: str) -> TensorData:
    if isinstance(x, SymbolicTensor):
        return x.data
    hint = 'make an expression an array first: t = ls.named("t", value, dims="n c h w")'
    raise frontend_error(f"{role} expects an array, found {x!r:.60}", hint=hint)


def _axis(data: TensorData, label: str, role: str) -> int:
    if data.labels.count(label) == 1:
        return data.labels.index(label)
    problem = "has two dimensions" if label in data.labels else "has no dimension"
    raise frontend_error(
        f"{role}: {data.name} {problem} {label}; its dimensions are {' '.join(data.labels)}"
    )


def concat(tensors: Sequence[SymbolicTensor], dim: str) -> SymbolicTensor:
    """Return arrays joined along a dimension, named as in the first one.

    Raises: FrontendError when ranks differ or another dimension can never agree.
    """
    parts = tuple(_tensor(t, "ls.concat") for t in tensors)
    if not parts:
        raise frontend_error("ls.concat needs at least one array")
    first = parts[0]
    axis = _axis(first, dim, "ls.concat")
    for part in parts[1:]:
        _check_joinable(first, part, axis)
    total = first.shape[axis]
    for part in parts[1:]:
        total = total + part.shape[axis]
    shape = (*first.shape[:axis], total, *first.shape[axis + 1 :])
    dtype = promote_all([p.dtype for p in parts])
    made = Concat(parts, axis)
    return SymbolicTensor(TensorData("concat", dtype, shape, first.labels, first.soft, made))


def _check_joinable(first: TensorData, part: TensorData, axis: int) -> None:
    if part.rank != first.rank:
        raise frontend_error(
            f"ls.concat: {first.name} has rank {first.rank}, {part.name} has rank {part.rank}"
        )
    for d, (left, right) in enumerate(zip(first.shape, part.shape)):
        if d != axis and left != right:
            message = (
                f"concat: dimension {first.labels[d]} of {first.name} has extent {{left}}, "
                f"of {part.name} {{right}}"
            )
            current().require(Requirement(left, "==", right, message))
