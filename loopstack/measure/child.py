"""How a child process of ours is started: it sees exactly the modules that this process sees.

``python -m`` puts the working folder first on the path. In a source checkout that folder holds a
loopstack without its compiled part, which would hide the installed one; so the path is handed over.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_RUN = """import runpy, sys
sys.path[:] = {path!r}
runpy.run_module({module!r}, run_name='__main__', alter_sys=True)
"""


def child_command(module: str, extra: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the command that runs ``module`` on this process's path and the ``extra`` folders."""
    here = os.path.abspath(os.getcwd())
    skipped = None if _is_home(here) else here
    path = [entry for entry in sys.path if entry and os.path.abspath(entry) != skipped]
    path += [entry for entry in extra if entry not in path]
    return (sys.executable, "-c", _RUN.format(path=path, module=module))


def _is_home(folder: str) -> bool:
    """Tell whether this very package was found in ``folder``."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) == folder
