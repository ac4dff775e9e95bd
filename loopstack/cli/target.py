"""From what a user types to a kernel: ``FILE.py:FUNCTION`` and ``--size NAME=VALUE``.

Shared by the verbs, with the options they have in common.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopstack.errors import ArgumentError, LoopStackError

if TYPE_CHECKING:
    from loopstack.kernel import Kernel
    from loopstack.kernel_function import KernelFunction

Target = Annotated[
    str, typer.Argument(metavar="FILE.py:FUNCTION", help="A decorated function in a file.")
]
Sizes = Annotated[
    list[str] | None,
    typer.Option("--size", "-s", metavar="NAME=VALUE", help="One size; repeat for each."),
]
Threads = Annotated[int | None, typer.Option(help="Threads to use (default: all CPUs).")]
Isa = Annotated[
    str | None, typer.Option("--isa", help="avx2, avx512, neon or neon_fp16 (default: the widest).")
]


def load_function(target: str) -> KernelFunction:
    """Import the file and return its decorated function. Raises ArgumentError."""
    path_text, colon, name = target.rpartition(":")
    if not colon or not path_text or not name:
        raise ArgumentError(f"expected FILE.py:FUNCTION, found {target!r}")
    module = load_file(Path(path_text))
    found: Any = getattr(module, name, None)
    if not _is_kernel_function(found):
        raise ArgumentError(_no_such_kernel(path_text, name, found, module))
    function: KernelFunction = found
    return function


def load_file(path: Path) -> ModuleType:
    """Run a Python file as a module, its folder importable. Raises ArgumentError."""
    if not path.is_file():
        raise ArgumentError(f"no such file: {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"not a Python file: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except LoopStackError:
        raise
    except Exception as error:  # whatever the user's file raises is the user's to see, in one line
        raise ArgumentError(f"{path} cannot be imported: {_at(path, error)}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _at(path: Path, error: Exception) -> str:
    """Say what a file raised and in which of its lines."""
    line, trace = getattr(error, "lineno", None), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    where = f" (line {line})" if line else ""
    return f"{type(error).__name__}: {error}{where}"


def _is_kernel_function(value: object) -> bool:
    from loopstack.kernel_function import KernelFunction

    return isinstance(value, KernelFunction)


def _no_such_kernel(path: str, name: str, found: Any, module: ModuleType) -> str:
    kernels = sorted(n for n, value in vars(module).items() if _is_kernel_function(value))
    has = f"{path} has: {', '.join(kernels)}" if kernels else f"{path} has no kernels"
    if found is None:
        return f"{path} has no function {name!r}; {has}"
    return f"{name!r} in {path} is not decorated with @ls.kernel or @ls.affine; {has}"


def parse_sizes(texts: Sequence[str] | None) -> dict[str, int]:
    """Read ``m=512`` options. Raises ArgumentError."""
    sizes: dict[str, int] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier() or not (value.isascii() and value.isdigit()):
            raise ArgumentError(f"expected --size NAME=VALUE such as m=512, found {text!r}")
        if name in sizes:
            raise ArgumentError(f"size {name} is given twice: {sizes[name]} and {value}")
        sizes[name] = int(value)
    return sizes


@contextmanager
def target_settings(isa: str | None, threads: int | None) -> Iterator[None]:
    """Use an instruction set and a thread count for the kernels made inside."""
    from loopstack import knobs

    chosen: dict[str, Any] = {}
    if isa is not None:
        from loopstack.machine.features import check_isa

        check_isa(isa)
        chosen["isa"] = isa
    if threads is not None:
        chosen["num_threads"] = threads
    with ExitStack() as stack:
        if chosen:
            stack.enter_context(knobs.scope(**chosen))
        yield


def make_kernel(target: str, sizes: Sequence[str] | None) -> Kernel:
    """Load a function and specialise it under the settings in force."""
    return load_function(target).specialize(parse_sizes(sizes))
