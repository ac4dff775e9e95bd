"""What a program computes, with the names taken out.

Two programs that differ in names of arrays, statements, indices and sizes only have one
``program_key``; ``program_hash`` is its sha256. The key is size-free when the program is: it then
identifies the computation across shapes (records, and the split into training and test sets).
Equality of keys is what decides; the hash only finds candidates.

Names are replaced by position: arrays ``a0 a1 ..`` in declaration order, sizes ``$s0 ..`` and
derived sizes after them, statements ``S0 ..``, and the indices of each statement ``i0 ..``. Error
texts and the order of constraints do not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from loopstack.ir.affine import Affine
from loopstack.ir.expr import Expr, Load, map_subscripts, rewrite
from loopstack.ir.printer import print_program
from loopstack.ir.program import Access, Program, Requirement, Statement

_Rename = Callable[[Affine], Affine]


def program_hash(program: Program) -> str:
    """Return 64 hexadecimal digits: the sha256 of :func:`program_key`."""
    return hashlib.sha256(program_key(program).encode()).hexdigest()


def program_key(program: Program) -> str:
    """Return the text of the program with canonical names."""
    return print_program(canonical_program(program))


def canonical_sizes(program: Program) -> dict[str, str]:
    """Return canonical name of every size, the derived ones included: ``{"m": "s0", ...}``."""
    names = (*_sizes_in_order(program), *(d.name for d in program.derived))
    return {name: f"s{n}" for n, name in enumerate(names)}


def canonical_program(program: Program) -> Program:
    """Return the same computation under canonical names."""
    sizes = canonical_sizes(program)
    arrays = {a.name: f"a{n}" for n, a in enumerate(program.arrays)}
    fix = _renamer({f"${old}": f"${new}" for old, new in sizes.items()})
    return Program(
        name="p",
        sizes=tuple(sizes[s] for s in _sizes_in_order(program)),
        arrays=tuple(
            replace(a, name=arrays[a.name], shape=tuple(map(fix, a.shape))) for a in program.arrays
        ),
        statements=tuple(
            _statement(s, f"S{n}", sizes, arrays) for n, s in enumerate(program.statements)
        ),
        reassociate=program.reassociate,
        derived=tuple(
            replace(d, name=sizes[d.name], forms=_sorted(map(fix, d.forms)))
            for d in program.derived
        ),
        requirements=_requirements(program, fix),
    )


def _renamer(names: dict[str, str]) -> _Rename:
    return lambda form: form.map_names(lambda old: names.get(old, old))


def _sorted(forms: object) -> tuple[Affine, ...]:
    return tuple(sorted(set(forms), key=str))  # type: ignore[call-overload]


def _sizes_in_order(program: Program) -> tuple[str, ...]:
    """Return sizes by first appearance in shapes, so that declaration order does not count."""
    seen: dict[str, None] = {}
    for array in program.arrays:
        for form in array.shape:
            seen.update((n[1:], None) for n in sorted(form.names))
    kept = [s for s in seen if s in program.sizes]
    return (*kept, *(s for s in program.sizes if s not in seen))


def _requirements(program: Program, fix: _Rename) -> tuple[Requirement, ...]:
    """Return the requirements without their texts, equalities written one way round."""
    plain = set()
    for r in program.requirements:
        left, right = fix(r.left), fix(r.right)
        if r.relation == "==" and str(right) < str(left):
            left, right = right, left
        plain.add(Requirement(left, r.relation, right, "", _sorted(map(fix, r.when))))
    return tuple(sorted(plain, key=_requirement_key))


def _requirement_key(r: Requirement) -> tuple[str, ...]:
    return (str(r.left), r.relation, str(r.right), *map(str, r.when))


def _statement(s: Statement, name: str, sizes: dict[str, str], arrays: dict[str, str]) -> Statement:
    renamed = {f"${old}": f"${new}" for old, new in sizes.items()}
    renamed |= {index: f"i{n}" for n, index in enumerate(s.indices)}
    fix = _renamer(renamed)

    def visit(node: Expr) -> Expr:
        return replace(node, array=arrays[node.array]) if isinstance(node, Load) else node

    return Statement(
        name=name,
        indices=tuple(renamed[i] for i in s.indices),
        constraints=_sorted(map(fix, s.constraints)),
        write=Access(arrays[s.write.array], tuple(map(fix, s.write.subscripts))),
        expr=rewrite(map_subscripts(s.expr, fix), visit),
        reduction=s.reduction,
        order=s.order,
    )
