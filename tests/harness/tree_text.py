"""A loop tree as a few lines of text, for tests that show what a command does.

C.nr 8 parallel
  C.nv 64 vector tail=mask
    C[C.m] += A[C.m] | C.m, -C.m + 4
"""

from __future__ import annotations

from loopstack.ir.loop_tree import Leaf, Loop, Node, Prefetch, Tree

SIGNS = {"sum": "+=", "prod": "*=", "max": "max=", "min": "min="}


def tree_text(tree: Tree, constraints: bool = False) -> str:
    """Return loops and statements; constraints (forms >= 0) follow a bar."""
    lines: list[str] = []
    for node in tree.body:
        _node(node, "", lines, constraints)
    lines += [f"{s.array} of {s.statement} at {s.loop} in {s.space}" for s in tree.stages]
    for b in tree.buffers:
        shape = ", ".join(map(str, b.array.shape))
        place = f"at {b.loop} align {b.align}{' private' * b.private}"
        lines.append(f"{b.array.name}: {b.array.dtype}[{shape}] {place}")
    lines += [f"stream {name}" for name in tree.streamed]
    return "\n".join(lines) + "\n"


def _node(node: Node, indent: str, lines: list[str], constraints: bool) -> None:
    if isinstance(node, Loop):
        lines.append(indent + _header(node))
        for inner in node.body:
            _node(inner, indent + "  ", lines, constraints)
    elif isinstance(node, Prefetch):
        lines.append(f"{indent}prefetch {node.access}{' write' if node.write else ''}")
    else:
        bar = f" | {', '.join(map(str, node.constraints))}" if constraints else ""
        lines.append(indent + _statement(node) + bar)


def _header(loop: Loop) -> str:
    words = [loop.name]
    words += [] if loop.extent is None else [str(loop.extent)]
    words += [] if loop.kind == "seq" else [loop.kind]
    words += [] if loop.tail is None else [f"tail={loop.tail}"]
    return " ".join(words)


def _statement(leaf: Leaf) -> str:
    sign = "=" if leaf.reduction is None else SIGNS[leaf.reduction.operator]
    pad = "" if leaf.pad is None else f" pad {leaf.pad}"
    return f"{leaf.write} {sign} {leaf.expr}{pad}"
