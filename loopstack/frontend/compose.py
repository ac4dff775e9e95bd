"""A kernel called inside a kernel: its statements are inlined into the caller's program.

``inline_call`` matches the callee's parameters with the caller's tensors and works out the
callee's sizes as forms over the caller's; ``emit_call`` copies the statements when the caller's
program is built. The callee is known by its program alone, so every kind of kernel that has one
can be called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loopstack.diagnostics import frontend_error
from loopstack.frontend.graph import (
    Call,
    CallOutput,
    Node,
    TensorData,
    Trace,
    current,
    unique,
)
from loopstack.frontend.promotion import convert, promote
from loopstack.frontend.ranges import never
from loopstack.frontend.values import IndexForm, SymbolicTensor, Value, lift
from loopstack.ir.affine import Affine, affine
from loopstack.ir.expr import Expr, Load, map_subscripts, rewrite
from loopstack.ir.program import Access, Array, Program, Requirement, Statement

if TYPE_CHECKING:
    from loopstack.frontend.build import Builder


def is_symbolic(value: object) -> bool:
    """Return whether a call's argument belongs to a kernel that is being traced."""
    return isinstance(value, (SymbolicTensor, Value))


def inline_call(kernel: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the results of ``kernel(*args, **kwargs)`` as symbolic tensors of the caller.

    ``kernel`` has a ``program``, and ``__wrapped__`` where parameter order includes sizes.
    Raises: FrontendError when arguments do not fit.
    """
    program: Program = kernel.program
    bound = _bind_arguments(program, _parameter_names(kernel, program), args, kwargs)
    call = Call(program, {}, {}, {})
    for array in program.arguments:
        if array.role == "input":
            call.tensors[array.name] = _array_argument(program, array, bound)
        elif array.role == "scalar":
            call.scalars[array.name] = _scalar_argument(program, array, bound)
    _match_sizes(current(), call, bound)
    results = tuple(_result(call, a) for a in program.arguments if a.role == "output")
    return results[0] if len(results) == 1 else results


# ---- arguments --------------------------------------------------------------------------------
def _parameter_names(kernel: Any, program: Program) -> list[str]:
    function = getattr(kernel, "__wrapped__", None)
    code = getattr(function, "__code__", None)
    if code is not None:
        return list(code.co_varnames[: code.co_argcount])
    return [a.name for a in program.arguments if a.role in ("input", "scalar")]


def _bind_arguments(
    program: Program, names: list[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    for array in program.arguments:
        if array.role == "inout":
            raise frontend_error(
                f"{program.name} changes {array.name} in place and cannot be called inside a kernel"
            )
    if len(args) > len(names):
        raise frontend_error(f"{program.name} takes {len(names)} arguments, found {len(args)}")
    bound = dict(zip(names, args))
    for name, value in kwargs.items():
        if name in bound or name not in (*names, *program.sizes):
            problem = " twice" if name in bound else f"; it takes {', '.join(names)}"
            raise frontend_error(f"{program.name} got an argument {name}{problem}")
        bound[name] = value
    missing = [n for n in names if n not in bound and n not in program.sizes]
    if missing:
        raise frontend_error(f"{program.name} misses the argument {', '.join(missing)}")
    return bound


def _array_argument(program: Program, array: Array, bound: Mapping[str, Any]) -> TensorData:
    given = bound[array.name]
    role = f"argument {array.name} of {program.name}"
    if not isinstance(given, SymbolicTensor):
        raise frontend_error(
            f"{role}: expected an array, found {given!r:.60}",
            hint='make an expression an array: t = ls.named("t", value, dims="i j")',
        )
    data = given.data
    if data.rank != len(array.shape):
        raise frontend_error(f"{role} has rank {data.rank}, expected {len(array.shape)}")
    if data.dtype != array.dtype:
        raise frontend_error(f"{role} is ls.{data.dtype}, expected ls.{array.dtype}")
    return data


def _scalar_argument(program: Program, array: Array, bound: Mapping[str, Any]) -> Node:
    node = lift(bound[array.name])
    role = f"argument {array.name} of {program.name}"
    if node.free:
        raise frontend_error(f"{role} is one number, found a value with indices")
    if promote(node.dtype, array.dtype) != array.dtype:
        raise frontend_error(f"{role} is ls.{node.dtype}, expected ls.{array.dtype}")
    return convert(node, array.dtype)


# ---- sizes ------------------------------------------------------------------------------------
def _match_sizes(trace: Trace, call: Call, bound: Mapping[str, Any]) -> None:
    """Give every size of the callee a form over the caller's sizes."""
    sizes: dict[str, Affine] = {}
    for name in call.program.sizes:
        if name in bound:
            sizes[f"${name}"] = _size_argument(call.program, name, bound[name])
    pairs = list(_dimension_pairs(call))
    for _, form, actual in pairs:
        _solve(form, actual, sizes)
    missing = [n for n in call.program.sizes if f"${n}" not in sizes]
    if missing:
        raise frontend_error(f"{call.program.name}: size {', '.join(missing)} unknown in this call")
    for place, form, actual in pairs:
        _require_same(trace, call, place, form.substitute(sizes), actual)
    for derived in call.program.derived:
        forms = tuple(f.substitute(sizes) for f in derived.forms)
        sizes[f"${derived.name}"] = trace.derive(derived.name, forms)
    for r in call.program.requirements:
        left, right = r.left.substitute(sizes), r.right.substitute(sizes)
        when = tuple(f.substitute(sizes) for f in r.when)
        message = f"in {call.program.name}: {r.message}"
        trace.require(Requirement(left, r.relation, right, message, when))
    call.sizes = sizes


def _size_argument(program: Program, name: str, value: Any) -> Affine:
    form = value.form if isinstance(value, IndexForm) else None
    if isinstance(value, int) and not isinstance(value, bool):
        form = affine(value)
    if form is None or any(n[0] != "$" for n in form.names):
        raise frontend_error(f"size {name} of {program.name}: expected an integer or a size")
    return form


def _dimension_pairs(call: Call) -> Iterator[tuple[str, Affine, Affine]]:
    for array in call.program.arguments:
        if array.role == "input":
            actual = call.tensors[array.name].shape
            for d, form in enumerate(array.shape):
                yield f"{array.name} dimension {d}", form, actual[d]


def _solve(form: Affine, actual: Affine, sizes: dict[str, Affine]) -> None:
    """Give the one unknown size of ``form == actual`` its value, if that is affine."""
    unknown = [n for n in form.names if n not in sizes]
    if len(unknown) == 1 and form.coefficient(unknown[0]) > 0:
        coefficient = form.coefficient(unknown[0])
        rest = form - Affine(((unknown[0], coefficient),), 0)
        if unknown[0] not in rest.names:
            sizes[unknown[0]] = (actual - rest.substitute(sizes)) // coefficient


def _require_same(trace: Trace, call: Call, place: str, expected: Affine, actual: Affine) -> None:
    if expected == actual:
        return
    text = f"{call.program.name} called with {place} of extent"
    if never(expected - actual):
        plain = [str(f).replace("$", "") for f in (actual, expected)]
        raise frontend_error(f"{text} {plain[0]}, expected {plain[1]}")
    message = f"{text} {{left}}, expected {{right}}"
    trace.require(Requirement(actual, "==", expected, message))


# ---- results ----------------------------------------------------------------------------------
def _result(call: Call, array: Array) -> Any:
    shape = tuple(form.substitute(call.sizes) for form in array.shape)
    labels = _labels(call.program, array)
    data = TensorData(
        array.name, array.dtype, shape, labels, (False,) * len(shape), CallOutput(call, array.name)
    )
    if shape:
        return SymbolicTensor(data)
    return Value(current().node("load", (data, ()), (), data.dtype))


def _labels(program: Program, array: Array) -> tuple[str, ...]:
    """Return dimension names of an output: the indices its statement writes it with."""
    for s in program.statements:
        if s.write.array == array.name:
            bare = [f.terms[0][0] if _is_bare(f) else None for f in s.write.subscripts]
            if len(set(bare)) == len(bare):
                return tuple(str(b or f"d{d}") for d, b in enumerate(bare))
    return tuple(f"d{d}" for d in range(len(array.shape)))


def _is_bare(form: Affine) -> bool:
    return len(form.terms) == 1 and not form.const and isinstance(form.terms[0][0], str)


# ---- statements -------------------------------------------------------------------------------
def emit_call(builder: Builder, data: TensorData, producer: CallOutput) -> str:
    """Emit the callee's statements into ``builder`` once; return the array that holds ``data``."""
    call = producer.call
    if call not in builder.emitted_calls:
        names = {n: builder.emit_tensor(t) for n, t in call.tensors.items()}
        for node in call.scalars.values():
            builder.emit_reads(node)
        builder.emitted_calls[call] = names
        for array in call.program.arrays:
            if array.role in ("output", "temporary"):
                names[array.name] = _declare(builder, call, array)
        for statement in call.program.statements:
            _emit_statement(builder, call, names, statement)
    builder.tensor_array[data] = builder.emitted_calls[call][producer.array]
    return builder.tensor_array[data]


def _declare(builder: Builder, call: Call, array: Array) -> str:
    """Declare a callee's array in the caller, under the caller's name if that returns it."""
    shape = tuple(form.substitute(call.sizes) for form in array.shape)
    for tensor, name in builder.tensor_array.items():
        if tensor.producer == CallOutput(call, array.name):
            builder.declare(name, array.dtype, shape)
            return name
    wanted = call.program.name if array.name == "out" else array.name
    name = unique(wanted, builder.taken())
    builder.declare(name, array.dtype, shape)
    return name


def _emit_statement(builder: Builder, call: Call, names: Mapping[str, str], s: Statement) -> None:
    def fix(form: Affine) -> Affine:
        return form.substitute(call.sizes)

    def visit(node: Expr) -> Expr:
        if not isinstance(node, Load):
            return node
        if node.array in call.scalars:
            return builder.scalar_expr(call.scalars[node.array])
        return replace(node, array=names[node.array])

    builder.add(
        s.indices,
        tuple(map(fix, s.constraints)),
        Access(names[s.write.array], tuple(map(fix, s.write.subscripts))),
        rewrite(map_subscripts(s.expr, fix), visit),
        s.reduction,
    )
