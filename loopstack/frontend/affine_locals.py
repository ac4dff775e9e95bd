"""Names assigned in a parsed body: private numbers, local arrays, and names for forms.

    h = i // 2                         a name for a form: assigned once, of loop variables and sizes
    total = 0.0                        a private number; becomes a temporary of rank 0
    tmp = ls.empty("N M", ls.f64)      a local array

A private number has the dtype in which everything assigned to it meets. It is found by reading the
body again until nothing changes: ``total = 0.0; total += x[i]`` is f32 where x is.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from loopstack.frontend.affine_forms import Forms
from loopstack.frontend.affine_scope import LocalScalar, Scope, usage
from loopstack.frontend.graph import WEAK, TensorData
from loopstack.frontend.promotion import definite_name, promote, promote_all
from loopstack.frontend.types import DType, TensorType
from loopstack.frontend.values import IndexForm, SymbolicTensor

EMPTY_USAGE = 'tmp = ls.empty("N M", ls.f64)'


def empty(dims: str, dtype: DType) -> SymbolicTensor:
    """Declare a local array inside an ``@ls.affine`` function; its elements have no values yet."""
    from loopstack.diagnostics import frontend_error

    raise frontend_error("ls.empty declares an array inside an @ls.affine function")


@dataclass
class Locals:
    """What one reading of the body knows and learns.

    ``dtypes`` come from earlier readings; ``found`` collects the dtypes of assigned values.
    """

    tree: ast.FunctionDef
    parameters: frozenset[str]
    sizes: frozenset[str]
    dtypes: dict[str, str] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)
    arrays: dict[str, TensorData] = field(default_factory=dict)
    annotated: set[str] = field(default_factory=set)
    loop_variables: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = (n for n in ast.walk(self.tree) if isinstance(n, ast.Name))
        self._stores = Counter(n.id for n in names if isinstance(n.ctx, ast.Store))

    # ---- what an assignment to a name is ------------------------------------------------------
    def bind(self, scope: Scope, target: ast.Name, value: ast.expr, forms: Forms) -> bool:
        """Bind a local array or a name for a form; False when the name is a private number."""
        self._check_free(scope, target)
        if isinstance(value, ast.Call) and scope.static(value.func) is empty:
            self._declare(scope, target, value)
            return True
        if self._stores[target.id] > 1:
            return False
        form = forms.try_form(value)
        if form is not None:
            scope.bindings[target.id] = IndexForm(form)
        return form is not None

    def assign(self, scope: Scope, target: ast.Name, dtype: str) -> TensorData:
        """Return the temporary of a private number that is assigned a value of ``dtype``."""
        self._check_free(scope, target)
        if target.id not in self.annotated:
            self.found.setdefault(target.id, []).append(dtype)
        data = self._data(target.id, dtype)
        scope.bindings[target.id] = LocalScalar(data)
        return data

    def annotate(self, scope: Scope, target: ast.Name, annotation: ast.expr) -> None:
        """Take the dtype of a private number from its annotation."""
        dtype = scope.static(annotation)
        if not isinstance(dtype, DType):
            text = scope.source.segment(annotation)
            raise scope.source.error(
                annotation, f"{text} is not the dtype of a number", f"{target.id}: ls.f64 = ..."
            )
        self.annotated.add(target.id)
        self.dtypes[target.id] = dtype.check_supported().name

    def _data(self, name: str, dtype: str) -> TensorData:
        """Return the temporary, in the dtype known so far."""
        if name not in self.arrays:
            known = self.dtypes.get(name, dtype)
            dtype = known if name in self.annotated else promote(known, dtype)
            self.arrays[name] = TensorData(name, dtype, (), (), ())
        return self.arrays[name]

    def _check_free(self, scope: Scope, target: ast.Name) -> None:
        name = target.id
        if name in self.loop_variables:
            raise scope.source.error(
                target, f"{name} counts a loop and cannot be assigned to", "use another name"
            )
        if name in self.parameters or name in self.sizes:
            known = scope.bindings.get(name)
            raise scope.source.error(
                target,
                f"{name} is a parameter: an affine function assigns to elements of arrays and to "
                "local names",
                f"write {usage(known.data)} = ..."
                if isinstance(known, SymbolicTensor)
                else "use another name",
            )
        if isinstance(scope.bindings.get(name), SymbolicTensor):
            raise scope.source.error(
                target,
                f"{name} is a local array",
                f"write {usage(scope.bindings[name].data)} = ..., or use another name",
            )

    def _declare(self, scope: Scope, target: ast.Name, call: ast.Call) -> None:
        keywords = {k.arg: k.value for k in call.keywords}
        parts = dict(zip(("dims", "dtype"), call.args)) | keywords
        dims, dtype = parts.get("dims"), parts.get("dtype")
        if not (isinstance(dims, ast.Constant) and isinstance(dims.value, str)) or dtype is None:
            raise scope.source.error(call, "ls.empty takes dimensions and a dtype", EMPTY_USAGE)
        kind = scope.static(dtype)
        if not isinstance(kind, DType):
            text = scope.source.segment(dtype)
            raise scope.source.error(dtype, f"{text} is no dtype", EMPTY_USAGE)
        with scope.source.pointing_at(dims):
            whole = TensorType(kind.check_supported(), tuple(dims.value.split()))
            shape = whole.shape
        unknown = sorted({n[1:] for form in shape for n in form.names} - self.sizes)
        if unknown:
            known = ", ".join(sorted(self.sizes))
            raise scope.source.error(dims, f"{unknown[0]} is not a size", f"sizes here are {known}")
        data = TensorData(target.id, kind.name, shape, whole.dims, (False,) * len(shape))
        self.arrays[target.id] = data
        scope.bindings[target.id] = SymbolicTensor(data)

    # ---- dtypes -------------------------------------------------------------------------------
    def learned(self) -> dict[str, str]:
        """Return the dtypes of private numbers after this reading."""
        learned = dict(self.dtypes)
        for name, found in self.found.items():
            learned[name] = promote_all([self.dtypes.get(name, found[0]), *found])
        return learned

    def again(self, dtypes: dict[str, str]) -> Locals:
        return Locals(self.tree, self.parameters, self.sizes, dtypes)

    def is_settled(self) -> bool:
        """Tell whether the reading was made with the right dtypes, none of them weak."""
        learned = self.learned()
        return learned == self.dtypes and not any(d in WEAK for d in learned.values())


def settled(dtypes: dict[str, str], before: dict[str, str]) -> dict[str, str]:
    """Return the dtypes to read with next: weak ones become definite once nothing else changes."""
    if dtypes != before:
        return dtypes
    return {name: definite_name(dtype) for name, dtype in dtypes.items()}


def unread(arrays: Iterable[TensorData], written: set[str]) -> list[str]:
    """Return local arrays that nothing fills."""
    return [data.name for data in arrays if data.shape and data.name not in written]
