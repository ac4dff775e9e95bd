"""The slow path of a call: bind arguments, check them, find out sizes; or say what is wrong.

Role: everything a call needs the first time a signature is seen, or when the fast path
(``_loopnest.Callable``) found a mismatch. Input: a program and what the caller passed. Output: a
:class:`PreparedCall`, whose values the fast path accepts. Nothing is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import index, is_
from typing import TYPE_CHECKING, Any

from loopstack import _loopnest
from loopstack.errors import ArgumentError, InternalError, ShapeError
from loopstack.ir.expr import ITEM_SIZE_BYTES
from loopstack.ir.program import Array, Program
from loopstack.runtime.buffers import ArrayInfo, common_kind, describe, refuse_overlap
from loopstack.scalars import scalar_argument

if TYPE_CHECKING:
    from loopstack.kernel import Kernel

Strides = Mapping[str, tuple[int, ...]]
RELEASE_GIL_FLOPS = 100_000
"""Below this a call is over sooner than the interpreter lock is handed back."""


@dataclass(frozen=True)
class PreparedCall:
    """Checked arguments: what to pass on, and the signature they have."""

    values: tuple[Any, ...]
    out: Any
    sizes: Mapping[str, int]
    strides: Strides
    given_out: Any = None

    def run(self, target: Any) -> Any:
        """Call ``target`` with the checked arguments; return the very ``out`` that was given."""
        if self.out is None:
            return target(*self.values)
        target(*self.values, out=self.out)
        return self.given_out


def prepare(
    program: Program, args: tuple[Any, ...], kwargs: Mapping[str, Any],
    known: Mapping[str, int] | None = None, parameters: Sequence[str] = (),
) -> PreparedCall:  # fmt: skip
    """Check the arguments of a call of ``program`` and return its signature.

    ``known`` are sizes that are already fixed; ``parameters`` the order of arguments where sizes
    are among them. Raises ArgumentError (number, rank, dtype, device, overlap) and ShapeError
    (extents).
    """
    from loopstack.frontend.sizes import infer_sizes

    out = kwargs.get("out")
    names = list(parameters) or _parameters(program)
    values = _bind(program, names, args, {n: v for n, v in kwargs.items() if n != "out"})
    given_sizes = _take_sizes(program, values)
    for array in program.arguments:
        if array.role == "scalar":
            values[array.name] = scalar_argument(array, values[array.name])
    infos = {a.name: describe(values[a.name], a.name, write=a.role == "inout")
             for a in _arrays(program)}  # fmt: skip
    for array in _arrays(program):
        _check_type(array, infos[array.name])
    kind = common_kind(list(infos.values()))
    shapes = {name: info.shape for name, info in infos.items()}
    sizes = infer_sizes(program, shapes, _merged(program, known or {}, given_sizes))
    given = _describe_outputs(program, sizes, out)
    _check_kinds(kind, given)
    _check_overlap(program, infos, given)
    strides = _odd_strides({**infos, **given})
    passed = tuple(_passed(n, values, infos, sizes) for n in names)
    owners = tuple(info.owner for info in given.values())
    to_fill = owners[0] if len(owners) == 1 else owners or None
    return PreparedCall(passed, to_fill, sizes, strides, _unwrapped(out))


def _unwrapped(out: Any) -> Any:
    """One output may be given as a tuple of one, as to a NumPy function."""
    return out[0] if isinstance(out, tuple) and len(out) == 1 else out


def _arrays(program: Program) -> list[Array]:
    return [a for a in program.arguments if a.role in ("input", "inout")]


def _parameters(program: Program) -> list[str]:
    return [a.name for a in program.arguments if a.role != "output"]


def size_parameters(program: Program, parameters: Sequence[str]) -> list[str]:
    """Return the parameters that are sizes."""
    arrays = frozenset(_parameters(program))
    return [name for name in parameters if name not in arrays]


def _take_sizes(program: Program, values: dict[str, Any]) -> dict[str, int]:
    """Remove the sizes among the arguments and return them. Raises ArgumentError."""
    found = {}
    for name in size_parameters(program, list(values)):
        value = values.pop(name)
        try:
            found[name] = index(value)
        except TypeError:
            text = f"{program.name}() needs an integer for size {name}, found {value!r:.60}"
            raise ArgumentError(text) from None
    return found


def _merged(program: Program, known: Mapping[str, int], given: Mapping[str, int]) -> dict[str, int]:
    for name, value in given.items():
        if known.get(name, value) != value:
            raise ShapeError(
                f"{program.name} is specialised for {name}={known[name]}, found {name}={value}"
            )
    return {**known, **given}


def _passed(
    name: str, values: Mapping[str, Any], infos: Mapping[str, ArrayInfo], sizes: Mapping[str, int]
) -> Any:
    if name in infos:
        return infos[name].owner
    return values[name] if name in values else sizes[name]


def _bind(
    program: Program, names: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    if len(args) > len(names):
        raise ArgumentError(
            f"{program.name}() takes {len(names)} arguments ({', '.join(names)}), found {len(args)}"
        )
    values = dict(zip(names, args))
    for name, value in kwargs.items():
        if name not in names:
            raise ArgumentError(
                f"{program.name}() has no parameter {name!r}: expected {', '.join(names)} or out"
            )
        if name in values:
            raise ArgumentError(f"{program.name}() got argument {name!r} twice")
        values[name] = value
    # A size that is left out may follow from the arrays.
    missing = [n for n in names if n not in values and n not in program.sizes]
    if missing:
        raise ArgumentError(f"{program.name}() is missing argument {', '.join(missing)}")
    return {name: values[name] for name in names if name in values}


def _check_type(array: Array, info: ArrayInfo) -> None:
    if info.dtype != array.dtype:
        raise ArgumentError(
            f"argument {array.name} must have dtype {array.dtype}, found {info.dtype}: "
            f"pass {_cast_hint(array, info)}"
        )
    if len(info.shape) != len(array.shape):
        raise ArgumentError(
            f"argument {array.name} must have rank {len(array.shape)} ({_dims(array)}), "
            f"found rank {len(info.shape)} with shape {info.shape}"
        )


def _check_output(array: Array, info: ArrayInfo, expected: tuple[int, ...]) -> None:
    if info.dtype != array.dtype:
        raise ArgumentError(f"out has dtype {info.dtype}, but the result has dtype {array.dtype}")
    if info.shape != expected:
        raise ShapeError(f"out has shape {info.shape}, but the result has shape {expected}")


def _cast_hint(array: Array, info: ArrayInfo) -> str:
    from loopstack.ir.operators import NUMPY_DTYPE

    name = NUMPY_DTYPE[array.dtype]
    if info.kind == "torch":
        return f"{array.name}.to(torch.{name})"
    return f"{array.name}.astype(np.{name})"


def _dims(array: Array) -> str:
    return " ".join(str(form).replace("$", "") for form in array.shape) or "a scalar"


# ---- outputs ------------------------------------------------------------------------------------
def _describe_outputs(program: Program, sizes: Mapping[str, int], out: Any) -> dict[str, ArrayInfo]:
    """Return the memory of ``out=`` by array name; empty when it was not given."""
    if out is None:
        return {}
    outputs = [a for a in program.arguments if a.role == "output"]
    given = out if isinstance(out, tuple) else (out,)
    if not outputs:
        raise ArgumentError(f"{program.name}() updates its arrays in place and takes no out=")
    if len(given) != len(outputs):
        raise ArgumentError(
            f"out= needs {len(outputs)} array{'s' if len(outputs) > 1 else ''} "
            f"({', '.join(a.name for a in outputs)}), found {len(given)}"
        )
    values = program.size_values(dict(sizes))
    described = {}
    for array, value in zip(outputs, given):
        info = describe(value, "out", write=True)
        _check_output(array, info, tuple(form.evaluate(values) for form in array.shape))
        described[array.name] = info
    return described


def _check_kinds(kind: str, given: Mapping[str, ArrayInfo]) -> None:
    for info in given.values():
        if info.kind != kind:
            raise ArgumentError(
                f"out is a {info.kind} array but the arguments are {kind} arrays: pass one kind"
            )


def _check_overlap(
    program: Program, infos: Mapping[str, ArrayInfo], given: Mapping[str, ArrayInfo]
) -> None:
    everything = {**infos, **given}
    written = [a.name for a in program.arguments if a.role == "inout"] + list(given)
    for name in written:
        others = [(n, info) for n, info in everything.items() if n != name]
        refuse_overlap("out" if name in given else name, everything[name], others)


# ---- strides ------------------------------------------------------------------------------------
def _odd_strides(infos: Mapping[str, ArrayInfo]) -> dict[str, tuple[int, ...]]:
    """Return element strides of the arrays that are not dense row-major."""
    return {name: info.strides for name, info in infos.items() if not _is_dense(info)}


def _is_dense(info: ArrayInfo) -> bool:
    step = ITEM_SIZE_BYTES[info.dtype]
    for extent, stride in zip(reversed(info.shape), reversed(info.strides_bytes)):
        if extent == 0:
            return True
        if extent != 1 and stride != step:
            return False
        step *= extent
    return True


# ---- the fast object ----------------------------------------------------------------------------
Row = tuple[str, str, str, Sequence[int], Sequence[int], Any]


def argument_row(array: Array, strides: Strides, role: str | None = None, value: Any = None) -> Row:
    """Return what ``_loopnest.Callable`` wants to know about one argument."""
    shape = tuple(form.const for form in array.shape)
    item = ITEM_SIZE_BYTES[array.dtype]
    odd = strides.get(array.name)
    steps = _dense_bytes(shape, item) if odd is None else tuple(s * item for s in odd)
    return (array.name, array.dtype, role or array.role, shape, steps, value)


def _dense_bytes(shape: tuple[int, ...], item: int) -> tuple[int, ...]:
    steps, step = [], item
    for extent in reversed(shape):
        steps.append(step)
        step *= max(extent, 1)
    return tuple(reversed(steps))


def make_callable(kernel: Kernel, rows: Sequence[Row] | None = None) -> Any:
    """Return the C++ object that checks arguments and runs ``kernel``."""
    if rows is None:
        rows = [argument_row(a, kernel.specialization.strides) for a in kernel.program.arguments]
    release = _work(kernel.program) > RELEASE_GIL_FLOPS
    return _loopnest.Callable(
        kernel.compiled.loaded, tuple(rows), kernel.call_slowly, kernel.threads, release,
        kernel.program.name,
    )  # fmt: skip


def make_entry(kernel: Kernel, parameters: Sequence[str]) -> Any:
    """Return the object for calls that pass sizes among the arrays."""
    arrays, spec = kernel.program.array_by_name, kernel.specialization
    sizes = frozenset(size_parameters(kernel.program, parameters))
    rows: list[Row] = [
        (name, "i64", "size", (), (), spec.sizes[name])
        if name in sizes
        else argument_row(arrays[name], spec.strides)
        for name in parameters
    ]
    outputs = [a for a in kernel.program.arguments if a.role == "output"]
    return make_callable(kernel, rows + [argument_row(a, spec.strides) for a in outputs])


def _work(program: Program) -> int:
    from loopstack.schedule.access_shape import statement_shape

    return sum(statement_shape(program, s, {}).flops for s in program.statements)


def call_exactly(kernel: Kernel, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a specialised kernel with arguments its fast path did not take.

    Raises the error that says why they do not fit; adapts objects that only look different.
    """
    spec = kernel.specialization
    arrays = _parameters(spec.program)
    full = len(args) + len(kwargs) > len(arrays) and len(spec.parameters) > len(arrays)
    call = prepare(spec.program, args, kwargs, spec.sizes, spec.parameters if full else ())
    if full:
        values = dict(zip(spec.parameters, call.values))
        call = replace(call, values=tuple(values[name] for name in arrays))
    if dict(call.strides) != dict(spec.strides):
        odd = sorted(set(call.strides.items()) ^ set(spec.strides.items()))[0][0]
        raise ArgumentError(
            f"argument {odd} has other strides than this kernel was specialised for "
            f"(found {call.strides.get(odd, 'dense')}, expected "
            f"{spec.strides.get(odd, 'dense')} elements): "
            f"specialise with like=, or call {spec.program.name} itself"
        )
    unchanged = len(call.values) == len(args) and all(map(is_, call.values, args))
    if unchanged and call.out is kwargs.get("out"):
        raise InternalError(f"{spec.program.name}: arguments fit but were not taken", repr(kernel))
    return call.run(kernel.callable)
