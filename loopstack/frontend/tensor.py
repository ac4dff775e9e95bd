"""Trace a kernel: run the user's function once on symbolic tensors and build its program.

    trace(fn) -> Program        size-parametric; parameter labels name sizes, return labels indices

Annotations may be strings (``from __future__ import annotations``): they are evaluated in the
function's globals and closure.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import CodeType, FunctionType
from typing import Any

from loopstack.diagnostics import Signature, frontend_error
from loopstack.frontend.build import Output, build
from loopstack.frontend.compose import inline_call, is_symbolic
from loopstack.frontend.functions import order_tokens
from loopstack.frontend.graph import WEAK, Node, Stored, TensorData, Trace, display, traces
from loopstack.frontend.promotion import convert, definite
from loopstack.frontend.types import Size, TensorType, tensor_type
from loopstack.frontend.values import IndexForm, SymbolicTensor, Value, lift
from loopstack.ir.affine import affine
from loopstack.ir.program import Program

__all__ = ["annotations_of", "inline_call", "is_symbolic", "trace"]

_EXAMPLE = 'annotate parameters like x: ls.f32["m n"], alpha: ls.f32 or n: ls.size'


def trace(fn: Callable[..., Any], *, reassociate: bool = True) -> Program:
    """Return the program of a tensor kernel.

    Raises: FrontendError with the user's line for whatever the language does not say.
    """
    code = _function(fn).__code__
    _refuse_suspension(code)
    if _function(fn).__defaults__:
        raise frontend_error(
            f"{fn.__name__}: parameters of a kernel have no defaults",
            Signature(code, _AT_DEFAULT),
            hint="pass every argument, or take the number from the enclosing scope",
        )
    parameters, result = annotations_of(fn)
    if builtins.any(active.function is fn for active in traces()):
        raise frontend_error(f"kernel {fn.__name__} calls itself")
    with Trace(fn.__name__, fn) as active:
        arguments = [_parameter(active, n, a, code) for n, a in parameters.items()]
        returned = fn(*arguments)
        outputs = _outputs(active, returned, result, Signature(code, _AT_RESULT))
        return build(active, outputs, reassociate)


# ---- signature --------------------------------------------------------------------------------
def annotations_of(fn: Callable[..., Any]) -> tuple[dict[str, Any], Any]:
    """Return the evaluated annotation of each parameter, in order, and that of the result.

    A parameter without annotation maps to None. Raises FrontendError for ``*args`` and the like.
    """
    function = _function(fn)
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    if code.co_flags & 0x0C or code.co_kwonlyargcount:
        raise frontend_error(
            f"{fn.__name__} takes *args, **kwargs or keyword-only parameters; a kernel takes "
            "plain ones",
            Signature(code),
        )
    raw = function.__annotations__
    scope = _Scope(function)
    names = code.co_varnames[:count]
    parameters = {n: scope.evaluate(raw.get(n), _at_parameter(n)) for n in names}
    return parameters, scope.evaluate(raw.get("return"), _AT_RESULT)


_AT_DEFAULT = r"(?<==)[^,)=]*(?=[,)])"
_AT_RESULT = r"->.*(?=:\s*(#.*)?$)|->.*"


def _at_parameter(name: str) -> str:
    return rf"\b{name}\b(?=\s*[:,)=])"


def _function(fn: Callable[..., Any]) -> FunctionType:
    if not isinstance(fn, FunctionType):
        raise frontend_error(f"a kernel is a Python function, found {type(fn).__name__}")
    return fn


def _refuse_suspension(code: CodeType) -> None:
    if code.co_flags & (CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR):
        raise frontend_error(
            f"{code.co_name} is a coroutine or a generator; a kernel is a plain function",
            Signature(code),
            hint="return the result: no async, no yield",
        )


class _Scope:
    """Evaluates annotation strings where the function was defined."""

    def __init__(self, fn: FunctionType) -> None:
        self.fn = fn

    def evaluate(self, annotation: Any, pattern: str) -> Any:
        if not isinstance(annotation, str):
            return annotation
        try:
            return eval(annotation, self.fn.__globals__, self._closure())
        except Exception as error:
            raise frontend_error(
                f"the annotation {annotation} of {self.fn.__name__} cannot be evaluated: {error}",
                Signature(self.fn.__code__, pattern),
                hint="names in annotations have to be known in the module or used in the body",
            ) from None

    def _closure(self) -> dict[str, Any]:
        names = self.fn.__code__.co_freevars
        found: dict[str, Any] = {}
        for name, cell in zip(names, self.fn.__closure__ or ()):
            try:
                found[name] = cell.cell_contents
            except ValueError:
                continue  # not assigned yet
        return found


def _parameter(active: Trace, name: str, annotation: Any, code: CodeType) -> Any:
    if isinstance(annotation, Size):
        _add_sizes(active, [name])
        return IndexForm(affine(f"${name}"))
    kind = tensor_type(annotation)
    if kind is None:
        found = "no annotation" if annotation is None else f"{annotation!r:.60}"
        raise frontend_error(
            f"parameter {name} of {active.name} needs an array type, found {found}",
            Signature(code, _at_parameter(name)),
            hint=_EXAMPLE,
        )
    return _argument(active, name, kind, code)


def _argument(active: Trace, name: str, kind: TensorType, code: CodeType) -> Any:
    where = Signature(code, _at_parameter(name))
    dtype = kind.dtype.check_supported(where).name
    shape = kind.shape_at(where)
    for form in shape:
        _add_sizes(active, [n[1:] for n in sorted(form.names)])
    data = TensorData(name, dtype, shape, kind.dims, (False,) * len(shape))
    active.arguments.append(data)
    if shape:
        return SymbolicTensor(data)
    return Value(active.node("load", (data, ()), (), dtype))


def _add_sizes(active: Trace, names: list[str]) -> None:
    active.sizes.extend(n for n in names if n not in active.sizes)


# ---- results ----------------------------------------------------------------------------------
def _outputs(active: Trace, returned: Any, annotation: Any, where: Signature) -> list[Output]:
    values = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    kinds = list(annotation) if isinstance(annotation, (tuple, list)) else [annotation]
    if annotation is None:
        kinds = [None] * len(values)
    if len(kinds) != len(values):
        raise frontend_error(
            f"{active.name} returns {len(values)} result{'s' if len(values) != 1 else ''}, its "
            f"annotation says {len(kinds)}",
            where,
        )
    outputs: list[Output] = []
    for number, (value, kind) in enumerate(zip(values, kinds)):
        label = "the result" if len(values) == 1 else f"result {number}"
        outputs.append(_output(active, value, kind, f"{label} of {active.name}", outputs, where))
    return outputs


def _output(
    active: Trace, value: Any, annotation: Any, role: str, before: list[Output], where: Signature
) -> Output:
    kind = _result_type(annotation, role, where)
    if value is None:
        raise frontend_error(
            f"{role} is None", where, hint="a kernel returns what it computes; add a return"
        )
    if isinstance(value, SymbolicTensor):
        return _tensor_output(active, value, kind, role, before, where)
    node = _result_node(value, kind, role, where)
    tokens = _result_order(node, kind, role, where)
    tensor = _whole_tensor(active, node, tokens, before)
    if tensor is not None:
        return Output(tensor)
    return Output(_own_node(active, node, before), tokens)


def _result_type(annotation: Any, role: str, where: Signature) -> TensorType | None:
    if annotation is None:
        return None
    kind = tensor_type(annotation)
    if kind is None:
        hint = 'write -> ls.f32["m n"], or a tuple of such types'
        raise frontend_error(f"{role}: {annotation!r:.60} is no array type", where, hint=hint)
    for dim in kind.dims:
        if not dim.isidentifier():
            raise frontend_error(
                f"{role}: {dim} is not an index name; a return annotation names indices", where
            )
    kind.dtype.check_supported(where)
    return kind


def _result_node(value: Any, kind: TensorType | None, role: str, where: Signature) -> Node:
    node = lift(value, where)
    if kind is None:
        return definite(node)
    wanted = kind.dtype.name
    if node.dtype in WEAK and (node.dtype == "int" or wanted in ("f32", "f64")):
        return convert(node, wanted)
    _check_dtype(definite(node).dtype, wanted, role, where)
    return node


def _check_dtype(found: str, wanted: str, role: str, where: Signature) -> None:
    if found != wanted:
        raise frontend_error(
            f"{role} is ls.{found}, its annotation says ls.{wanted}",
            where,
            hint=f"change the annotation, or return ls.cast(..., ls.{wanted})",
        )


def _result_order(
    node: Node, kind: TensorType | None, role: str, where: Signature
) -> tuple[str, ...]:
    if kind is not None:
        return order_tokens(node, kind.dims, role, where)
    if len(node.free) > 1:
        free = " ".join(display(t) for t in node.free)
        raise frontend_error(
            f"{role} has several free indices ({free}) and no annotation to order them",
            where,
            hint=f'write -> ls.{node.dtype}["{free}"]',
        )
    return node.free


def _whole_tensor(
    active: Trace, node: Node, tokens: tuple[str, ...], before: list[Output]
) -> TensorData | None:
    """Return the tensor that a result like ``t[i, j]`` simply is, if no copy is needed."""
    data = active.tensors.get(node)
    if data is not None and isinstance(data.producer, Stored):
        whole = data.producer.tokens == tokens
    elif node.kind == "load":
        data, subscripts = node.payload
        given = builtins.any("=" in t for t in tokens)
        whole = data.producer is not None and not given and subscripts == tuple(map(affine, tokens))
    else:
        return None
    return data if whole and not builtins.any(o.value is data for o in before) else None


def _own_node(active: Trace, node: Node, before: list[Output]) -> Node:
    """Return a node that no other output is and that is worth a statement."""
    plain = node.kind in ("load", "const", "index") or node in active.tensors
    if plain or builtins.any(o.value is node for o in before):
        return active.node("copy", f"out{len(before)}", (node,), node.dtype)
    return node


def _tensor_output(
    active: Trace,
    value: SymbolicTensor,
    kind: TensorType | None,
    role: str,
    before: list[Output],
    where: Signature,
) -> Output:
    data = value.data
    if kind is not None:
        _check_dtype(data.dtype, kind.dtype.name, role, where)
        if kind.rank != data.rank:
            raise frontend_error(
                f"{role} has rank {data.rank}, its annotation says {kind!r}", where
            )
    if data.producer is not None and not builtins.any(o.value is data for o in before):
        return Output(data)
    tokens = tuple(f"d{d}" for d in range(data.rank)) if kind is None else kind.dims
    load = active.node("load", (data, tuple(map(affine, tokens))), (), data.dtype)
    return Output(active.node("copy", f"out{len(before)}", (load,), data.dtype), tokens)
