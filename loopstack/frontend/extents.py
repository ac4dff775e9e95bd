"""How far each index runs, per statement, as forms over sizes.

An index used only bare runs over the extent of what it subscripts, and all of them have to agree.
Used in a compound subscript somewhere, it runs over the largest box from 0 that keeps every access
in bounds: the least of its candidates. What cannot be decided for all sizes becomes a
:class:`Requirement` of the program, checked when sizes are known, or a derived size (a minimum).

A subscript with several indices bounds the one that has no other candidate; if all have one, it
bounds the only index of it that no reduction binds (``y[i]`` and ``x[i + k] * w[k]``: i).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loopstack.diagnostics import Location, Origin, frontend_error
from loopstack.frontend.graph import Node, TensorData, Trace, display, index_tokens
from loopstack.frontend.ranges import UNBOUNDED, at_least_zero, largest_extent, never, span
from loopstack.frontend.text import form_text
from loopstack.ir.affine import ZERO, Affine, affine
from loopstack.ir.program import Requirement


@dataclass(frozen=True)
class Extent:
    """``soft``: from a compound subscript, so a reader may run over less."""

    form: Affine
    soft: bool


@dataclass(frozen=True)
class Use:
    """One dimension of one access: ``0 <= subscript < size`` has to hold."""

    subscript: Affine
    size: Affine
    soft: bool
    array: str
    dimension: int
    label: str
    text: str
    origin: Origin | Location | None
    tokens: tuple[str, ...]

    @property
    def is_bare(self) -> bool:
        return len(self.tokens) == 1 and self.subscript == affine(self.tokens[0])

    @property
    def place(self) -> str:
        return f"{self.array} dimension {self.dimension}"


@dataclass
class Candidate:
    form: Affine
    soft: bool
    place: str
    origin: Origin | Location | None


class Storage:
    """Extents of every stored node of a trace; solved once, producers first."""

    def __init__(self, trace: Trace, extra_roots: frozenset[Node] = frozenset()) -> None:
        self.trace = trace
        self.extra_roots = extra_roots
        self.solved: dict[Node, dict[str, Extent]] = {}

    def is_root(self, node: Node) -> bool:
        """Return whether ``node`` is a statement of its own."""
        return node.is_stored or node in self.trace.names or node in self.extra_roots

    def extents(self, root: Node) -> dict[str, Extent]:
        """Return the extent of every index of ``root``'s statement, bound ones included."""
        if root not in self.solved:
            self.solved[root] = _Solver(self, root).solve()
        return self.solved[root]

    def shape(
        self, root: Node, tokens: tuple[str, ...]
    ) -> tuple[tuple[Affine, ...], tuple[bool, ...]]:
        """Return extents of the array that stores ``root``, and which of them are soft."""
        found = self.extents(root)
        return tuple(found[t].form for t in tokens), tuple(found[t].soft for t in tokens)

    def interior(self, root: Node) -> Iterator[Node]:
        """Yield the nodes of ``root``'s statement and the roots it reads, each once."""
        seen: set[Node] = {root}
        stack = [root]
        while stack:
            node = stack.pop()
            yield node
            if node is root or not self.is_root(node):
                fresh = [a for a in node.args if a not in seen]
                seen.update(fresh)
                stack.extend(reversed(fresh))

    def resolve(self, form: Affine, root: Node) -> Affine:
        """Replace extents of indices (``#i``) in a form of ``root``'s statement by sizes."""
        marks = [n for n in form.names if n[0] == "#"]
        if not marks:
            return form
        return form.substitute({mark: self._extent_of(mark[1:], root) for mark in marks})

    def _extent_of(self, mark: str, root: Node) -> Affine:
        number, _, token = mark.partition(".")
        if token:
            return self.extents(self.trace.nodes[int(number)])[token].form
        found = self.extents(root).get(mark)
        return found.form if found is not None else self._extent_anywhere(mark)

    def _extent_anywhere(self, token: str) -> Affine:
        """Return the extent of an index that another statement uses."""
        forms = set()
        for node in list(self.trace.nodes):
            if self.is_root(node) and token in _statement_tokens(node):
                forms.add(self.extents(node)[token].form)
        if len(forms) == 1:
            return forms.pop()
        raise frontend_error(
            f"the extent of index {display(token)} is "
            + ("not known" if not forms else "not one number in this kernel"),
            hint="ls.extent(i) needs an index that subscripts an array",
        )


def _statement_tokens(root: Node) -> tuple[str, ...]:
    return (*root.free, *(root.payload[1] if root.kind == "reduce" else ()))


class _Solver:
    """Solve the extents of one statement."""

    def __init__(self, storage: Storage, root: Node) -> None:
        self.storage = storage
        self.root = root
        self.bound: frozenset[str] = frozenset(root.payload[1] if root.kind == "reduce" else ())
        self.tokens = _statement_tokens(root)
        self.uses = list(self._collect())
        self.candidates: dict[str, list[Candidate]] = {t: [] for t in self.tokens}
        self.extents: dict[str, Affine] = {}
        self.soft: dict[str, bool] = {}
        self.settled: set[int] = set()
        self.bounded_above: set[int] = set()

    def solve(self) -> dict[str, Extent]:
        self._explicit()
        self._bare_and_single()
        self._joint()
        if self._ask_elsewhere():
            self._joint()
        for token in self.tokens:
            if token not in self.extents:
                self._finish(token)
        for number, use in enumerate(self.uses):
            if number not in self.settled:
                self._check_bounds(use, number in self.bounded_above)
        self._check_not_empty()
        return {t: Extent(self.extents[t], self.soft[t]) for t in self.tokens}

    # ---- what is used -------------------------------------------------------------------------
    def _collect(self) -> Iterator[Use]:
        for node in self.storage.interior(self.root):
            if node.kind == "load":
                yield from _load_uses(node)
            elif node is not self.root and self.storage.is_root(node):
                yield from self._stored_uses(node)

    def _stored_uses(self, node: Node) -> Iterator[Use]:
        name = self.storage.trace.names.get(node) or self.storage.trace.labels.get(node, "value")
        text = f"{name}[{', '.join(map(display, node.free))}]"
        for d, token in enumerate(node.free):
            extent = self.storage.extents(node)[token]
            origin = self.root.origin or node.origin
            yield Use(
                affine(token),
                extent.form,
                extent.soft,
                name,
                d,
                display(token),
                text,
                origin,
                (token,),
            )

    # ---- candidates ---------------------------------------------------------------------------
    def _explicit(self) -> None:
        for token in self.tokens:
            _, given, text = token.partition("=")
            if given:
                from loopstack.ir.reader import read_affine

                self.extents[token] = read_affine(text)
                self.soft[token] = False

    def _bare_and_single(self) -> None:
        for number, use in enumerate(self.uses):
            if len(use.tokens) != 1 or use.tokens[0] in self.extents:
                continue
            if use.is_bare:
                self._offer(use.tokens[0], number, use.size, use.soft)
                self.settled.add(number)
            elif not _mentions_extents(use.subscript):
                self._offer_solution(use.tokens[0], number)

    def _offer(self, token: str, number: int, form: Affine, soft: bool) -> None:
        use = self.uses[number]
        self.candidates[token].append(Candidate(form, soft, use.place, use.origin))

    def _offer_solution(self, token: str, number: int) -> None:
        use = self.uses[number]
        form = largest_extent(use.subscript, token, use.size, self.extents)
        if isinstance(form, Affine):
            self._offer(token, number, form, soft=True)
            if use.subscript.coefficient(token) >= 0:
                self.bounded_above.add(number)
        elif form is not UNBOUNDED:
            raise self._unknown(token)

    def _joint(self) -> None:
        """Let subscripts with several indices bound one of them, until nothing changes."""
        waiting = [
            n
            for n, use in enumerate(self.uses)
            if len(use.tokens) > 1 and not _mentions_extents(use.subscript)
        ]
        progress = True
        while waiting and progress:
            targets = {n: self._target(self.uses[n]) for n in waiting}
            progress = False
            for number in list(waiting):
                if self._try_joint(number, targets):
                    waiting.remove(number)
                    del targets[number]
                    progress = True

    def _try_joint(self, number: int, targets: dict[int, str | None]) -> bool:
        """Use subscript ``number`` if all its other indices are final; return whether it was."""
        target = targets[number]
        if target is None:
            return False
        pending = {t for n, t in targets.items() if n != number}
        for token in self.uses[number].tokens:
            if token == target or token in self.extents:
                continue
            if token in pending or not self.candidates[token]:
                return False
            self._finish(token)
        self._offer_solution(target, number)
        return True

    def _target(self, use: Use) -> str | None:
        """Return the index that a joint subscript bounds; None when that is not clear (yet)."""
        unknown = [t for t in use.tokens if t not in self.extents and not self.candidates[t]]
        if len(unknown) == 1:
            return unknown[0]
        free = [t for t in use.tokens if t not in self.bound and t not in self.extents]
        return free[0] if not unknown and len(free) == 1 else None

    # ---- decisions ----------------------------------------------------------------------------
    def _finish(self, token: str) -> None:
        candidates = self.candidates[token]
        if not candidates:
            raise self._unknown(token)
        self.soft[token] = any(c.soft for c in candidates)
        if self.soft[token]:
            self.extents[token] = self._least(token, candidates)
        else:
            self.extents[token] = candidates[0].form
            for other in candidates[1:]:
                self._require_equal(token, candidates[0], other)

    def _require_equal(self, token: str, first: Candidate, other: Candidate) -> None:
        if first.form == other.form:
            return
        if never(first.form - other.form):
            raise frontend_error(
                f"index {display(token)} has two extents: {form_text(first.form)} ({first.place}) "
                f"and {form_text(other.form)} ({other.place})",
                other.origin,
            )
        message = (
            f"index {display(token)} has two extents: {{left}} ({first.place}) "
            f"and {{right}} ({other.place})"
        )
        self._require(first.form, "==", other.form, message)

    def _least(self, token: str, candidates: list[Candidate]) -> Affine:
        forms = list(dict.fromkeys(c.form for c in candidates))
        kept = [f for f in forms if not any(_is_less(g, f, forms) for g in forms if g is not f)]
        form = kept[0] if len(kept) == 1 else self.storage.trace.derive(display(token), tuple(kept))
        for least in kept:
            if not at_least_zero(least):
                message = (
                    f"index {display(token)} has extent {{left}} ({form_text(least)}): "
                    "no position keeps every access in bounds"
                )
                self._require(least, ">=", ZERO, message)
        return form

    def _ask_elsewhere(self) -> bool:
        """Give indices without candidates those of the rest of the kernel; tell if any had one."""
        helped = False
        for token in self.tokens:
            if token not in self.extents and not self.candidates[token]:
                self.candidates[token] = self._elsewhere(token)
                helped = helped or bool(self.candidates[token])
        return helped

    def _elsewhere(self, token: str) -> list[Candidate]:
        """Return what other statements of the kernel say about this index, if they agree."""
        found: dict[Affine, Candidate] = {}
        for node in self.storage.trace.nodes:
            if node.kind == "load" and token in node.free:
                for use in _load_uses(node):
                    if use.is_bare and use.tokens[0] == token:
                        found[use.size] = Candidate(use.size, True, use.place, use.origin)
        return list(found.values()) if len(found) == 1 else []

    def _unknown(self, token: str) -> Exception:
        name = display(token)
        joint = [u for u in self.uses if token in u.tokens]
        where = f"it is used only in {joint[0].text}" if joint else "it subscripts no array"
        others = [display(t) for u in joint[:1] for t in u.tokens if t != token]
        unknown = [t for t in others if t in {display(u) for u in self.tokens} - self._known()]
        both = f", and so is the extent of {unknown[0]}" if unknown else ""
        return frontend_error(
            f"the extent of index {name} is unknown: {where}{both}",
            joint[0].origin if joint else self.root.origin,
            hint=f'give the extent: ls.indices("{name}", {name}=10)',
        )

    def _known(self) -> set[str]:
        have = {t for t in self.tokens if t in self.extents or self.candidates[t]}
        return {display(t) for t in have}

    # ---- checks -------------------------------------------------------------------------------
    def _check_bounds(self, use: Use, bounded_above: bool) -> None:
        """Check an access as far as no extent was chosen for it."""
        subscript = self._resolved(use.subscript)
        low, high = span(subscript, self.extents)
        self._check_low(use, low)
        room = use.size - 1 - high
        if bounded_above or at_least_zero(room):
            return
        if room.is_constant or at_least_zero(-room - 1):
            raise frontend_error(
                f"{use.text} reaches {form_text(high)}, "
                f"but {use.place} has extent {form_text(use.size)}",
                use.origin,
            )
        message = f"{use.place} has extent {{left}}, but {use.text} needs {{right}}"
        self._require(use.size, ">=", high + 1, message)

    def _resolved(self, form: Affine) -> Affine:
        marks = {n: self.extents[n[1:]] for n in form.names if n[1:] in self.extents}
        form = form.substitute(marks)
        others = {n: self.storage._extent_of(n[1:], self.root) for n in form.names if n[0] == "#"}
        return form.substitute(others)

    def _check_low(self, use: Use, low: Affine) -> None:
        if at_least_zero(low):
            return
        if low.evaluate(dict.fromkeys(low.names, 2)) < 0 and all(c < 0 for _, c in low.terms):
            raise frontend_error(
                f"{use.text} reaches {form_text(low)}, below 0: an index runs from 0",
                use.origin,
                hint=f"add a border, ls.pad({use.array}, {use.label}=(1, 1)), and subscript that",
            )
        self._require(low, ">=", ZERO, f"{use.text} reaches {{left}}, below 0: use ls.pad")

    def _check_not_empty(self) -> None:
        if self.root.kind != "reduce" or self.root.payload[2]:
            return
        what = self.storage.trace.labels.get(self.root, self.root.payload[0])
        for token in self.root.payload[1]:
            form = self.extents[token]
            if not at_least_zero(form - 1):
                message = (
                    f"{what} over {display(token)}: its extent is {{left}}, "
                    f"and an empty {what} has no value"
                )
                self._require(form, ">=", affine(1), message)

    def _require(self, left: Affine, relation: str, right: Affine, message: str) -> None:
        self.storage.trace.require(Requirement(left, relation, right, message))  # type: ignore[arg-type]


def _is_less(left: Affine, right: Affine, order: list[Affine]) -> bool:
    """Return whether ``left`` is provably the smaller (the earlier one of equals)."""
    if not at_least_zero(right - left):
        return False
    return not at_least_zero(left - right) or order.index(left) < order.index(right)


def _mentions_extents(form: Affine) -> bool:
    return any(n[0] == "#" for n in form.names)


def _load_uses(node: Node) -> Iterator[Use]:
    data: TensorData = node.payload[0]
    subscripts: tuple[Affine, ...] = node.payload[1]
    text = f"{data.name}[{', '.join(map(form_text, subscripts))}]"
    for d, form in enumerate(subscripts):
        tokens = tuple(index_tokens(form))
        yield Use(
            subscript=form,
            size=data.shape[d],
            soft=data.soft[d],
            array=data.name,
            dimension=d,
            label=data.labels[d],
            text=text,
            origin=node.origin,
            tokens=tokens,
        )
