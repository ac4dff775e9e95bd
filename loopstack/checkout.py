"""When Python finds a source checkout without its compiled part, as it does inside a fresh clone.

Python puts the script's or the working folder first on its path, so there the checkout hides an
installed LoopStack. Then the folder goes to the end of the path and the import starts again;
without an installed one, the error says what to do. Runs before anything else of the package.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys

PACKAGE = "loopstack"
COMPILED = "_loopnest"
HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def ensure_compiled() -> None:
    """Make sure that this process imports a package with its compiled part.

    Raises ImportError when there is none.
    """
    if importlib.util.find_spec(f"{PACKAGE}.{COMPILED}") is not None:
        return
    here = [entry for entry in sys.path if _folder(entry) == HOME]
    others = [entry for entry in sys.path if _folder(entry) != HOME]
    if not any(map(_holds_compiled, others)):
        raise ImportError(
            f"{HOME} is a source checkout of LoopStack without its compiled part, and no other "
            f"LoopStack is installed: run `pip install {HOME}` first."
        )
    sys.path[:] = [*others, *here]
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]
    importlib.import_module(PACKAGE)


def _folder(entry: str) -> str:
    return os.path.abspath(entry or os.getcwd())


def _holds_compiled(entry: str) -> bool:
    stem = os.path.join(_folder(entry), PACKAGE, COMPILED)
    return any(os.path.isfile(stem + suffix) for suffix in importlib.machinery.EXTENSION_SUFFIXES)
