"""The graph a traced kernel builds: hash-consed nodes, tensors, and the trace that owns them.

Equal sub-expressions are one node, so identity is equality and sharing is visible. Indices appear
as *tokens*: the index name, with ``=extent`` appended when the user gave the extent, so that a
given ``k=3`` and an inferred ``k`` are two indices. In forms, names with ``$`` are sizes and names
with ``#`` are extents of indices, resolved when the program is built.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import Any, Union

from loopstack.diagnostics import Location, Origin, frontend_error, user_origin
from loopstack.ir.affine import Affine
from loopstack.ir.operators import OPERATORS
from loopstack.ir.program import DerivedSize, Program, Requirement

WEAK = ("int", "float")
"""Dtypes of values that have not met a typed one yet, like Python numbers in NumPy 2."""


class Node:
    """One value. Compare by identity; make one with :meth:`Trace.node` only.

    ==========  =========================  ====================  ==============================
    kind        payload                    args                  meaning
    ==========  =========================  ====================  ==============================
    const       Exact                                            a number
    index       Affine                                           a form over indices as a number
    load        (TensorData, subscripts)                         one element of a tensor
    op          operator name              operands              an operator
    copy        int                        (value,)              the same value, stored once more
    reduce      (reduction, tokens, total) (body,)               fold of body over the tokens;
                                                                 total: an empty fold is fine
    scan        (reduction, token)         (body,)               running fold along the token
    ==========  =========================  ====================  ==============================
    """

    __slots__ = ("args", "dtype", "free", "heavy", "kind", "number", "origin", "payload")

    def __init__(self, kind: str, payload: Any, args: tuple[Node, ...], dtype: str) -> None:
        self.kind = kind
        self.payload = payload
        self.args = args
        self.dtype = dtype
        self.free: tuple[str, ...] = _free(kind, payload, args)
        self.heavy: bool = _is_heavy(kind, payload, args)
        self.origin: Origin | Location | None = None
        self.number = -1

    @property
    def is_stored(self) -> bool:
        """Whether the node is a statement of its own wherever it appears."""
        return self.kind in ("reduce", "scan", "copy")


def index_tokens(form: Affine) -> list[str]:
    """Return the index tokens of a form in order of appearance."""
    found: dict[str, None] = {}
    for atom, _ in form.terms:
        names = (atom,) if isinstance(atom, str) else sorted(atom.numerator.names)
        found.update((n, None) for n in names if n[0] not in "$#")
    return list(found)


def _free(kind: str, payload: Any, args: tuple[Node, ...]) -> tuple[str, ...]:
    if kind == "index":
        return tuple(index_tokens(payload))
    if kind == "load":
        return tuple(dict.fromkeys(t for form in payload[1] for t in index_tokens(form)))
    if len(args) == 1 and kind != "reduce":
        return args[0].free
    found = dict.fromkeys(t for arg in args for t in arg.free)
    bound = payload[1] if kind == "reduce" else ()
    return tuple(t for t in found if t not in bound)


def _is_heavy(kind: str, payload: Any, args: tuple[Node, ...]) -> bool:
    if kind in ("reduce", "scan"):
        return True
    if kind == "op" and OPERATORS[payload].transcendental:
        return True
    return any(arg.heavy for arg in args)


def display(token: str) -> str:
    """Return the index name the user wrote."""
    return token.partition("=")[0]


# ---- tensors --------------------------------------------------------------------------------
@dataclass(frozen=True)
class Pad:
    source: TensorData
    low: tuple[int, ...]
    high: tuple[int, ...]
    value: float | int | bool


@dataclass(frozen=True)
class Concat:
    sources: tuple[TensorData, ...]
    axis: int


@dataclass(frozen=True)
class Stored:
    """The tensor of an expression; dimensions in the order of ``tokens``."""

    node: Node
    tokens: tuple[str, ...]


@dataclass(eq=False)
class Call:
    """A program called inside a kernel, with the caller's tensors and size forms."""

    program: Program
    tensors: dict[str, TensorData]
    scalars: dict[str, Node]
    sizes: dict[str, Affine]


@dataclass(frozen=True)
class CallOutput:
    call: Call
    array: str


Producer = Union[Pad, Concat, Stored, CallOutput]


@dataclass(eq=False)
class TensorData:
    """A tensor: an argument (no producer) or the result of a producer.

    ``soft[d]`` says that extent d came from a compound subscript: a use of it may be smaller.
    """

    name: str
    dtype: str
    shape: tuple[Affine, ...]
    labels: tuple[str, ...]
    soft: tuple[bool, ...]
    producer: Producer | None = None
    is_named: bool = False

    @property
    def rank(self) -> int:
        return len(self.shape)


# ---- the trace ------------------------------------------------------------------------------
_Key = tuple[Any, ...]


@dataclass(eq=False)
class Trace:
    """Everything recorded while one kernel runs on symbolic tensors.

    ``names`` are what ``ls.named`` gave, ``labels`` what a temporary is called otherwise, and
    ``tensors`` the arrays that named values were made into.
    """

    name: str
    function: object = None
    arguments: list[TensorData] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    names: dict[Node, str] = field(default_factory=dict)
    labels: dict[Node, str] = field(default_factory=dict)
    tensors: dict[Node, TensorData] = field(default_factory=dict)
    derived: list[DerivedSize] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)
    _interned: dict[_Key, Node] = field(default_factory=dict)

    def __enter__(self) -> Trace:
        _stack().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()

    def node(self, kind: str, payload: Any, args: tuple[Node, ...], dtype: str) -> Node:
        """Return the one node of this kind, payload, operands and dtype."""
        key = (kind, payload, dtype, args)
        found = self._interned.get(key)
        if found is None:
            found = Node(kind, payload, args, dtype)
            found.number = len(self.nodes)
            if kind != "op":
                found.origin = user_origin()
            self.nodes.append(found)
            self._interned[key] = found
        return found

    def require(self, requirement: Requirement) -> None:
        """Record what has to hold between sizes, once."""
        unnamed = [replace(r, message="") for r in self.requirements]
        if replace(requirement, message="") not in unnamed:
            self.requirements.append(requirement)

    def derive(self, label: str, forms: tuple[Affine, ...]) -> Affine:
        """Return a size that is the least of ``forms``."""
        for known in self.derived:
            if known.forms == forms:
                return Affine(((f"${known.name}", 1),), 0)
        taken = {*self.sizes, *(d.name for d in self.derived)}
        name = unique(f"{label}_extent", taken)
        self.derived.append(DerivedSize(name, forms))
        return Affine(((f"${name}", 1),), 0)


def unique(wanted: str, taken: set[str]) -> str:
    """Return ``wanted``, or the first of wanted1, wanted2, .. that is not taken."""
    name, number = wanted, 0
    while name in taken:
        number += 1
        name = f"{wanted}{number}"
    return name


_ACTIVE = threading.local()


def _stack() -> list[Trace]:
    if not hasattr(_ACTIVE, "stack"):
        _ACTIVE.stack = []
    return _ACTIVE.stack  # type: ignore[no-any-return]


def traces() -> list[Trace]:
    """Return the traces that are running in this thread, outermost first."""
    return _stack()


def current() -> Trace:
    """Return the trace of the kernel being traced. Raises FrontendError outside one."""
    stack = _stack()
    if not stack:
        raise frontend_error(
            "symbolic values exist only while a kernel is traced",
            hint="move this expression into a function decorated with @ls.kernel",
        )
    return stack[-1]
