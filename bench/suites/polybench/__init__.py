"""The 30 kernels of PolyBench/C 4.2.1 as ``@ls.affine`` functions, one file each.

Names of arrays and sizes, loop nests, initial data and element types follow the benchmark: double
precision, but for the integers of floyd-warshall and nussinov and the single precision of deriche.

    gemm = load("gemm")
    sizes = sizes_of("gemm", "small")      # {"NI": 60, "NJ": 70, "NK": 80}
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .sizes_table import DATASETS, SIZES

if TYPE_CHECKING:
    from loopstack.kernel_function import KernelFunction

NAMES = tuple(SIZES)


def load(name: str) -> KernelFunction:
    """Return the kernel of a benchmark by its PolyBench name."""
    stem = module_name(name)
    found: KernelFunction = getattr(import_module(f"{__name__}.{stem}"), stem)
    return found


def module_name(name: str) -> str:
    """Return the name of a benchmark's file and function: ``2mm`` is ``k2mm``."""
    stem = name.replace("-", "_")
    return stem if stem.isidentifier() else f"k{stem}"


def sizes_of(name: str, dataset: str) -> dict[str, int]:
    """Return the sizes of a data set: mini, small, medium, large or extralarge."""
    names, *values = SIZES[name]
    return dict(zip(names.split(), values[DATASETS.index(dataset)]))


def data_of(name: str, dataset: str) -> dict[str, Any]:
    """Return the initial arrays and scalars of a data set."""
    sizes = sizes_of(name, dataset)
    make = standard_inputs_of(name) or load(name).inputs_function
    return {} if make is None else dict(make(sizes, 0))


def verification_of(name: str, dataset: str) -> dict[str, Any] | None:
    """Return other data to compare results on, where those of the standard data are rounding."""
    make = load(name).inputs_function
    if standard_inputs_of(name) is None or make is None:
        return None
    return dict(make(sizes_of(name, dataset), 0))


def standard_inputs_of(name: str) -> Any:
    """Return the benchmark's own data where the kernel registers other data for measuring."""
    return getattr(import_module(f"{__name__}.{module_name(name)}"), "standard_inputs", None)
