"""Index arithmetic: an expression of loop variables, sizes and integers as an affine form.

Bounds and tests may also take the least or the greatest of forms; sums, multiples and floor
divisions go into such an :class:`Extreme`, so that it stays on the outside:

    min(i, N - 1) // 2 + 1   ->   min(i // 2 + 1, (N - 1) // 2 + 1)
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Union

from loopstack.errors import FrontendError
from loopstack.frontend.affine_scope import MISSING, LocalScalar, Scope
from loopstack.frontend.text import form_text
from loopstack.frontend.values import IndexForm, SymbolicTensor, Value
from loopstack.ir.affine import Affine, affine

ALLOWED = "forms are sums of loop variables and sizes times integers, also // and % by integers"


@dataclass(frozen=True)
class Extreme:
    """The least or the greatest of several expressions."""

    kind: Literal["min", "max"]
    parts: tuple[IndexExpression, ...]


IndexExpression = Union[Affine, Extreme]


def apply_to_parts(
    change: Callable[[Affine], Affine], value: IndexExpression, flips: bool = False
) -> IndexExpression:
    """Apply a monotone function of one form; one that falls (``flips``) swaps min and max."""
    if isinstance(value, Affine):
        return change(value)
    kind = value.kind if not flips else _OTHER[value.kind]
    return Extreme(kind, tuple(apply_to_parts(change, part, flips) for part in value.parts))


_OTHER: dict[str, Literal["min", "max"]] = {"min": "max", "max": "min"}


def add(left: IndexExpression, right: IndexExpression) -> IndexExpression:
    """Return the sum, extremes outside."""
    if isinstance(left, Extreme):
        return Extreme(left.kind, tuple(add(part, right) for part in left.parts))
    if isinstance(right, Extreme):
        return Extreme(right.kind, tuple(add(left, part) for part in right.parts))
    return left + right


def negate(value: IndexExpression) -> IndexExpression:
    return apply_to_parts(operator.neg, value, flips=True)


def extreme(kind: Literal["min", "max"], parts: Sequence[IndexExpression]) -> IndexExpression:
    """Return the least or greatest part, without parts that another one always beats."""
    sign = 1 if kind == "max" else -1
    kept: list[IndexExpression] = []
    for part in dict.fromkeys(parts):
        if not isinstance(part, Affine):
            kept.append(part)
            continue
        gaps = [(o - part) * sign if isinstance(o, Affine) else part for o in kept]
        if any(gap.is_constant and gap.const >= 0 for gap in gaps if gap is not part):
            continue
        kept = [o for o, gap in zip(kept, gaps) if gap is part or not gap.is_constant] + [part]
    return kept[0] if len(kept) == 1 else Extreme(kind, tuple(kept))


Choices = Mapping[ast.expr, int]
"""On one part of a domain: which argument a min or max is, and whether a test holds."""


@dataclass(frozen=True)
class Forms:
    """Reads index expressions in one scope. ``indices`` are the loops around them."""

    scope: Scope
    indices: tuple[str, ...]
    choices: Choices = field(default_factory=dict)

    def form(self, node: ast.expr, role: str) -> Affine:
        """Return an affine form. Raises FrontendError for min, max and all that is not affine."""
        found = self.expression(node, role)
        if isinstance(found, Affine):
            return found
        raise self._refuse(
            node,
            f"{role} cannot be the {found.kind} of several forms",
            "split the loop where the forms meet, or use an if with affine tests",
        )

    def try_form(self, node: ast.expr) -> Affine | None:
        """Return an affine form, or None when ``node`` is something else."""
        try:
            return self.form(node, "")
        except FrontendError:
            return None

    def expression(self, node: ast.expr, role: str) -> IndexExpression:
        """Return the index expression of ``node``; ``role`` says in errors what it is for."""
        if isinstance(node, ast.BinOp):
            return self._binary(node, role)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node, role)
        if isinstance(node, ast.Call):
            return self._call(node, role)
        if isinstance(node, ast.Constant):
            return self._integer(node, node.value, role)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            return self._named(node, role)
        raise self._refuse(node, f"{self.text(node)} is not affine in {role}", ALLOWED)

    # ---- leaves -------------------------------------------------------------------------------
    def _named(self, node: ast.Name | ast.Attribute | ast.Subscript, role: str) -> Affine:
        if isinstance(node, ast.Name):
            return self._meaning(node, self.scope.lookup(node), role)
        extent = self.extent_of(node)
        if extent is not None:
            return extent
        found = self.scope.static(node)
        if found is not MISSING:
            return self._meaning(node, found, role)
        raise self._data(node, role)

    def _meaning(self, node: ast.expr, found: Any, role: str) -> Affine:
        if isinstance(found, IndexForm):
            return self.check_in_scope(node, found.form)
        if isinstance(found, SymbolicTensor):
            raise self._refuse(
                node,
                f"{self.text(node)} is an array, expected an integer in {role}",
                f"its extents are {self.text(node)}.shape[0], ...",
            )
        if isinstance(found, (LocalScalar, Value)):
            raise self._data(node, role)
        return self._integer(node, found, role)

    def check_in_scope(self, node: ast.expr, form: Affine) -> Affine:
        """Return ``form``. Raises FrontendError when a loop it counts has ended."""
        for name in sorted(form.names):
            if name[0] != "$" and name not in self.indices:
                raise self._refuse(
                    node,
                    f"{self.text(node)} follows a loop variable, and that loop has ended here",
                    "use it inside the loop, or write the value it ends with",
                )
        return form

    def _integer(self, node: ast.expr, value: Any, role: str) -> Affine:
        if not isinstance(value, bool):
            try:
                return affine(operator.index(value))
            except TypeError:
                pass
        found = f"{type(value).__name__} {value!r:.40}"
        raise self._refuse(
            node,
            f"expected an integer in {role}, found {found}",
            "write int(...), or // for a division without remainder",
        )

    def _data(self, node: ast.expr, role: str) -> FrontendError:
        return self._refuse(
            node,
            f"{self.text(node)} is data: {role} may depend on loop variables and sizes only",
            _data_hint(node, role),
        )

    def extent_of(self, node: ast.expr) -> Affine | None:
        """Return the size that ``A.shape[d]`` stands for; None for anything else."""
        if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute)):
            return None
        if node.value.attr != "shape" or not isinstance(node.value.value, ast.Name):
            return None
        array = self.scope.bindings.get(node.value.value.id)
        if not isinstance(array, SymbolicTensor):
            return None
        dimension = self.form(node.slice, "a dimension")
        rank = array.data.rank
        if not dimension.is_constant or not -rank <= dimension.const < rank:
            raise self._refuse(node, f"{array.data.name} has {rank} dimensions", None)
        return array.data.shape[dimension.const]

    # ---- operators ----------------------------------------------------------------------------
    def _unary(self, node: ast.UnaryOp, role: str) -> IndexExpression:
        if isinstance(node.op, (ast.USub, ast.UAdd)):
            inner = self.expression(node.operand, role)
            return negate(inner) if isinstance(node.op, ast.USub) else inner
        raise self._refuse(node, f"{self.text(node)} is not affine in {role}", ALLOWED)

    def _binary(self, node: ast.BinOp, role: str) -> IndexExpression:
        left, right = self.expression(node.left, role), self.expression(node.right, role)
        if isinstance(node.op, ast.Add):
            return add(left, right)
        if isinstance(node.op, ast.Sub):
            return add(left, negate(right))
        if isinstance(node.op, ast.Mult):
            return self._product(node, left, right, role)
        if isinstance(node.op, (ast.FloorDiv, ast.Mod)):
            return self._quotient(node, left, right, role)
        return self._power(node, left, right, role)

    def _product(
        self, node: ast.BinOp, left: IndexExpression, right: IndexExpression, role: str
    ) -> IndexExpression:
        if isinstance(left, Affine) and left.is_constant:
            left, right = right, left
        if not (isinstance(right, Affine) and right.is_constant):
            raise self._refuse(
                node,
                f"{self.text(node)} is not affine in {role}: it multiplies two unknowns",
                self._product_hint(left, right),
            )
        factor = right.const
        return apply_to_parts(lambda form: form * factor, left, flips=factor < 0)

    @staticmethod
    def _product_hint(left: IndexExpression, right: IndexExpression) -> str:
        names = [n for f in (left, right) if isinstance(f, Affine) for n in f.names]
        if names and all(name[0] == "$" for name in names):
            return "make the product a size of its own, or use one dimension for each factor"
        return "use one subscript for each factor (A[i, j], not A[i * n + j])"

    def _quotient(
        self, node: ast.BinOp, left: IndexExpression, right: IndexExpression, role: str
    ) -> IndexExpression:
        sign = "//" if isinstance(node.op, ast.FloorDiv) else "%"
        if not (isinstance(right, Affine) and right.is_constant and right.const):
            raise self._refuse(
                node,
                f"{self.text(node)} is not affine in {role}: it divides by an unknown",
                f"the right side of {sign} is an integer constant, not 0",
            )
        divisor = right.const
        if divisor < 0:  # floor(x / -d) == floor(-x / d)
            left, divisor = negate(left), -divisor
        if sign == "//":
            return apply_to_parts(lambda form: form // divisor, left)
        if not isinstance(left, Affine):
            raise self._refuse(
                node,
                f"{self.text(node)} is not affine in {role}: a remainder of a {left.kind}",
                "take the remainder of a single form, under an if",
            )
        return left % divisor if right.const > 0 else -(left % divisor)

    def _power(
        self, node: ast.BinOp, left: IndexExpression, right: IndexExpression, role: str
    ) -> IndexExpression:
        numbers = [f.const for f in (left, right) if isinstance(f, Affine) and f.is_constant]
        if isinstance(node.op, ast.Pow) and len(numbers) == 2 and 0 <= numbers[1] <= 64:
            return affine(numbers[0] ** numbers[1])
        hint = ALLOWED
        if isinstance(node.op, ast.Div):
            hint = "/ gives a float: write // for the integer part"
        raise self._refuse(node, f"{self.text(node)} is not affine in {role}", hint)

    def _call(self, node: ast.Call, role: str) -> IndexExpression:
        callee = self.scope.static(node.func)
        if callee in (min, max) and node.args and not node.keywords:
            parts = tuple(self.expression(arg, role) for arg in node.args)
            if len(parts) == 1:
                raise self._refuse(
                    node, f"{self.text(node)} has one argument", "write min(a, b) or max(a, b)"
                )
            if node in self.choices:
                return parts[self.choices[node]]
            return extreme("min" if callee is min else "max", parts)
        length = self._length(node) if callee is len else None
        if length is not None:
            return length
        if callee is int and len(node.args) == 1:
            return self.expression(node.args[0], role)
        raise self._refuse(
            node,
            f"{self.text(node)} is not affine in {role}",
            f"{ALLOWED}; bounds may use min(...) and max(...)",
        )

    def _length(self, node: ast.Call) -> Affine | None:
        array = self.scope.static(node.args[0]) if len(node.args) == 1 else None
        if len(node.args) == 1 and isinstance(node.args[0], ast.Name):
            array = self.scope.bindings.get(node.args[0].id)
        return array.data.shape[0] if isinstance(array, SymbolicTensor) else None

    # ---- errors -------------------------------------------------------------------------------
    def text(self, node: ast.AST) -> str:
        return self.scope.source.segment(node)

    def _refuse(self, node: ast.AST, message: str, hint: str | None) -> FrontendError:
        return self.scope.source.error(node, message, hint)


def _data_hint(node: ast.expr, role: str) -> str:
    if isinstance(node, ast.Name):
        return f"a name stands for a form when it is assigned once: {node.id} = 2 * i + 1"
    if role.startswith("a subscript"):
        return "gathers are not affine; subscripts are forms such as 2 * i + 1, i // 2, i % 4"
    return "pass it as a parameter n: ls.size if it is known before the loops run"


def readable(form: Affine) -> str:
    """Return a form as the user would write it."""
    return form_text(form)
