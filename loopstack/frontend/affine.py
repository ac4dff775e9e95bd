"""Parse a function of affine loops: its text becomes a program, and is never run.

    parse(fn) -> Program

    source ---ast---> loops, tests, assignments ---> drafts ---> statements
                          |            |               |
                          forms        values          access bounds, reductions

affine_source.py       the text and its places
affine_scope.py        what a name means
affine_forms.py        index arithmetic -> forms        affine_conditions.py   tests -> pieces
affine_loops.py        range -> indices and domains     affine_values.py       right-hand sides
affine_calls.py        functions of numbers             affine_locals.py       names of the body
affine_statements.py   the walk -> drafts               affine_bounds.py       accesses stay inside
affine_cases.py        parts of a domain               affine_proofs.py       for all sizes: surely
affine_reductions.py   updates as reductions

Parameters keep their order and roles follow from use: an array that is written is ``inout``. Names
for private numbers are temporaries of rank 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loopstack.diagnostics import Signature
from loopstack.errors import FrontendError
from loopstack.frontend.affine_bounds import check_access
from loopstack.frontend.affine_locals import Locals, settled
from loopstack.frontend.affine_reductions import find_update, fold_initial_values
from loopstack.frontend.affine_scope import Scope, size_form, usage
from loopstack.frontend.affine_source import Source, read_source
from loopstack.frontend.affine_statements import Draft, Walker
from loopstack.frontend.build import loop_names, statement_names
from loopstack.frontend.graph import Node, TensorData, Trace
from loopstack.frontend.tensor import annotations_of
from loopstack.frontend.types import Size, TensorType, tensor_type
from loopstack.frontend.values import SymbolicTensor, Value
from loopstack.ir.affine import Affine, affine
from loopstack.ir.expr import Const, Expr, IndexValue, Load, Op
from loopstack.ir.program import Access, Array, Program, Requirement, Statement

MOST_READINGS = 8
LARGEST_EXPRESSION = 4000
"""Nodes of one right-hand side."""


def parse(function: Callable[..., Any], *, reassociate: bool = False) -> Program:
    """Return the program of an affine function.

    Raises: FrontendError with the user's line and a caret for whatever is not affine.
    """
    source = read_source(function, "@ls.affine")
    with Trace(function.__name__, function) as trace:
        signature = _read_signature(source, trace)
        drafts, locals_ = _read_body(source, signature, trace)
        if not drafts:
            raise source.error(
                source.tree.body[-1],
                f"{function.__name__} has no assignment",
                "an affine function updates arrays: A[i] = ...",
            )
        return _Builder(source, signature, drafts, locals_.arrays).program(reassociate)


# ---- the signature ------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Signature:
    """What the parameters mean: bindings by name, arrays in order, and every size."""

    bindings: dict[str, Any]
    arrays: dict[str, TensorData]
    sizes: tuple[str, ...]


def _read_signature(source: Source, trace: Trace) -> _Signature:
    parameters, result = annotations_of(source.function)
    _check_plain(source, result)
    given = [name for name, kind in parameters.items() if isinstance(kind, Size)]
    bindings: dict[str, Any] = {name: size_form(name) for name in given}
    arrays: dict[str, TensorData] = {}
    for name, annotation in parameters.items():
        if name in bindings:
            continue
        data = arrays[name] = _argument(source, name, annotation)
        load = (data, ())
        scalar = Value(trace.node("load", load, (), data.dtype))
        bindings[name] = SymbolicTensor(data) if data.shape else scalar
    labels = (n[1:] for d in arrays.values() for form in d.shape for n in sorted(form.names))
    sizes = tuple(dict.fromkeys([*given, *labels]))
    for name in sizes:
        bindings.setdefault(name, size_form(name))
    return _Signature(bindings, arrays, sizes)


def _check_plain(source: Source, result: Any) -> None:
    name = source.function.__name__
    if result is not None:
        raise source.error(
            source.tree.returns or source.tree,
            f"{name} has a return annotation: an affine function returns None",
            "arrays are updated in place: make the result a parameter",
        )
    if source.function.__defaults__:
        raise source.error(
            source.tree.args.defaults[0],
            f"{name}: parameters of a kernel have no defaults",
            "pass every argument, or take the number from the enclosing scope",
        )


def _argument(source: Source, name: str, annotation: Any) -> TensorData:
    kind = tensor_type(annotation)
    every = (*source.tree.args.posonlyargs, *source.tree.args.args)
    node = next(arg for arg in every if arg.arg == name)
    if kind is None:
        found = "no annotation" if annotation is None else f"{annotation!r:.60}"
        raise source.error(
            node,
            f"parameter {name} of {source.function.__name__} needs a type, found {found}",
            'annotate parameters like A: ls.f64["N M"], alpha: ls.f64 or N: ls.size',
        )
    return _tensor(source, name, kind)


def _tensor(source: Source, name: str, kind: TensorType) -> TensorData:
    where = Signature(source.function.__code__, rf"\b{name}\b(?=\s*:)")
    dtype = kind.dtype.check_supported(where).name
    shape = kind.shape_at(where)
    return TensorData(name, dtype, shape, kind.dims, (False,) * len(shape))


# ---- the body -----------------------------------------------------------------------------------
def _read_body(source: Source, signature: _Signature, trace: Trace) -> tuple[list[Draft], Locals]:
    """Read the body until the dtypes of private numbers are known."""
    locals_ = Locals(source.tree, frozenset(signature.arrays), frozenset(signature.sizes))
    for _ in range(MOST_READINGS):
        scope = Scope(source, dict(signature.bindings))
        drafts = Walker(source, scope, locals_).run()
        if locals_.is_settled():
            return drafts, locals_
        locals_ = locals_.again(settled(locals_.learned(), locals_.dtypes))
    raise source.error(source.tree.body[0], "the dtypes of local numbers depend on each other")


# ---- the program --------------------------------------------------------------------------------
class _Builder:
    """Turns drafts into a program."""

    def __init__(
        self, source: Source, signature: _Signature, drafts: Sequence[Draft],
        locals_: dict[str, TensorData],
    ) -> None:  # fmt: skip
        self.source = source
        self.signature = signature
        self.drafts = drafts
        self.locals = locals_

    def program(self, reassociate: bool) -> Program:
        requirements = tuple(self._requirements())
        statements = list(map(self._statement, self.drafts))
        if reassociate:
            statements = fold_initial_values(statements)
        names = statement_names([s.write.array for s in statements])
        named = [replace(s, name=name) for s, name in zip(statements, names)]
        return Program(
            name=self.source.function.__name__,
            sizes=self.signature.sizes,
            arrays=tuple(self._arrays()),
            statements=tuple(_with_dense_orders(named)),
            reassociate=reassociate,
            requirements=requirements,
        )

    def _requirements(self) -> Iterable[Requirement]:
        """Yield what keeps accesses inside their arrays, once each."""
        found: dict[Any, Requirement] = {}
        for draft in self.drafts:
            for access in dict.fromkeys((draft.write, *draft.reads)):
                for r in check_access(self.source, access, draft.constraints):
                    found.setdefault((r.left, r.relation, r.right, r.when), r)
        return found.values()

    def _arrays(self) -> Iterable[Array]:
        written = {d.write.array.name for d in self.drafts}
        read = {a.array.name for d in self.drafts for a in d.reads}
        for data in self.signature.arrays.values():
            role = "inout" if data.name in written else "input" if data.shape else "scalar"
            yield Array(data.name, data.dtype, data.shape, role)  # type: ignore[arg-type]
        for data in self.locals.values():
            if data.name in written:
                yield Array(data.name, data.dtype, data.shape, "temporary")
            elif data.name in read:
                raise self._never_filled(data)

    def _never_filled(self, data: TensorData) -> FrontendError:
        access = next(a for d in self.drafts for a in d.reads if a.array is data)
        return self.source.error(
            access.node,
            f"{data.name} is read, but nothing assigns to its elements",
            f"assign to {usage(data)} first",
        )

    def _statement(self, draft: Draft) -> Statement:
        names = loop_names(draft.indices)
        loops = {token: affine(loop) for token, loop in names.items() if token != loop}
        update = find_update(draft)
        reduction, value = update if update is not None else (None, draft.value)
        self._check_size(draft)

        def over(form: Affine) -> Affine:
            return form.substitute(loops)

        return Statement(
            name="",
            indices=tuple(names.values()),
            constraints=tuple(map(over, draft.constraints)),
            write=Access(draft.write.array.name, tuple(map(over, draft.write.subscripts))),
            expr=_expression(value, over),
            reduction=reduction,
            order=draft.order,
        )

    def _check_size(self, draft: Draft) -> None:
        if _node_count(draft.value, {}) > LARGEST_EXPRESSION:
            raise self.source.error(
                draft.node, "this expression is too large", "assign parts of it to local names"
            )


def _node_count(node: Node, known: dict[Node, int]) -> int:
    if node not in known:
        known[node] = 1 + sum(_node_count(arg, known) for arg in node.args)
    return known[node]


def _expression(node: Node, over: Callable[[Affine], Affine]) -> Expr:
    """Return the expression of a graph node, its forms over loop names."""
    if node.kind == "const":
        return Const(node.payload.value, node.dtype)
    if node.kind == "index":
        return IndexValue(over(node.payload))
    if node.kind == "load":
        data, subscripts = node.payload
        return Load(data.name, tuple(map(over, subscripts)), node.dtype)
    assert node.kind == "op", node.kind
    return Op(node.payload, tuple(_expression(arg, over) for arg in node.args), node.dtype)


def _with_dense_orders(statements: Sequence[Statement]) -> list[Statement]:
    """Number the positions in every body from 0 without gaps."""
    places: dict[tuple[int, ...], set[int]] = {}
    for s in statements:
        for depth, position in enumerate(s.order):
            places.setdefault(s.order[:depth], set()).add(position)
    ranks = {body: {p: n for n, p in enumerate(sorted(found))} for body, found in places.items()}
    return [
        replace(s, order=tuple(ranks[s.order[:d]][p] for d, p in enumerate(s.order)))
        for s in statements
    ]
