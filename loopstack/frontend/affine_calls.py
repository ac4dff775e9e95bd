"""Calls inside a parsed body: functions of numbers, and ``@ls.scalar`` functions, inlined.

A scalar function may assign local names, branch and return; every path has to return a number.
Branches on data become selects.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

from loopstack.frontend import functions
from loopstack.frontend.affine_scope import MISSING, Scope
from loopstack.frontend.affine_source import Source, read_source
from loopstack.frontend.promotion import convert
from loopstack.frontend.values import Value, apply, lift

if TYPE_CHECKING:
    from loopstack.frontend.affine_values import Values

DEEPEST_CALL = 32
ELEMENTWISE = (
    "exp", "sqrt", "floor", "abs", "relu", "sigmoid", "silu", "tanh", "erf", "gelu", "maximum",
    "minimum", "where", "clip", "isnan", "square", "pow", "cast",
)  # fmt: skip
_LOOPSTACK = {getattr(functions, name) for name in ELEMENTWISE}
_OF_MODULE: Mapping[Any, Callable[..., Any]] = {
    math.sqrt: functions.sqrt, math.exp: functions.exp, math.tanh: functions.tanh,
    math.erf: functions.erf, math.fabs: functions.abs, builtins.abs: functions.abs,
    math.pow: functions.pow, builtins.pow: functions.pow,
}  # fmt: skip


class ScalarFunction:
    """A function of numbers: callable as it is, and inlined where an affine body calls it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<scalar function {self.__name__}>"


def call_function(values: Values, node: ast.Call) -> Any:
    """Return the value of a call. Raises FrontendError for what is no function of numbers."""
    callee = values.scope.static(node.func)
    if callee is MISSING:
        raise values.refuse(
            node.func, f"{values.text(node.func)} is not a function of numbers", _hint(None)
        )
    starred = any(isinstance(arg, ast.Starred) for arg in node.args)
    if starred or any(keyword.arg is None for keyword in node.keywords):
        raise values.refuse(node, f"{values.text(node)}: pass arguments one by one", None)
    if isinstance(callee, ScalarFunction):
        return _inline(values, node, callee)
    if callee is functions.cast:
        return _cast(values, node)
    args = [values.value(arg) for arg in node.args]
    if not node.keywords:
        found = _call_known(values, node, callee, args)
        if found is not MISSING:
            return found
    raise values.refuse(node, f"{values.text(node.func)} cannot be called here", _hint(callee))


def _call_known(values: Values, node: ast.Call, callee: Any, args: list[Any]) -> Any:
    symbolic = any(isinstance(arg, Value) for arg in args)
    if not _is_hashable(callee):
        return MISSING
    if callee in (builtins.min, builtins.max) and len(args) > 1:
        return _extreme(callee, args)
    if callee in (builtins.int, builtins.float) and len(args) == 1 and symbolic:
        return _python_number(callee, args[0])
    if not symbolic and _is_of_numbers(callee):
        return values.folded(node, callee, *args)
    if isinstance(callee, type(math.sqrt)) and callee in _OF_MODULE:
        return values.folded(node, _OF_MODULE[callee], *args)
    if _is_ufunc(callee) or callee in _LOOPSTACK:
        return values.folded(node, callee, *args)
    return MISSING


def _is_hashable(callee: Any) -> bool:
    return isinstance(callee, Hashable)


def _is_of_numbers(callee: Any) -> bool:
    module = getattr(callee, "__module__", None)
    return callee in (abs, int, float, round, pow) or module == "math" or _is_ufunc(callee)


def _is_ufunc(callee: Any) -> bool:
    return type(callee).__name__ == "ufunc"


def _extreme(callee: Any, args: list[Any]) -> Any:
    if not any(isinstance(arg, Value) for arg in args):
        return callee(args)
    name = "minimum" if callee is builtins.min else "maximum"
    return reduce(lambda left, right: apply(name, left, right), args)


def _python_number(callee: Any, value: Any) -> Value:
    node = lift(value)
    if callee is builtins.float:
        return Value(convert(node, "float" if node.dtype in ("int", "float") else "f64"))
    return Value(node if node.dtype == "int" else convert(node, "i64"))


def _cast(values: Values, node: ast.Call) -> Any:
    """Return ``ls.cast(x, dtype)``: the one function that takes more than numbers."""
    keywords = {k.arg: k.value for k in node.keywords}
    parts = [*node.args, *keywords.values()]
    if len(parts) != 2 or not set(keywords) <= {"dtype"}:
        raise values.refuse(node, "ls.cast takes a value and a dtype", "ls.cast(x, ls.f32)")
    return functions.cast(values.value(parts[0]), values.scope.static(parts[1]))


def _hint(callee: Any) -> str:
    if getattr(callee, "__module__", "") == functions.__name__:
        return "an affine body has loops instead: for k in range(...): x += ..."
    if callable(callee) and hasattr(callee, "__code__"):
        return f"decorate {callee.__name__} with @ls.scalar: it is then inlined"
    return "functions here are abs, min, max, ls.sqrt, ls.exp and the like, and @ls.scalar ones"


# ---- inlining -----------------------------------------------------------------------------------
def _inline(values: Values, node: ast.Call, callee: ScalarFunction) -> Any:
    source = read_source(callee.__wrapped__, "@ls.scalar")
    if values.depth >= DEEPEST_CALL:
        raise values.refuse(node, f"{callee.__name__} calls itself", "write a loop instead")
    bindings = _bind(values, node, source)
    return _Body(source).run(values, bindings, source.tree.body)


def _bind(values: Values, node: ast.Call, source: Source) -> dict[str, Any]:
    """Return the value of every parameter."""
    spec = source.tree.args
    names = [arg.arg for arg in spec.args]
    if spec.vararg or spec.kwarg or spec.kwonlyargs or spec.posonlyargs:
        raise source.error(source.tree, f"{source.tree.name} takes plain parameters only")
    defaults = source.function.__defaults__ or ()
    bound: dict[str, Any] = dict(zip(names[len(names) - len(defaults) :], defaults))
    given = list(zip(names, node.args)) + [(str(k.arg), k.value) for k in node.keywords]
    for name, argument in given:
        if name not in names:
            raise values.refuse(argument, f"{source.tree.name} has no parameter {name}", None)
        bound[name] = values.value(argument)
    missing = [name for name in names if name not in bound]
    if missing or len(node.args) > len(names):
        raise values.refuse(
            node, f"{source.tree.name} takes {len(names)} arguments, found {len(given)}", None
        )
    return bound


class _Body:
    """Runs a scalar function's statements on symbolic values."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def run(self, values: Values, bindings: dict[str, Any], body: Sequence[ast.stmt]) -> Any:
        """Return what ``body`` returns. Raises FrontendError when it may end without."""
        inner = values.inside(Scope(self.source, bindings))
        for position, statement in enumerate(body):
            if isinstance(statement, ast.Return) and statement.value is not None:
                return inner.value(statement.value)
            if isinstance(statement, ast.If):
                return self._branch(values, inner, statement, body[position + 1 :])
            self._assign(inner, statement)
        raise self.source.error(
            body[-1] if body else self.source.tree,
            f"{self.source.tree.name} may end without a result",
            "every path of a scalar function ends with return and a value",
        )

    def _branch(self, values: Values, inner: Values, node: ast.If, rest: Sequence[ast.stmt]) -> Any:
        test = inner.value(node.test)
        paths = ([*node.body, *rest], [*node.orelse, *rest])
        if not isinstance(test, Value):
            return self.run(values, inner.scope.bindings, paths[0] if test else paths[1])
        results = [self.run(values, dict(inner.scope.bindings), path) for path in paths]
        return apply("select", test, *results)

    def _assign(self, inner: Values, node: ast.stmt) -> None:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node, ast.Pass):
            return
        target, value = _assignment(node)
        if target is None or value is None:
            raise self.source.error(
                node,
                f"{self.source.tree.name}: a scalar function has assignments to names, if and "
                "return",
                "loops and arrays belong into the @ls.affine function",
            )
        inner.scope.bindings[target.id] = inner.value(value)


def _assignment(node: ast.stmt) -> tuple[ast.Name | None, ast.expr | None]:
    """Return the name and the value of an assignment; an update is written out."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AugAssign):
        target = node.target
        read = ast.copy_location(ast.Name(getattr(target, "id", ""), ast.Load()), target)
        value = ast.copy_location(ast.BinOp(read, node.op, node.value), node)
    else:
        return None, None
    return (target, value) if isinstance(target, ast.Name) else (None, None)
