"""The loops a schedule makes, as text for people: bounds, kinds, multi-dimensional accesses.

for C.mr in 0 .. 6:
  for C.nv in 0 .. 16:  # vector
    C.acc[C.nv] = 0.0
"""

from __future__ import annotations

from loopstack.ir.affine import Affine
from loopstack.ir.expr import Const, Expr, Op
from loopstack.ir.loop_tree import Tree
from loopstack.lower.bounds import loop_ranges
from loopstack.lower.materialize import materialize
from loopstack.lower.nest import Assign, For, If, NestNode, Touch
from loopstack.lower.shadows import with_shadows
from loopstack.lower.simplify import simplify
from loopstack.lower.vector_loops import split_long_vectors
from loopstack.machine.vector_target import TARGETS
from loopstack.poly.first_values import with_mixed_first_values

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">",
         "ge": ">=", "eq": "==", "ne": "!=", "floordiv": "//", "mod": "%"}  # fmt: skip


def loops_text(tree: Tree, isa: str) -> str:
    """Return the loop nest of a scheduled tree as indented text."""
    target = TARGETS[isa]
    tree = with_mixed_first_values(tree)
    tree, implied = with_shadows(split_long_vectors(tree, target, loop_ranges(tree.body)))
    parts = materialize(tree, target, loop_ranges(tree.body), implied)
    lines: list[str] = []
    _print(simplify(parts.body), "", lines)
    return "\n".join(lines) + "\n"


def _print(nodes: tuple[NestNode, ...], indent: str, lines: list[str]) -> None:
    for node in nodes:
        if isinstance(node, For):
            lines.append(f"{indent}for {node.name} in {_range(node)}:{_note(node)}")
            _print(node.body, indent + "  ", lines)
        elif isinstance(node, If):
            _print_if(node, indent, lines)
        elif isinstance(node, Touch):
            lines.append(f"{indent}prefetch {node.access}{' for writing' if node.write else ''}")
        elif isinstance(node, Assign):
            lines.append(f"{indent}{node.target} = {_expr(node.expr)}")


def _print_if(node: If, indent: str, lines: list[str]) -> None:
    tests = [f"{f} == 0" for f in node.zero] + [f"{f} >= 0" for f in node.nonnegative]
    lines.append(f"{indent}if {' and '.join(tests)}:")
    _print(node.then, indent + "  ", lines)
    if node.orelse:
        lines.append(f"{indent}else:")
        _print(node.orelse, indent + "  ", lines)


def _range(loop: For) -> str:
    return f"{_bound('max', loop.lowers)} .. {_bound('min', loop.uppers)}"


def _bound(function: str, forms: tuple[Affine, ...]) -> str:
    return str(forms[0]) if len(forms) == 1 else f"{function}({', '.join(map(str, forms))})"


def _note(loop: For) -> str:
    return "" if loop.kind == "seq" else f"  # {loop.kind}"


def _expr(expr: Expr, inside: bool = False) -> str:
    if isinstance(expr, Const):
        return repr(expr.value)
    if not isinstance(expr, Op):
        return str(expr)
    if expr.name in INFIX and len(expr.args) == 2:
        text = f"{_expr(expr.args[0], True)} {INFIX[expr.name]} {_expr(expr.args[1], True)}"
        return f"({text})" if inside else text
    label = expr.dtype if expr.name == "cast" else expr.name
    return f"{label}({', '.join(_expr(a) for a in expr.args)})"
