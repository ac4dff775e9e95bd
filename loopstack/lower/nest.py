"""The nest: what lowering makes and csrc takes; nodes, and their text (csrc/nest/GRAMMAR.md).

Loops carry bounds (half-open, ``max(lowers) .. min(uppers)``). Assignments keep one subscript a
dimension until :mod:`loopstack.lower.linearize` turns them into element offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Union

from loopstack.ir.affine import Affine
from loopstack.ir.expr import Const, Expr, IndexValue, Load, Op
from loopstack.ir.program import Access

Space = Literal["argument", "shared", "private", "register"]


@dataclass(frozen=True)
class For:
    name: str
    lowers: tuple[Affine, ...]
    uppers: tuple[Affine, ...]
    kind: str
    tail: str | None
    body: tuple[NestNode, ...]

    def with_body(self, body: tuple[NestNode, ...]) -> For:
        """Return this loop around another body (``dataclasses.replace`` is slow on this path)."""
        return For(self.name, self.lowers, self.uppers, self.kind, self.tail, body)

    @property
    def trip_count(self) -> int | None:
        """The constant number of iterations, or None."""
        if len(self.lowers) == len(self.uppers) == 1:
            extent = self.uppers[0] - self.lowers[0]
            return max(extent.const, 0) if extent.is_constant else None
        return None


@dataclass(frozen=True)
class If:
    """``zero`` forms must all be 0 and ``nonnegative`` forms all >= 0."""

    zero: tuple[Affine, ...]
    nonnegative: tuple[Affine, ...]
    then: tuple[NestNode, ...]
    orelse: tuple[NestNode, ...] = ()


@dataclass(frozen=True)
class Assign:
    """``target = expr``; ``statement`` says which program statement it comes from."""

    target: Access
    expr: Expr
    statement: str
    stream: bool = False


@dataclass(frozen=True)
class Touch:
    """A prefetch of one element's cache line."""

    access: Access
    write: bool


@dataclass(frozen=True)
class LaneFold:
    """``reduce.operator`` over ``count`` register elements from ``access`` on, as an expression."""

    operator: str
    array: str
    subscripts: tuple[Affine, ...]
    count: int
    dtype: str

    def __str__(self) -> str:
        subscripts = ", ".join(map(str, self.subscripts))
        return f"reduce.{self.operator}({self.array}[{subscripts}], {self.count})"


NestNode = Union[For, If, Assign, Touch]


@dataclass(frozen=True)
class NestArray:
    """An array as the generator sees it.

    ``place`` is the argument number, the byte offset in a workspace, or the number of register
    elements; ``shape`` and ``strides`` are in elements.
    """

    name: str
    dtype: str
    space: Space
    place: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Nest:
    name: str
    threads: int
    arrays: tuple[NestArray, ...]
    body: tuple[NestNode, ...]
    shared_bytes: int = 0
    private_bytes: int = 0

    def __str__(self) -> str:
        return print_nest(self)


def walk(
    nodes: tuple[NestNode, ...], path: tuple[For, ...] = ()
) -> Iterator[tuple[NestNode, tuple[For, ...]]]:
    """Yield (node, loops above it), parents first, in text order."""
    for node in nodes:
        yield node, path
        if isinstance(node, For):
            yield from walk(node.body, (*path, node))
        elif isinstance(node, If):
            yield from walk(node.then + node.orelse, path)


def edit(
    nodes: tuple[NestNode, ...], change: Callable[[NestNode], tuple[NestNode, ...]]
) -> tuple[NestNode, ...]:
    """Rebuild bottom-up: every node becomes the nodes ``change`` returns for it.

    Nodes below which nothing changes stay the same objects.
    """
    out: list[NestNode] = []
    for node in nodes:
        if isinstance(node, For):
            body = edit(node.body, change)
            node = node if body is node.body else node.with_body(body)
        elif isinstance(node, If):
            then, orelse = edit(node.then, change), edit(node.orelse, change)
            if then is not node.then or orelse is not node.orelse:
                node = If(node.zero, node.nonnegative, then, orelse)
        out.extend(change(node))
    same = len(out) == len(nodes) and all(new is old for new, old in zip(out, nodes))
    return nodes if same else tuple(out)


# ---- text -------------------------------------------------------------------------------------
def print_nest(nest: Nest) -> str:
    """Return the nest text that csrc compiles."""
    lines = [f"nest {nest.name}", f"threads {nest.threads}"]
    lines += [f"array {a.name} {a.dtype} {a.space} {a.place}" for a in nest.arrays]
    lines.append(f"workspace {nest.shared_bytes} {nest.private_bytes}")
    lines.append("{")
    _print_body(nest.body, "  ", lines)
    lines.append("}")
    return "\n".join(lines) + "\n"


def _print_body(nodes: tuple[NestNode, ...], indent: str, lines: list[str]) -> None:
    for node in nodes:
        if isinstance(node, For):
            lines.append(f"{indent}{_header(node)} {{")
            _print_body(node.body, indent + "  ", lines)
            lines.append(indent + "}")
        elif isinstance(node, If):
            _print_if(node, indent, lines)
        elif isinstance(node, Touch):
            lines.append(f"{indent}prefetch {node.access}{' write' if node.write else ''}")
        else:
            stream = " stream" if node.stream else ""
            lines.append(f"{indent}{node.target} = {print_expr(node.expr)}{stream}")


def _print_if(node: If, indent: str, lines: list[str]) -> None:
    tests = [f"{f} == 0" for f in node.zero] + [f"{f} >= 0" for f in node.nonnegative]
    lines.append(f"{indent}if {' && '.join(tests)} {{")
    _print_body(node.then, indent + "  ", lines)
    if node.orelse:
        lines.append(indent + "} else {")
        _print_body(node.orelse, indent + "  ", lines)
    lines.append(indent + "}")


def _header(loop: For) -> str:
    lower = _bound("max", loop.lowers)
    upper = _bound("min", loop.uppers)
    kind = "" if loop.kind == "seq" else f" {loop.kind}"
    tail = f" tail={loop.tail}" if loop.tail and loop.tail != "shift_inwards" else ""
    return f"for {loop.name} = {lower} .. {upper}{kind}{tail}"


def _bound(function: str, forms: tuple[Affine, ...]) -> str:
    return str(forms[0]) if len(forms) == 1 else f"{function}({', '.join(map(str, forms))})"


def print_expr(expr: Expr) -> str:
    if isinstance(expr, Const):
        if expr.dtype == "bool_":  # nests have no literals of truth values
            return "eq(0:i32, 0:i32)" if expr.value else "ne(0:i32, 0:i32)"
        return f"{_literal(expr.value, expr.dtype)}:{expr.dtype}"
    if isinstance(expr, Op):
        label = f"cast.{expr.dtype}" if expr.name == "cast" else expr.name
        return f"{label}({', '.join(map(print_expr, expr.args))})"
    if isinstance(expr, (Load, IndexValue, LaneFold)):
        return str(expr)
    raise TypeError(expr)


def _literal(value: float | int | bool, dtype: str) -> str:
    if dtype in ("f32", "f64"):
        return repr(float(value))
    return str(int(value))
