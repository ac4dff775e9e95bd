"""What a kernel's body computes with: symbolic values, indices, tensors.

A :class:`Value` is a thin handle on a graph node. An :class:`IndexForm` is an affine form over
indices: it subscripts tensors, and becomes a number when it meets one. A :class:`SymbolicTensor`
only takes subscripts. Arithmetic follows NumPy's names and dtype rules (``promotion.py``).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

from loopstack.diagnostics import Signature, frontend_error
from loopstack.frontend.arithmetic import operate
from loopstack.frontend.graph import WEAK, Node, TensorData, current, display, index_tokens
from loopstack.frontend.promotion import constant, definite_name
from loopstack.frontend.text import form_text
from loopstack.frontend.types import ALL_DTYPES, DType
from loopstack.ir.affine import Affine, affine
from loopstack.ir.operators import DTYPE_OF_NUMPY, INTEGERS, OPERATORS

_LARGEST_POWER = 64


# ---- numbers ----------------------------------------------------------------------------------
def apply(name: str, *operands: object) -> Value:
    """Return operator ``name`` over values and numbers, promoted by NumPy's rules."""
    return Value(operate(name, [lift(operand) for operand in operands]))


def lift(operand: object, where: Signature | None = None) -> Node:
    """Return the node of a value or number. Raises FrontendError for anything else.

    ``where`` is shown with the error; the default is the user's current line.
    """
    if isinstance(operand, Value):
        return operand.node
    if isinstance(operand, bool):
        return constant(operand, "bool_")
    if type(operand).__module__ == "numpy" and hasattr(operand, "dtype"):
        return _lift_numpy(operand)
    if isinstance(operand, int):
        return constant(operand, "int")
    if isinstance(operand, float):
        return constant(operand, "float")
    if isinstance(operand, SymbolicTensor):
        raise frontend_error(
            f"{operand.data.name} is an array of {operand.data.rank} dimensions, expected a value",
            hint=f"subscript it with indices: {operand.usage}",
        )
    raise frontend_error(
        f"expected a symbolic value or a number, found {type(operand).__name__}: {operand!r:.60}",
        where,
    )


def _lift_numpy(operand: Any) -> Node:
    dtype = DTYPE_OF_NUMPY.get(str(operand.dtype))
    if operand.ndim or dtype is None:
        raise frontend_error(
            f"expected a symbolic value or a number, found a NumPy {type(operand).__name__} "
            f"of dtype {operand.dtype} and shape {operand.shape}",
            hint="pass arrays as parameters of the kernel",
        )
    return constant(operand.item(), dtype)


# ---- values -----------------------------------------------------------------------------------
def _binary(name: str) -> Any:
    return lambda self, other: apply(name, self, other)


def _reflected(name: str) -> Any:
    return lambda self, other: apply(name, other, self)


def _refuse(what: str, hint: str) -> Any:
    def method(self: object, *_: object) -> NoReturn:
        raise frontend_error(f"{what} of a symbolic value is not known while tracing", hint=hint)

    return method


_ON_NUMBERS = "the kernel is traced once for all data: use ls.where or an operator of loopstack"


class Value:
    """A symbolic number: one element computed at each point of the indices it mentions."""

    __slots__ = ("_node",)

    def __init__(self, node: Node | None) -> None:
        self._node = node

    @property
    def node(self) -> Node:
        assert self._node is not None
        return self._node

    @property
    def dtype(self) -> DType:
        return ALL_DTYPES[definite_name(self.node.dtype)]

    def __repr__(self) -> str:
        indices = " ".join(display(t) for t in self.node.free)
        return f"<symbolic {self.dtype!r} over ({indices})>"

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("sub"), _reflected("sub")
    __mul__, __rmul__ = _binary("mul"), _reflected("mul")
    __truediv__, __rtruediv__ = _binary("div"), _reflected("div")
    __floordiv__, __rfloordiv__ = _binary("floordiv"), _reflected("floordiv")
    __mod__, __rmod__ = _binary("mod"), _reflected("mod")
    __lt__, __le__ = _binary("lt"), _binary("le")
    __gt__, __ge__ = _binary("gt"), _binary("ge")
    __eq__, __ne__ = _binary("eq"), _binary("ne")
    __hash__ = object.__hash__

    def __neg__(self) -> Value:
        return apply("neg", self)

    def __pos__(self) -> Value:
        return self

    def __abs__(self) -> Value:
        return apply("abs", self)

    def __pow__(self, exponent: object) -> Value:
        return power(self, exponent)

    def __rpow__(self, base: object) -> NoReturn:
        raise frontend_error("a symbolic exponent is not supported yet", hint="use ls.exp")

    def __and__(self, other: object) -> Value:
        return _bitwise("logical_and", "&", self, other)

    def __or__(self, other: object) -> Value:
        return _bitwise("logical_or", "|", self, other)

    def __xor__(self, other: object) -> Value:
        return _bitwise("ne", "^", self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self) -> Value:
        _bitwise_operand("~", self)
        return apply("logical_not", self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: object, **kwargs: object) -> Value:
        name = _numpy_names().get(ufunc.__name__)
        if name is None or method != "__call__" or kwargs:
            raise frontend_error(f"numpy.{ufunc.__name__} does not take symbolic values here")
        return apply(name, *inputs)

    __bool__ = _refuse("the truth", _ON_NUMBERS)
    __float__ = _refuse("the number", _ON_NUMBERS)
    __int__ = _refuse("the integer", _ON_NUMBERS)
    __index__ = _refuse("the integer", "only indices and integers subscript arrays")
    __iter__ = _refuse("the length", "a value has no elements; indices say which element is meant")
    __len__ = _refuse("the length", "ls.extent(i) is the extent of an index")

    def __getitem__(self, _: object) -> NoReturn:
        raise frontend_error(
            "a symbolic value has no subscripts: its indices are those it was made with",
            hint='to subscript a result, make it an array: t = ls.named("t", value, dims="i j")',
        )


def _numpy_names() -> dict[str, str]:
    """Return NumPy ufunc name -> operator name."""
    if not _NUMPY_NAMES:
        rows = (row for row in OPERATORS.values() if row.numpy and row.name != "select")
        _NUMPY_NAMES.update((row.numpy or "", row.name) for row in rows)
        _NUMPY_NAMES["divide"] = "div"
    return _NUMPY_NAMES


_NUMPY_NAMES: dict[str, str] = {}


def _bitwise_operand(sign: str, operand: object) -> None:
    dtype = lift(operand).dtype
    if dtype != "bool_":
        raise frontend_error(
            f"{sign} is for ls.bool_, found ls.{definite_name(dtype)}",
            hint="compare first: (a > 0) & (b > 0), with the parentheses",
        )


def _bitwise(name: str, sign: str, left: object, right: object) -> Value:
    _bitwise_operand(sign, left)
    _bitwise_operand(sign, right)
    return apply(name, left, right)


def power(base: Value, exponent: object) -> Value:
    """Return ``base ** exponent`` for an integer constant or 0.5, by multiplication or sqrt."""
    number = exponent if isinstance(exponent, (int, float)) else None
    if number == 0.5:
        return apply("sqrt", base)
    if number is None or not float(number).is_integer() or abs(number) > _LARGEST_POWER:
        raise frontend_error(
            f"the exponent has to be an integer constant up to {_LARGEST_POWER}, or 0.5; "
            f"found {exponent!r:.60}"
        )
    if isinstance(number, float):
        base = apply("mul", base, 1.0)
    if number < 0 and (base.node.dtype in INTEGERS or base.node.dtype == "int"):
        raise frontend_error(
            "integers have no negative powers, as in NumPy", hint="write 1 / x, or cast first"
        )
    result = _repeated_product(base, abs(int(number)))
    return apply("div", 1, result) if number < 0 else result


def _repeated_product(base: Value, count: int) -> Value:
    if count == 0:
        return _one_like(base)
    if count == 1:
        return Value(base.node)
    half = _repeated_product(base, count // 2)
    square = apply("mul", half, half)
    return apply("mul", square, base) if count % 2 else square


def _one_like(base: Value) -> Value:
    """Return 1 over the indices of ``base`` (x ** 0 is 1 for every x, nan included)."""
    one = constant(1, base.node.dtype)
    anyhow = (apply("eq", base, base).node, one, one)
    return Value(current().node("op", "select", anyhow, one.dtype))


# ---- indices ----------------------------------------------------------------------------------
def _affine_part(operand: object) -> Affine | None:
    """Return an operand as a form, or None when it is not an index form or an integer."""
    if isinstance(operand, IndexForm):
        return operand.form
    if isinstance(operand, (bool, float)):
        return None
    try:
        return affine(operator.index(operand))  # type: ignore[arg-type]
    except TypeError:
        return None


def _affine_or(name: str, combine: Callable[[Affine, Affine], Affine]) -> tuple[Any, Any]:
    """Return methods that stay affine where they can and build a value where they cannot."""

    def combined(left: object, right: object) -> Value:
        forms = _form_operand(left), _form_operand(right)
        if forms[0] is None or forms[1] is None:
            return apply(name, left, right)
        try:
            return IndexForm(combine(forms[0], forms[1]))
        except NotAffineError:
            return apply(name, left, right)

    return (
        lambda self, other: combined(self, other),
        lambda self, other: combined(other, self),
    )


def _form_operand(operand: object) -> Affine | None:
    if isinstance(operand, Value) and not isinstance(operand, IndexForm):
        return None
    return _affine_part(operand)


_PYTHON_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
}


class NotAffineError(Exception):
    """Two forms do not combine to a form."""


def _product(left: Affine, right: Affine) -> Affine:
    if left.is_constant:
        return right * left.const
    if right.is_constant:
        return left * right.const
    raise NotAffineError


def _divisor(form: Affine) -> int:
    if not form.is_constant or form.const <= 0:
        raise NotAffineError
    return form.const


class IndexForm(Value):
    """An affine form over indices and sizes; one index is the simplest."""

    __slots__ = ("form",)

    def __init__(self, form: Affine) -> None:
        super().__init__(None)
        self.form = form

    @property
    def node(self) -> Node:
        return current().node("index", self.form, (), "int")

    @property
    def dtype(self) -> DType:
        return ALL_DTYPES["i64"]

    def __repr__(self) -> str:
        return f"<index {form_text(self.form)}>"

    def __neg__(self) -> Value:
        return IndexForm(-self.form)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: object) -> Value:
        """Keep forms affine when a NumPy integer stands on the left of an operator."""
        python = _PYTHON_OPERATORS.get(ufunc.__name__)
        numbers = [x for x in inputs if not isinstance(x, Value)]
        if python is None or kwargs or any(_affine_part(x) is None for x in numbers):
            return super().__array_ufunc__(ufunc, method, *inputs, **kwargs)
        result: Value = python(*(x if isinstance(x, Value) else operator.index(x) for x in inputs))
        return result

    __add__, __radd__ = _affine_or("add", lambda a, b: a + b)
    __sub__, __rsub__ = _affine_or("sub", lambda a, b: a - b)
    __mul__, __rmul__ = _affine_or("mul", _product)
    __floordiv__, __rfloordiv__ = _affine_or("floordiv", lambda a, b: a // _divisor(b))
    __mod__, __rmod__ = _affine_or("mod", lambda a, b: a % _divisor(b))

    def __iter__(self) -> Any:
        """Yield itself, so that ``i, = ls.indices("i")`` works like ``i = ls.indices("i")``."""
        yield self


def single_token(value: object, role: str) -> str:
    """Return the token of a plain index. Raises FrontendError for anything else."""
    if isinstance(value, IndexForm):
        tokens = index_tokens(value.form)
        if len(tokens) == 1 and value.form == affine(tokens[0]):
            return tokens[0]
    raise frontend_error(
        f"{role} expects an index of ls.indices, found {value!r:.60}",
        hint='k = ls.indices("k")',
    )


# ---- tensors ----------------------------------------------------------------------------------
class SymbolicTensor:
    """An array parameter, or an array made inside a kernel; takes one subscript per dimension."""

    __slots__ = ("data",)

    def __init__(self, data: TensorData) -> None:
        self.data = data

    @property
    def dims(self) -> tuple[str, ...]:
        return self.data.labels

    @property
    def shape(self) -> tuple[IndexForm, ...]:
        return tuple(IndexForm(form) for form in self.data.shape)

    @property
    def dtype(self) -> DType:
        return ALL_DTYPES[self.data.dtype]

    @property
    def usage(self) -> str:
        return f"{self.data.name}[{', '.join(self.data.labels)}]"

    def __repr__(self) -> str:
        return f"<symbolic array {self.usage} of {self.dtype!r}>"

    def __getitem__(self, subscripts: object) -> Value:
        data = self.data
        given = subscripts if isinstance(subscripts, tuple) else (subscripts,)
        if len(given) != data.rank:
            found = f"{len(given)} subscript{'s' if len(given) != 1 else ''}"
            raise frontend_error(
                f"{data.name} has {data.rank} dimension{'s' if data.rank != 1 else ''} "
                f"({' '.join(data.labels)}), found {found}",
                hint=f"write {self.usage}",
            )
        forms = tuple(_subscript(data, n, item) for n, item in enumerate(given))
        return Value(current().node("load", (data, forms), (), data.dtype))

    def __iter__(self) -> NoReturn:
        raise frontend_error(
            f"{self.data.name} is symbolic and cannot be looped over",
            hint=f"subscript it with indices: {self.usage}",
        )

    def __len__(self) -> NoReturn:
        raise frontend_error(
            f"the length of {self.data.name} is not known while tracing",
            hint=f"{self.data.name}.shape[0] is a symbolic size, ls.extent(i) that of an index",
        )

    def __setitem__(self, *_: object) -> NoReturn:
        raise frontend_error(
            f"{self.data.name} cannot be assigned to: a tensor kernel returns its results",
            hint="for loops that update arrays in place use @ls.affine",
        )

    def __bool__(self) -> NoReturn:
        raise frontend_error(f"the truth of the array {self.data.name} is not known while tracing")

    def __array_ufunc__(self, *_: object, **__: object) -> NoReturn:
        lift(self)
        raise AssertionError

    def _arithmetic(self, *_: object) -> NoReturn:
        lift(self)
        raise AssertionError

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _arithmetic
    __truediv__ = __rtruediv__ = __floordiv__ = __mod__ = __pow__ = __neg__ = _arithmetic
    __lt__ = __le__ = __gt__ = __ge__ = __abs__ = __matmul__ = __rmatmul__ = _arithmetic


def _subscript(data: TensorData, position: int, item: object) -> Affine:
    form = _form_operand(item)
    if form is not None:
        return form
    where = f"subscript {position} of {data.name}"
    if isinstance(item, Value):
        if item.node.dtype in INTEGERS or item.node.dtype in WEAK:
            raise frontend_error(
                f"{where} is computed from data: gathers are not supported yet",
                hint="subscripts are affine forms of indices: 2 * i + 1, i // 2, i % 4",
            )
        raise frontend_error(f"{where} is a {item.dtype!r} value, expected an index or an integer")
    raise frontend_error(
        f"{where} is {item!r:.60}, expected an index, an affine form of indices, or an integer",
        hint="an index stands for the whole dimension; slices are written i + start",
    )
