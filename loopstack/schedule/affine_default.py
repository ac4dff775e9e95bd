"""The default schedule of affine programs: every step is tried, and kept when it is legal.

    contractions     isolated by distributing the loops around them, then blocked and packed
    sweeps           steps over arrays larger than the cache run in tiles of time and space
    recurrences      independent ones run as lanes, a few rows or columns at a time
    other nests      the index that walks memory goes innermost and is vectorised
    outer loops      the outermost loop that carries nothing runs in parallel

Loops are not distributed without need: nests that stream through memory share what they read.
"""

from __future__ import annotations

from loopstack.ir.expr import loads
from loopstack.ir.loop_tree import Leaf, Loop, Node
from loopstack.ir.program import Program, Statement
from loopstack.schedule.access_shape import StatementShape, Strides, statement_shape
from loopstack.schedule.contraction import contraction_script, is_worth_blocking
from loopstack.schedule.contraction_roles import Contraction, find_contraction
from loopstack.schedule.cut_at import cutting_lines
from loopstack.schedule.greedy import Draft
from loopstack.schedule.hardware import Hardware
from loopstack.schedule.last_values import surely_reads_initial_values
from loopstack.schedule.lookup import find_loop, leaves_below
from loopstack.schedule.panels import Panels
from loopstack.schedule.projections import (
    columns_at_once,
    find_projections,
    projection_lines,
    walks_memory,
)
from loopstack.schedule.register_block import choose_block
from loopstack.schedule.right_looking import (
    Factorisation,
    blocking_lines,
    find_factorisations,
    product_lines,
    right_looking_lines,
)
from loopstack.schedule.row_lanes import lanes_of_rows
from loopstack.schedule.script import Schedule
from loopstack.schedule.time_tiling import tile_time

CONTRACTION_DEPTH = 3
STEPS = 512
"""Columns of a cache block of the updates of a factorisation."""
STEP_BLOCKS = 16
"""Steps of a panel, in rows of the register block."""
PARALLEL_FLOPS = 100_000
"""Work of one visit of a parallel loop below which waking the team does not pay."""


def affine_schedule(
    program: Program, hardware: Hardware, threads: int, strides: Strides | None = None
) -> Schedule:
    """Return a legal schedule of any program with integer sizes; nothing is measured."""
    draft = Draft(program)
    start = draft.mark()
    _expand_temporaries(draft)
    expanded = len(draft.lines)
    blocked = _block_contractions(draft, hardware, threads, strides or {})
    blocked |= _turn_round(draft, hardware, threads, strides or {})
    blocked |= _project(draft, hardware, threads, strides or {})
    blocked |= tile_time(draft, _unblocked(draft, blocked, strides or {}), hardware, threads)
    blocked |= lanes_of_rows(draft, _unblocked(draft, blocked, strides or {}), hardware, threads)
    if len(draft.lines) == expanded:  # copies that nothing came of
        draft.undo(start)
    shapes = _shapes(draft.tree.program, strides or {})
    for name in [name for name in shapes if name not in blocked]:
        _free_the_walk(draft, name, shapes)
    for chain in _chains(draft.tree.body, ()):
        if _names(chain[-1]) <= shapes.keys() - blocked:
            _vectorize(draft, chain, shapes)
    if threads > 1:
        shapes = _shapes(draft.tree.program, strides or {})  # a cut makes statements
        for node in draft.tree.body:
            if isinstance(node, Loop) and _names(node) <= shapes.keys() - blocked:
                _parallelize(draft, node, shapes, 1)
    return draft.schedule()


def _shapes(program: Program, strides: Strides) -> dict[str, StatementShape]:
    return {s.name: statement_shape(program, s, strides) for s in program.statements}


def _unblocked(draft: Draft, blocked: set[str], strides: Strides) -> dict[str, StatementShape]:
    shapes = _shapes(draft.tree.program, strides)
    return {name: shape for name, shape in shapes.items() if name not in blocked}


def _names(node: Node) -> set[str]:
    return {leaf.statement for leaf in leaves_below([node])}


# ---- contractions -------------------------------------------------------------------------------
def _block_contractions(
    draft: Draft, hardware: Hardware, threads: int, strides: Strides
) -> set[str]:
    """Block every contraction worth it, heaviest first; return the statements that are done."""
    shapes = _shapes(draft.tree.program, strides)
    found = {name: c for name, shape in shapes.items()
             if (c := find_contraction(shape)) and is_worth_blocking(c, hardware)}  # fmt: skip
    done: set[str] = set()
    prefix = "{}_" if len(found) > 1 else ""
    for name in sorted(found, key=lambda n: -shapes[n].flops):
        script = contraction_script(found[name], hardware, threads, prefix=prefix.format(name))
        mark = draft.mark()
        _isolate(draft, found[name])
        if draft.attempt(script) or (threads > 1 and draft.attempt(_sequential(script))):
            done.add(name)
        else:
            draft.undo(mark)
    return done


def _sequential(script: list[str]) -> list[str]:
    return [line for line in script if not line.startswith("parallelize")]


def _isolate(draft: Draft, c: Contraction) -> None:
    """Distribute the loops around a statement, innermost first, as far as that is legal."""
    name = c.shape.statement.name
    for index in reversed(c.shape.statement.indices):
        loop = f"{name}.{index}"
        parts = _parts_of(draft, loop)
        others = [part for part in parts if part != name]
        for order in ([], [*others, name], [name, *others]):
            arrow = f" -> {', '.join(order)}" if order else ""
            if len(parts) > 1 and draft.attempt([f"distribute {loop}{arrow}"]):
                break


def _parts_of(draft: Draft, loop: str) -> list[str]:
    """Return a statement of each part of a loop's body, the loop's own one where it is."""
    owner = loop.rpartition(".")[0]
    body = find_loop(draft.tree, loop)[-1].body
    groups = [[leaf.statement for leaf in leaves_below([node])] for node in body]
    return [owner if owner in names else names[0] for names in groups if names]


def _expand_temporaries(draft: Draft) -> None:
    """Give temporaries of deep nests a copy per iteration of the loops that all uses share.

    A scalar that several nests use by turns becomes one temporary for each of them.
    """
    for array in draft.tree.program.arrays:
        if array.role == "scalar" or (array.is_argument and not _is_scratch(draft, array.name)):
            continue
        for number, nest in enumerate(n for n in draft.tree.body if isinstance(n, Loop)):
            users = [leaf.statement for leaf in leaves_below([nest])
                     if array.name in _arrays_of(leaf)]  # fmt: skip
            paths = [draft.tree.path(user) for user in users]
            if len(users) < 2 or max(map(len, paths)) < CONTRACTION_DEPTH:
                continue
            shared = [path.name for path in paths[0] if all(path in other for other in paths)]
            whole = len(shared) > 1 or array.is_argument
            groups = [shared] if whole else _inner_groups(draft, nest, array.name)
            for place, loops in enumerate(groups):
                name = f"{array.name}_{number}_{place}"
                draft.attempt([f"expand {array.name} at {' '.join(loops)} -> {name}"])


def _is_scratch(draft: Draft, array: str) -> bool:
    """Tell whether an argument is used below one outermost loop only, and written in every one.

    One that is surely read before it is written is none; expand would need longer to tell.
    """
    nests = [node for node in draft.tree.body
             if any(array in _arrays_of(leaf) for leaf in leaves_below([node]))]  # fmt: skip
    if len(nests) != 1 or not isinstance(nests[0], Loop):
        return False
    writes = [leaf.write for leaf in leaves_below(nests) if leaf.write.array == array]
    names = frozenset().union(*(f.names for w in writes for f in w.subscripts), frozenset())
    if not writes or nests[0].name in names:
        return False
    return not surely_reads_initial_values(draft.tree.program, array)


def _inner_groups(draft: Draft, nest: Loop, array: str) -> list[list[str]]:
    """Return the loops around each part of a nest that uses an array on its own."""
    groups = []
    for node in nest.body:
        users = [leaf.statement for leaf in leaves_below([node]) if array in _arrays_of(leaf)]
        if isinstance(node, Loop) and users:
            groups.append([nest.name, node.name])
    return groups or [[nest.name]]


def _arrays_of(leaf: Leaf) -> set[str]:
    return {leaf.write.array, *(load.array for load in loads(leaf.expr))}


# ---- factorisations -----------------------------------------------------------------------------
def _turn_round(draft: Draft, hardware: Hardware, threads: int, strides: Strides) -> set[str]:
    """Make factorisations right-looking, and block their updates; return what is done."""
    done: set[str] = set()
    for found in find_factorisations(draft.tree):
        start = draft.mark()
        for f in (found, found.reversed()):
            if draft.attempt(right_looking_lines(draft.tree, f)):
                if not _walks_memory(draft, f, strides):
                    draft.undo(start)
                    break
                done |= _block_products(draft, f, hardware, threads, strides)
                break
    return done


def _walks_memory(draft: Draft, f: Factorisation, strides: Strides) -> bool:
    """Tell whether an update has enough loops to be blocked, or an innermost one that walks memory.

    A triangular solve with one right-hand side has neither where it would read down columns.
    """
    paths = {name: draft.tree.path(name) for name in f.updates}
    if max(map(len, paths.values())) >= CONTRACTION_DEPTH:
        return True
    shapes = _shapes(draft.tree.program, strides)
    walked = {name: path[-1].name.rpartition(".")[2] for name, path in paths.items()}
    return all(abs(read.stride(index)) <= 1 for name, index in walked.items()
               for read in shapes[name].reads)  # fmt: skip


def _block_products(
    draft: Draft, f: Factorisation, hardware: Hardware, threads: int, strides: Strides
) -> set[str]:
    """Run blocks of steps: panels beside the diagonal, and the updates beyond as products."""
    shapes = _shapes(draft.tree.program, strides)
    contractions = {name: find_contraction(shapes[name]) for name in f.updates}
    found = {name: c for name, c in contractions.items() if c and is_worth_blocking(c, hardware)}
    if not found:
        return set()
    lanes = hardware.lanes(next(iter(found.values())).shape.item_bytes)
    block = choose_block(STEPS, STEPS, STEPS, lanes, hardware.vector_registers)
    steps = block.rows * STEP_BLOCKS
    products = {name: f"{name}_beyond" for name in found}
    tile = (block.rows, block.vectors * lanes)
    sizes = (steps, -(-STEPS // tile[1]) * tile[1])
    tiles = [line for name, c in found.items()
             for line in product_lines(c, products[name], tile, sizes)]  # fmt: skip
    panels = Panels(draft.tree, f, shapes, steps, lanes, products)
    lines = [*panels.lines(), *tiles, *(panels.parallel_lines() if threads > 1 else [])]
    if draft.attempt(lines):
        return panels.done
    plain = [*blocking_lines(draft.tree, f, steps, products), *tiles]
    return set(products.values()) if draft.attempt(plain) else set()


def _project(draft: Draft, hardware: Hardware, threads: int, strides: Strides) -> set[str]:
    """Run successive projections in blocks of steps; return what is done beyond them."""
    done: set[str] = set()
    for p in find_projections(draft.tree):
        shapes = _shapes(draft.tree.program, strides)
        columns = columns_at_once(p, shapes, hardware) if walks_memory(p, shapes) else 0
        if columns and draft.attempt(projection_lines(p, shapes, columns, threads)):
            done |= {f"{name}_beyond" for name in p.statements}
    return done


# ---- nests that walk memory ---------------------------------------------------------------------
Chain = tuple[Loop, ...]


def _chains(nodes: tuple[Node, ...], above: Chain) -> list[Chain]:
    """Return every maximal perfect nest that ends in an innermost loop."""
    loops = [node for node in nodes if isinstance(node, Loop)]
    perfect = above if len(nodes) == 1 else ()
    found: list[Chain] = []
    for loop in loops:
        inner = [node for node in loop.body if isinstance(node, Loop)]
        chain = (*perfect, loop)
        found += _chains(loop.body, chain) if inner else [chain]
    return found


def _free_the_walk(draft: Draft, name: str, shapes: dict[str, StatementShape]) -> None:
    """Distribute the loop along which a statement walks memory, where others keep it outside.

    ``for j: { m[j] = 0; for i: m[j] += x[i, j] }`` reads a column at a time; apart, both read rows.
    """
    path, leaf = draft.tree.path(name), draft.tree.leaves()[name]
    scores = [_score([leaf], loop.name, shapes) for loop in path]
    best = max(range(len(path)), key=lambda n: (scores[n], n), default=0)
    inside = path[best:-1]
    if best < len(path) - 1 and scores[best] > max(scores[-1], 0):
        for loop in reversed([loop for loop in inside if len(loop.body) > 1]):
            draft.attempt([f"distribute {loop.name}"])


def _vectorize(draft: Draft, chain: Chain, shapes: dict[str, StatementShape]) -> None:
    """Move the index that walks memory innermost, and run it as lanes; first legal one wins."""
    leaves = list(leaves_below(chain[-1].body))
    order = [loop.name for loop in chain]
    scored = {name: _score(leaves, name, shapes) for name in order}
    for name in sorted(order, key=lambda n: (-scored[n], -order.index(n))):
        if scored[name] <= 0:
            break
        lines = [f"vectorize {name}"]
        if name != order[-1]:
            moved = [n.rpartition(".")[2] for n in order if n != name]
            owner, _, index = name.rpartition(".")
            lines.insert(0, f"reorder {owner} {' '.join([*moved, index])}")
        if draft.attempt(lines):
            return
    if len(leaves) == 1 and scored[order[-1]] > 0:
        lines = cutting_lines(leaves[0], chain[-1])
        if lines:
            draft.attempt(lines)


def _score(leaves: list[Leaf], loop: str, shapes: dict[str, StatementShape]) -> float:
    """Count accesses contiguous along ``loop``, writes twice; strided ones count against."""
    total = 0.0
    for leaf in leaves:
        index = next((i for i, form in leaf.binding if loop in form.names), None)
        if index is None:
            continue
        shape = shapes[leaf.statement]
        total += 2 * _access_score(shape.write.stride(index))
        total += sum(_access_score(read.stride(index)) for read in shape.reads)
    return total


def _access_score(stride: int) -> float:
    if stride == 1:
        return 1.0
    if stride == -1:  # one access and a permutation
        return 0.5
    return 0.0 if stride == 0 else -1.0


# ---- threads ------------------------------------------------------------------------------------
def _parallelize(draft: Draft, loop: Loop, shapes: dict[str, StatementShape], visits: int) -> None:
    """Run the outermost loop that carries nothing in parallel, if one visit is enough work."""
    leaves = leaves_below([loop])
    flops = sum(shapes[leaf.statement].flops for leaf in leaves)
    if flops // max(visits, 1) < PARALLEL_FLOPS or loop.kind != "seq":
        return
    if draft.attempt([f"parallelize {loop.name}"]):
        return
    trips = visits * max(_extent(leaf, loop.name, shapes) for leaf in leaves)
    for node in loop.body:
        if isinstance(node, Loop):
            _parallelize(draft, node, shapes, trips)


def _extent(leaf: Leaf, loop: str, shapes: dict[str, StatementShape]) -> int:
    index = next((i for i, form in leaf.binding if loop in form.names), None)
    return shapes[leaf.statement].extents[index] if index is not None else 1


def is_affine(program: Program) -> bool:
    """Tell whether a program needs this rule: statements share loops, or work in place."""
    tops = [s.order[0] if s.order else n for n, s in enumerate(program.statements)]
    if len(set(tops)) < len(tops):
        return True
    return any(_in_place(s) or _has_corners(s) for s in program.statements)


def _in_place(statement: Statement) -> bool:
    reduction = statement.reduction
    if reduction is not None and reduction.init == "existing":
        return True
    return any(read.array == statement.write.array for read in statement.reads)


def _has_corners(statement: Statement) -> bool:
    return any(len(form.names) > 1 for form in statement.constraints)
