"""Run statements that share a loop under bounds of their own: no tests inside, but more loops.

    for c = a .. n {                               S(a)
      if a - c >= 0 { S(c) }              ->       for c = a + 1 .. n { T(c) }
      if c - a - 1 >= 0 { T(c) }
    }

A sequential loop is cut where a test on its variable changes (Quillere, Rajopadhye, Wilde, 2000);
each piece keeps the tests that its bounds do not decide. The iterations of a vector loop are
independent, so its statements get loops of their own, and their tests become bounds. Parallel and
unrolled loops stay whole, and so do the loops around a parallel one: in a piece it might run once,
as no loop, and registers that a thread keeps would be shared with what stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loopstack.ir.affine import Affine
from loopstack.ir.expr import walk as walk_expr
from loopstack.lower.distinct import is_positive
from loopstack.lower.nest import Assign, For, If, NestNode, walk

Nodes = tuple[NestNode, ...]
Path = tuple[For, ...]
MOST_CUTS = 4
"""Cuts of one loop; what is left to test after them is tested."""
MOST_STATEMENTS = 24
"""A loop around more statements is not copied."""
MOST_STATEMENTS_BELOW = 8
"""The same where the test stands in a loop further inside: it may be hoisted all the same."""


def separate(body: Nodes, registers: frozenset[str]) -> Nodes:
    """Return ``body`` with loops cut where their tests change.

    ``registers`` are arrays that vector loops fill together.
    """
    return _Separator(registers).nodes(body, ())


@dataclass(frozen=True)
class _Separator:
    registers: frozenset[str]

    def nodes(self, nodes: Nodes, path: Path) -> Nodes:
        return tuple([new for node in nodes for new in self.node(node, path)])

    def node(self, node: NestNode, path: Path) -> Nodes:
        if isinstance(node, If):
            then, orelse = self.nodes(node.then, path), self.nodes(node.orelse, path)
            return (If(node.zero, node.nonnegative, then, orelse),)
        if not isinstance(node, For):
            return (node,)
        if not _has_tests(node.body):
            return (node,)
        pieces = self.pieces(node, path)
        return tuple([p.with_body(self.nodes(p.body, (*path, p))) for p in pieces])

    def pieces(self, loop: For, path: Path) -> list[For]:
        if loop.kind == "seq" and not _has_parallel_loop(loop.body):
            return _cut(loop, path, MOST_CUTS)
        if loop.kind == "vector" and not self._fills_registers(loop):
            return _parted(loop)
        return [loop]

    def _fills_registers(self, loop: For) -> bool:
        for node, _ in walk(loop.body):
            if isinstance(node, Assign):
                parts = [node.target, *walk_expr(node.expr)]
                if any(getattr(part, "array", None) in self.registers for part in parts):
                    return True
        return False


def _is_test(node: NestNode) -> bool:
    """Tell whether a node runs one side or nothing, by signs alone."""
    return isinstance(node, If) and not node.zero and not node.orelse


def _tests(nodes: Nodes) -> Iterator[Affine]:
    """Yield every form tested below ``nodes``, in text order."""
    for node, _ in walk(nodes):
        if isinstance(node, If) and _is_test(node):
            yield from node.nonnegative


def _has_tests(nodes: Nodes) -> bool:
    return next(_tests(nodes), None) is not None


def _has_parallel_loop(nodes: Nodes) -> bool:
    return any(isinstance(node, For) and node.kind == "parallel" for node, _ in walk(nodes))


def _moves_plainly(form: Affine, loop: str) -> bool:
    """Tell whether ``form`` changes sign once as ``loop`` runs."""
    return bool(form.coefficient(loop)) and loop not in form.without(loop).names


# ---- sequential loops ---------------------------------------------------------------------------
def _cut(loop: For, path: Path, cuts_left: int) -> list[For]:
    """Return the loop, or two pieces of it between which a test changes, cut again."""
    known = frozenset(above.name for above in path) | {loop.name}
    open_tests = [form for form in _tests(loop.body)
                  if _moves_plainly(form, loop.name) and form.names <= known]  # fmt: skip
    if not open_tests or not cuts_left:
        return [loop]
    test = open_tests[0]
    is_near = any(_is_test(node) and test in node.nonnegative for node in loop.body)  # type: ignore[union-attr]
    if _statement_count(loop.body) > (MOST_STATEMENTS if is_near else MOST_STATEMENTS_BELOW):
        return [loop]
    change, rises = _change(test, loop.name)
    below = For(loop.name, loop.lowers, (*loop.uppers, change), loop.kind, loop.tail, loop.body)
    above = For(loop.name, (*loop.lowers, change), loop.uppers, loop.kind, loop.tail, loop.body)
    pieces: list[For] = []
    for piece, holds in ((below, not rises), (above, rises)):
        tight = _tight(piece, path)
        if tight is None:
            continue
        body = _decided(_assumed(tight.body, test, holds), (*path, tight), loop.name)
        if body:
            pieces += _cut(tight.with_body(body), path, cuts_left - 1)
    return pieces


def _statement_count(nodes: Nodes) -> int:
    return sum(isinstance(node, Assign) for node, _ in walk(nodes))


def _change(test: Affine, loop: str) -> tuple[Affine, bool]:
    """Return where ``loop`` reaches the other side of a test, and whether it holds from there."""
    factor, rest = test.coefficient(loop), test.without(loop)
    if factor > 0:
        return -(rest // factor), True
    return rest // -factor + 1, False


def _tight(loop: For, path: Path) -> For | None:
    """Return the loop without bounds that others imply; None when it is surely empty."""
    if any(is_positive(low - high + 1, path) for low in loop.lowers for high in loop.uppers):
        return None
    lowers = _needed(loop.lowers, lambda other, own: is_positive(other - own + 1, path))
    uppers = _needed(loop.uppers, lambda other, own: is_positive(own - other + 1, path))
    return For(loop.name, lowers, uppers, loop.kind, loop.tail, loop.body)


def _needed(
    bounds: tuple[Affine, ...], implies: Callable[[Affine, Affine], bool]
) -> tuple[Affine, ...]:
    kept = list(dict.fromkeys(bounds))
    for own in tuple(kept):
        if any(implies(other, own) for other in kept if other is not own):
            kept.remove(own)
    return tuple(kept)


def _assumed(nodes: Nodes, test: Affine, holds: bool) -> Nodes:
    """Return ``nodes`` where one test always holds, or never does."""
    return _filtered(nodes, (), lambda form, _: holds if form == test else None)


def _decided(nodes: Nodes, path: Path, loop: str) -> Nodes:
    """Return ``nodes`` without the tests on ``loop`` that bounds decide."""

    def decide(form: Affine, inside: Path) -> bool | None:
        if loop not in form.names:
            return None
        if is_positive(form + 1, inside):
            return True
        return False if is_positive(-form, inside) else None

    return _filtered(nodes, path, decide)


def _filtered(nodes: Nodes, path: Path, decide: Callable[[Affine, Path], bool | None]) -> Nodes:
    out: list[NestNode] = []
    for node in nodes:
        if isinstance(node, For):
            body = _filtered(node.body, (*path, node), decide)
            out += [node.with_body(body)] if body else []
        elif isinstance(node, If):
            out += _filtered_branch(node, path, decide)
        else:
            out.append(node)
    return tuple(out)


def _filtered_branch(node: If, path: Path, decide: Callable[[Affine, Path], bool | None]) -> Nodes:
    then, orelse = _filtered(node.then, path, decide), _filtered(node.orelse, path, decide)
    if not _is_test(node):
        return (If(node.zero, node.nonnegative, then, orelse),) if then or orelse else ()
    found = [(form, decide(form, path)) for form in node.nonnegative]
    if any(answer is False for _, answer in found) or not then:
        return ()
    kept = tuple(form for form, answer in found if answer is None)
    return (If((), kept, then),) if kept else then


# ---- vector loops -------------------------------------------------------------------------------
def _parted(loop: For) -> list[For]:
    """Return a loop for each statement, with its tests as bounds."""
    if not any(_is_test(node) for node in loop.body):
        return [loop]
    return [_bounded(loop, node) for node in loop.body]


def _bounded(loop: For, node: NestNode) -> For:
    if not isinstance(node, If) or not _is_test(node):
        return loop.with_body((node,))
    lowers, uppers, rest = list(loop.lowers), list(loop.uppers), []
    for form in node.nonnegative:
        if not _moves_plainly(form, loop.name):
            rest.append(form)
            continue
        change, rises = _change(form, loop.name)
        (lowers if rises else uppers).append(change)
    body = (If((), tuple(rest), node.then),) if rest else node.then
    return For(loop.name, tuple(lowers), tuple(uppers), loop.kind, loop.tail, body)
