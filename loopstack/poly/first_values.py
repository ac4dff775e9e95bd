"""Where the results of a reduction get their first value, said as a statement of its own.

A sum that starts from zero writes each result once before it adds terms, and results without terms
too. Lowering does that ahead of the outermost reduction loop; so does the program. Mostly nothing
can tell: every result has terms, and nothing else below that loop needs the array. Where that is
not sure, checks of order must see the write:

    for k: { use C[k];  for i: C[i] += A[i, k] }
    -> { for i: C[i] = 0 } ; for k: { use C[k];  for i: C[i] += A[i, k] }

The program gets the statement at the same place in its own order.

A reduction with loops that run over results and terms at once, or that do not tell its results
(poly/mixing.py), gets the statement ahead of all its loops, and lowering keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loopstack.ir.affine import name as form_of
from loopstack.ir.expr import Const, loads
from loopstack.ir.loop_tree import Leaf, Loop, Node, Tree
from loopstack.ir.operators import identity
from loopstack.ir.program import Access, Program, Statement
from loopstack.poly.dependence import source_order
from loopstack.poly.mixing import mixes, tells_results
from loopstack.poly.results import couples, reduction_loops, results_of, starts_anew

PREFIX = "start of "


def with_first_values(tree: Tree) -> Tree:
    """Return ``tree`` with a statement for the first values that the order of a tree may spoil."""
    for name, leaf in tree.leaves().items():
        if starts_anew(leaf):
            first = _FirstValues.of(tree, name, leaf)
            if first is not None and not (first.is_alone and first.all_have_terms):
                tree = first.tree()
    return tree


def with_mixed_first_values(tree: Tree) -> Tree:
    """Return ``tree`` with a statement for the first values that its own loops cannot give."""
    for name, leaf in tree.leaves().items():
        if starts_anew(leaf):
            first = _FirstValues.of(tree, name, leaf)
            if first is not None and first.is_mixed:
                tree = replace(first, name=f"{name}.start").tree()
    return tree


def with_start(tree: Tree, reduction: str, name: str) -> Tree | None:
    """Return ``tree`` with a statement ``name`` for the first values of a reduction.

    The reduction, which starts from its identity, adds to what is there from then on. None when it
    has no loops of its own.
    """
    first = _FirstValues.of(tree, reduction, tree.leaves()[reduction])
    return None if first is None else replace(first, name=name).tree()


@dataclass(frozen=True)
class _FirstValues:
    """One reduction; its first values come ahead of loop ``top``, inside the loops ``above``.

    ``top`` is the outermost reduction loop, or the outermost loop of all when loops are mixed.
    """

    name: str
    old: Tree
    leaf: Leaf
    above: tuple[Loop, ...]
    top: Loop
    reducing: tuple[str, ...]
    kept: tuple[Loop, ...]
    is_mixed: bool

    @staticmethod
    def of(tree: Tree, name: str, leaf: Leaf) -> _FirstValues | None:
        """Return None for a reduction without loops of its own."""
        path = tree.path(name)
        place = next((b.loop for b in tree.buffers if b.array.name == leaf.write.array), None)
        scope = 1 + [loop.name for loop in path].index(place) if place is not None else 0
        reducing = reduction_loops(leaf, path[scope:])
        statement = tree.program.statement(name)
        if not statement.reduction_indices or not path[scope:]:
            return None
        loops = statement, leaf, path[scope:]
        mixed = not reducing or not tells_results(*loops) or mixes(*loops)
        depth = next(n for n, loop in enumerate(path) if loop.name in reducing or mixed)
        kept = tuple(loop for loop in path[depth:] if loop.name not in reducing)
        above, top = path[:depth], path[depth]
        return _FirstValues(PREFIX + name, tree, leaf, above, top, reducing, kept, mixed)

    # ---- may one tell? ----------------------------------------------------------------------
    @property
    def is_alone(self) -> bool:
        """Nothing else below the outermost reduction loop touches the array."""
        array = self.leaf.write.array
        others = [leaf for leaf in _leaves((self.top,)) if leaf is not self.leaf]
        return not any(leaf.write.array == array for leaf in others) and not any(
            load.array == array for leaf in (self.leaf, *others) for load in loads(leaf.expr)
        )

    @property
    def all_have_terms(self) -> bool:
        """Results and terms are a product, and there is a term at the least reduction indices."""
        results = [loop.name for loop in (*self.above, *self.kept)]
        if self.is_mixed or couples(self.leaf, self.reducing, results):
            return False
        own = [form for form in self.leaf.constraints if not form.names.isdisjoint(self.reducing)]
        least = dict.fromkeys(self.reducing, 0)
        for form in own:
            if len(form.terms) == 1 and form.terms[0][1] == 1 and form.terms[0][0] in least:
                least[str(form.terms[0][0])] = max(least[str(form.terms[0][0])], -form.const)
        below = [loop for loop in _loops((self.top,)) if loop.name in self.reducing]
        extents = [loop.extent is None or least[loop.name] < loop.extent for loop in below]
        return all(extents) and all(form.evaluate(least) >= 0 for form in own)

    # ---- the statement ----------------------------------------------------------------------
    def tree(self) -> Tree:
        statement = self.old.program.statement(self.leaf.statement)
        reduction = replace(self.leaf.reduction, init="existing")  # type: ignore[type-var]
        made = self._statement(statement)

        def change(nodes: Sequence[Node]) -> tuple[Node, ...]:
            out: list[Node] = []
            for node in nodes:
                if node is self.top:
                    out.append(self._nest(made))
                if isinstance(node, Loop):
                    node = replace(node, body=change(node.body))
                elif node is self.leaf:
                    node = replace(self.leaf, reduction=reduction)
                out.append(node)
            return tuple(out)

        program = self._program(statement, made)
        return replace(self.old, program=program, body=change(self.old.body))

    def _nest(self, made: Statement) -> Node:
        """Return loops of its own around the first values."""
        if self.is_mixed:
            return self._nest_of_indices(made)
        names = self._loop_names()
        renamed = {old: form_of(new) for old, new in names.items()}
        binding = {i: form.substitute(renamed) for i, form in self.leaf.binding}
        results = results_of(self.leaf, self.reducing)
        write = self.leaf.write
        node: Node = Leaf(
            made.name,
            tuple((i, binding[i]) for i in made.indices),
            tuple(form.substitute(renamed) for form in results),
            Access(write.array, tuple(form.substitute(renamed) for form in write.subscripts)),
            made.expr,
        )
        for loop in reversed(self.kept):
            node = Loop(names[loop.name], (node,), loop.extent)
        return node

    def _loop_names(self) -> dict[str, str]:
        """Return a name for the copy of each kept loop; two may have been called alike."""
        names: dict[str, str] = {}
        for loop in self.kept:
            name = f"{self.name}.{loop.name.rpartition('.')[2]}"
            while name in names.values():
                name += "1"
            names[loop.name] = name
        return names

    def _nest_of_indices(self, made: Statement) -> Node:
        """Return one loop for each index of the results, as the program has them."""
        loops = {i: form_of(f"{made.name}.{i}") for i in made.indices}
        subscripts = tuple(form.substitute(loops) for form in made.write.subscripts)
        node: Node = Leaf(
            made.name,
            tuple(loops.items()),
            tuple(form.substitute(loops) for form in made.constraints),
            Access(made.write.array, subscripts),
            made.expr,
        )
        for index in reversed(made.indices):
            node = Loop(f"{made.name}.{index}", (node,))
        return node

    def _statement(self, s: Statement) -> Statement:
        """Return the statement, ordered ahead of the first reduction index of ``s``."""
        assert s.reduction is not None
        dtype = self.old.array(s.write.array).dtype
        reduced = s.reduction_indices
        kept = tuple(i for i in s.indices if i not in reduced)
        shared = s.indices.index(reduced[0])
        order = _doubled(source_order(self.old.program, self.old.program.statements.index(s)))
        before = (*order[:shared], order[shared] - 1)
        return Statement(
            self.name,
            kept,
            results_of(s, reduced),
            s.write,
            Const(identity(s.reduction.operator, dtype), dtype),
            None,
            (*before, *(0 for _ in range(len(kept) - shared))),
        )

    def _program(self, s: Statement, made: Statement) -> Program:
        program = self.old.program
        orders = [_doubled(source_order(program, n)) for n in range(len(program.statements))]
        statements = [replace(t, order=order) for t, order in zip(program.statements, orders)]
        number = program.statements.index(s)
        reduction = replace(s.reduction, init="existing")  # type: ignore[type-var]
        statements[number] = replace(statements[number], reduction=reduction)
        return replace(program, statements=(*statements[:number], made, *statements[number:]))


def _doubled(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(2 * position for position in order)


def _leaves(nodes: Sequence[Node]) -> list[Leaf]:
    found: list[Leaf] = []
    for node in nodes:
        if isinstance(node, Leaf):
            found.append(node)
        elif isinstance(node, Loop):
            found += _leaves(node.body)
    return found


def _loops(nodes: Sequence[Node]) -> list[Loop]:
    found: list[Loop] = []
    for node in nodes:
        if isinstance(node, Loop):
            found += [node, *_loops(node.body)]
    return found
