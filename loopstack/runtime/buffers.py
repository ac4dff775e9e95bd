"""Arrays of callers: NumPy arrays, torch CPU tensors and anything with DLPack, seen as memory.

Role: the slow path of a call. :func:`describe` turns an object into an :class:`ArrayInfo` or
raises the error the user sees; :func:`allocate` makes outputs of the same kind as the inputs. The
fast path (csrc/bindings/match.hpp) knows the same rules and never raises. torch is used only if
the caller has imported it: a tensor cannot exist otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from loopstack import _loopnest
from loopstack.errors import ArgumentError

Kind = Literal["numpy", "torch"]

_NUMPY_DTYPES = {
    "bool_": "bool",
    "i8": "int8",
    "u8": "uint8",
    "i32": "int32",
    "i64": "int64",
    "f16": "float16",
    "bf16": "bfloat16",
    "f32": "float32",
    "f64": "float64",
}
_BY_LIBRARY_NAME = {theirs: ours for ours, theirs in _NUMPY_DTYPES.items()}
ITEM_BYTES = {
    "bool_": 1, "i8": 1, "u8": 1, "i32": 4, "i64": 8, "f16": 2, "bf16": 2, "f32": 4, "f64": 8,
}  # fmt: skip


@dataclass(frozen=True)
class ArrayInfo:
    """An array as memory: what a kernel's signature is made from.

    ``owner`` keeps the memory alive; ``address`` is that of element zero.
    """

    kind: Kind
    dtype: str
    shape: tuple[int, ...]
    strides_bytes: tuple[int, ...]
    address: int
    writeable: bool
    owner: Any = field(repr=False, compare=False)

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides in elements."""
        return tuple(s // ITEM_BYTES[self.dtype] for s in self.strides_bytes)


def is_tensor(value: object) -> bool:
    """Return whether ``value`` is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, getattr(torch, "Tensor", ()))


def describe(value: object, name: str, *, write: bool = False) -> ArrayInfo:
    """Return the memory of a caller's array.

    ``name`` is the parameter's name for error messages; ``write``: the kernel will write it.
    Raises ArgumentError for anything a kernel cannot take as it is; nothing is ever copied.
    """
    info = _describe_tensor(value, name) if is_tensor(value) else _describe_array(value, name)
    if write and not info.writeable:
        raise ArgumentError(f"argument {name} is written by the kernel but is read-only")
    if write and _elements_share_memory(info):
        raise ArgumentError(
            f"argument {name} is written by the kernel but has elements that share memory "
            f"(shape {info.shape}, strides {info.strides_bytes} bytes): pass a copy"
        )
    return info


# ---- NumPy and DLPack ---------------------------------------------------------------------------


def _describe_array(value: object, name: str) -> ArrayInfo:
    array = _as_numpy(value, name)
    dtype = _BY_LIBRARY_NAME.get(array.dtype.name)
    if dtype is None:
        raise _unsupported_dtype(name, str(array.dtype))
    if not array.dtype.isnative:
        raise ArgumentError(
            f"argument {name} has the byte order of another machine ({array.dtype.str}): "
            f"pass {name}.astype({array.dtype.name!r})"
        )
    if not array.flags.aligned:
        raise ArgumentError(
            f"argument {name} is not aligned to its {array.itemsize}-byte elements: "
            f"pass {name}.copy()"
        )
    address = array.__array_interface__["data"][0]
    writeable = bool(array.flags.writeable)
    return ArrayInfo("numpy", dtype, array.shape, array.strides, address, writeable, array)


def _as_numpy(value: object, name: str) -> np.ndarray[Any, Any]:
    if isinstance(value, np.ma.MaskedArray):
        raise ArgumentError(
            f"argument {name} is a masked array and kernels know no masks: pass {name}.filled(...)"
        )
    if isinstance(value, np.ndarray):
        return value.view(np.ndarray) if type(value) is not np.ndarray else value
    if hasattr(value, "__dlpack__") and not isinstance(value, (np.generic, type)):
        return _from_dlpack(value, name)
    raise ArgumentError(
        f"argument {name} must be a NumPy array, a torch CPU tensor or an object with __dlpack__, "
        f"found {_type_name(value)}{_hint_for(value, name)}"
    )


def _hint_for(value: object, name: str) -> str:
    listed = isinstance(value, (list, tuple, int, float, np.generic))
    return f": pass np.asarray({name}, dtype=...)" if listed else ""


def _from_dlpack(value: Any, name: str) -> np.ndarray[Any, Any]:
    cpu = 1  # kDLCPU
    try:
        device = tuple(map(int, value.__dlpack_device__()))
        if device[0] == cpu:
            return np.from_dlpack(value)
    except Exception as error:  # whatever a foreign object raises is said about the argument
        raise ArgumentError(f"argument {name} cannot be read through DLPack: {error}") from error
    raise ArgumentError(
        f"argument {name} is on DLPack device {device}; kernels run on the CPU, device (1, 0)"
    )


# ---- torch --------------------------------------------------------------------------------------


def _describe_tensor(tensor: Any, name: str) -> ArrayInfo:
    _refuse_unusual_tensor(tensor, name)
    library_name = str(tensor.dtype).removeprefix("torch.")
    dtype = _BY_LIBRARY_NAME.get(library_name)
    if dtype is None:
        raise _unsupported_dtype(name, str(tensor.dtype))
    item = ITEM_BYTES[dtype]
    strides_bytes = tuple(s * item for s in tensor.stride())
    address = _address(tensor, name)
    if address % item:
        raise ArgumentError(
            f"argument {name} is not aligned to its {item}-byte elements: pass {name}.clone()"
        )
    owner = _as_plain_tensor(tensor)
    return ArrayInfo("torch", dtype, tuple(tensor.shape), strides_bytes, address, True, owner)


def _address(tensor: Any, name: str) -> int:
    try:
        return int(tensor.data_ptr())
    except RuntimeError as error:
        raise ArgumentError(
            f"argument {name} is a tensor without memory of its own, as inside torch.vmap or "
            "torch.compile: kernels take plain tensors"
        ) from error


def _as_plain_tensor(tensor: Any) -> Any:
    """Return a Parameter or other subclass as the torch.Tensor that the fast path takes."""
    plain = sys.modules["torch"].Tensor
    return tensor if type(tensor) is plain else tensor.detach().as_subclass(plain)


def _refuse_unusual_tensor(tensor: Any, name: str) -> None:
    if tensor.device.type != "cpu":
        raise ArgumentError(
            f"argument {name} is on device {tensor.device}; kernels run on the CPU: "
            f"pass {name}.cpu()"
        )
    if str(tensor.layout) != "torch.strided":
        raise ArgumentError(
            f"argument {name} has layout {tensor.layout}; kernels take strided tensors: "
            f"pass {name}.to_dense()"
        )
    if tensor.requires_grad:
        raise ArgumentError(
            f"argument {name} requires grad and kernels record no gradients: pass {name}.detach()"
        )
    if tensor.is_conj() or tensor.is_neg():
        raise ArgumentError(
            f"argument {name} is a lazily negated view: pass {name}.resolve_conj().resolve_neg()"
        )


# ---- outputs ------------------------------------------------------------------------------------


def common_kind(infos: Sequence[ArrayInfo]) -> Kind:
    """Return the kind outputs are made in: torch when the arrays are tensors, else numpy.

    Raises ArgumentError for a mixture.
    """
    kinds = {info.kind for info in infos}
    if len(kinds) > 1:
        raise ArgumentError(
            "a call takes NumPy arrays or torch tensors, not both: "
            "pass tensor.numpy() or torch.from_numpy(array)"
        )
    return kinds.pop() if kinds else "numpy"


def allocate(shape: Sequence[int], dtype: str, kind: Kind) -> Any:
    """Return a new row-major array of the given kind; its contents are undefined."""
    if kind == "torch":
        torch: Any = sys.modules["torch"]
        library_dtype = getattr(torch, _NUMPY_DTYPES[dtype])
        return torch.empty(tuple(shape), dtype=library_dtype, device="cpu")
    if dtype == "bf16":
        raise ArgumentError("NumPy has no bf16: call with torch tensors, or cast to f32")
    return np.empty(tuple(shape), dtype=_NUMPY_DTYPES[dtype])


# ---- aliasing -----------------------------------------------------------------------------------


def overlaps(a: ArrayInfo, b: ArrayInfo) -> bool:
    """Return whether two arrays can share memory.

    Interleaved elements and blocks side by side do not; what cannot be decided quickly counts as
    sharing. The fast path uses the same test.
    """
    return _loopnest.may_share(_memory(a), _memory(b))


def _memory(info: ArrayInfo) -> tuple[int, tuple[int, ...], tuple[int, ...], int]:
    return info.address, info.shape, info.strides_bytes, ITEM_BYTES[info.dtype]


def refuse_overlap(written: str, info: ArrayInfo, others: Sequence[tuple[str, ArrayInfo]]) -> None:
    """Raise ArgumentError when the array written as ``written`` shares memory with another."""
    for name, other in others:
        if overlaps(info, other):
            raise ArgumentError(
                f"argument {written} is written by the kernel and shares memory with argument "
                f"{name}: pass a copy of one of them"
            )


def _elements_share_memory(info: ArrayInfo) -> bool:
    """Decide exactly enough: sorted strides that each clear the box below them are distinct."""
    if 0 in info.shape:
        return False
    reach = ITEM_BYTES[info.dtype]
    for stride, extent in sorted((abs(s), n) for n, s in zip(info.shape, info.strides_bytes)):
        if extent > 1 and stride < reach:
            return True
        reach += stride * (extent - 1)
    return False


# ---- wording ------------------------------------------------------------------------------------


def _unsupported_dtype(name: str, found: str) -> ArgumentError:
    supported = " ".join(_NUMPY_DTYPES.values())
    return ArgumentError(f"argument {name} has dtype {found}; supported are {supported}")


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
