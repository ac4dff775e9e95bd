"""What a name means inside a parsed function.

Parameters, loop variables and local variables come first, as in Python; then the closure, the
module and the builtins, whose numbers are constants of the program.

    IndexForm         a loop variable, a size, or a name for a form over them
    SymbolicTensor    an array, or a local array
    LocalScalar       a number assigned in the body
    Value             a run-time scalar argument
    anything else     a Python object of an enclosing scope
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, field
from typing import Any

from loopstack.frontend.affine_source import Source
from loopstack.frontend.graph import TensorData
from loopstack.frontend.values import IndexForm
from loopstack.ir.affine import affine

MISSING: Any = object()
"""No Python object of an enclosing scope."""


@dataclass(frozen=True)
class LocalScalar:
    """A private number; ``data`` has rank 0. Its dtype may be weak while dtypes are inferred."""

    data: TensorData


@dataclass
class Scope:
    """Bindings of one function, in the order in which its text makes them."""

    source: Source
    bindings: dict[str, Any] = field(default_factory=dict)
    _enclosing: dict[str, Any] | None = None

    def is_local(self, name: str) -> bool:
        """Tell whether Python would look for ``name`` in the function itself."""
        return name in self.bindings or name in self.source.function.__code__.co_varnames

    def lookup(self, node: ast.Name) -> Any:
        """Return what a name stands for. Raises FrontendError for one that has no meaning yet."""
        if node.id in self.bindings:
            return self.bindings[node.id]
        if self.is_local(node.id):
            raise self.source.error(
                node,
                f"{node.id} is read before it is assigned",
                f"assign it above: {node.id} = 0.0",
            )
        found = self.enclosing.get(node.id, getattr(builtins, node.id, MISSING))
        if found is MISSING:
            raise self.source.error(
                node,
                f"{node.id} is not known here",
                f"make it a parameter ({node.id}: ls.size), or a number of the enclosing scope",
            )
        return found

    def static(self, node: ast.AST) -> Any:
        """Return the Python object of a name, attribute or element; MISSING for anything else."""
        if isinstance(node, ast.Name):
            return MISSING if self.is_local(node.id) else self.lookup(node)
        if isinstance(node, ast.Attribute):
            owner = self.static(node.value)
            return MISSING if owner is MISSING else self._attribute(node, owner)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            owner = self.static(node.value)
            return MISSING if owner is MISSING else self._element(node, owner, node.slice.value)
        return MISSING

    @property
    def enclosing(self) -> dict[str, Any]:
        """The module's names, under those of the closure."""
        if self._enclosing is None:
            self._enclosing = {**self.source.function.__globals__, **self._closure()}
        return self._enclosing

    def _closure(self) -> dict[str, Any]:
        function = self.source.function
        found = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            try:
                found[name] = cell.cell_contents
            except ValueError:
                continue  # not assigned yet
        return found

    def _attribute(self, node: ast.Attribute, owner: Any) -> Any:
        try:
            return getattr(owner, node.attr)
        except AttributeError as error:
            raise self.source.error(node, str(error)) from None

    def _element(self, node: ast.Subscript, owner: Any, key: Any) -> Any:
        try:
            return owner[key]
        except (LookupError, TypeError) as error:
            text = self.source.segment(node)
            raise self.source.error(node, f"{text} has no value: {error!r}") from None


def usage(data: TensorData) -> str:
    """Return how an element is written: ``A[i, j]``."""
    return f"{data.name}[{', '.join(_INDICES[: data.rank])}]"


_INDICES = ("i", "j", "k", "l", "m", "n", "o", "p")


def size_form(name: str) -> IndexForm:
    """Return the size ``name`` as a value."""
    return IndexForm(affine(f"${name}"))
