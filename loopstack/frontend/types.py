"""Annotations of kernel parameters: ``ls.f32["m k"]``, ``ls.f32``, ``ls.size``.

f32["m k"]       an array of rank 2; m and k are size names (of parameters) or index names
                 (in a return annotation)
f32["3 N+1"]     a dimension is a name, an integer, or an affine form without spaces
f32              a run-time scalar (rank 0)
size             an integer size that may not be carried by any array
"""

from __future__ import annotations

from dataclasses import dataclass

from loopstack.diagnostics import Signature, frontend_error
from loopstack.ir.affine import Affine
from loopstack.ir.expr import DTYPES


@dataclass(frozen=True)
class DType:
    """An element type; as an annotation, a run-time scalar."""

    name: str

    dims: tuple[str, ...] = ()

    def __getitem__(self, dims: object) -> TensorType:
        if not isinstance(dims, str):
            raise frontend_error(
                f"the dimensions of an array are one string, found {dims!r}",
                hint=f'write {self!r}["m n"], with names, integers or forms such as N+1',
            )
        return TensorType(self, tuple(dims.split()))

    def __repr__(self) -> str:
        return f"ls.{self.name}"

    @property
    def is_supported(self) -> bool:
        """Whether programs and the code generator know this dtype."""
        return self.name in DTYPES

    def check_supported(self, where: Signature | None = None) -> DType:
        """Return self. Raises FrontendError for a dtype that only has a name so far."""
        if self.is_supported:
            return self
        raise frontend_error(
            f"{self!r} is not supported yet by the code generator: dtypes are {', '.join(DTYPES)}",
            where,
            hint="store the data as ls.f32 or ls.i32",
        )


@dataclass(frozen=True)
class TensorType:
    """An array annotation; ``dims`` are the texts between the blanks."""

    dtype: DType
    dims: tuple[str, ...]

    def __repr__(self) -> str:
        return f'{self.dtype!r}["{" ".join(self.dims)}"]'

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def shape(self) -> tuple[Affine, ...]:
        """The dimensions as forms over sizes (``$m``). Raises FrontendError."""
        return self.shape_at(None)

    def shape_at(self, where: Signature | None) -> tuple[Affine, ...]:
        """Return the shape; an error points at ``where``."""
        return tuple(_dimension(text, self, where) for text in self.dims)


def _dimension(text: str, whole: TensorType, where: Signature | None) -> Affine:
    if text.isidentifier() and text.isascii():
        return Affine(((f"${text}", 1),), 0)
    # The reader is needed for the rare dimension that is more than a name or an integer.
    from loopstack.ir.reader import ProgramSyntaxError, read_affine

    try:
        return read_affine(text, lambda name: f"${name}")
    except ProgramSyntaxError as error:
        raise frontend_error(
            f"{whole!r}: {text!r} is not a dimension ({error})",
            where,
            hint='a dimension is a name, an integer, or an affine form without blanks: "N+1 2*M"',
        ) from None


class Size:
    """The annotation ``ls.size``: an integer that may appear in shapes and extents."""

    dims: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "ls.size"


f16 = DType("f16")
bf16 = DType("bf16")
f32 = DType("f32")
f64 = DType("f64")
i8 = DType("i8")
u8 = DType("u8")
i32 = DType("i32")
i64 = DType("i64")
bool_ = DType("bool_")
size = Size()

ALL_DTYPES = {d.name: d for d in (f16, bf16, f32, f64, i8, u8, i32, i64, bool_)}


def tensor_type(annotation: object) -> TensorType | None:
    """Return an array or scalar annotation as a TensorType; None when it is neither."""
    if isinstance(annotation, DType):
        return TensorType(annotation, ())
    return annotation if isinstance(annotation, TensorType) else None
