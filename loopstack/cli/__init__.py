"""The command line: ``loopstack run|show|search|records|explain|doctor|bench``.

Role: what the Python API does, for people in a terminal. One file a verb; typer and rich are
imported by the verbs, not by ``import loopstack``.

    main.py      the list of verbs, --version, errors as one message and exit code 2
    target.py    FILE.py:FUNCTION and --size m=512 -> a kernel function and its sizes
    run.py show.py search.py records.py explain.py doctor.py bench.py
    numpy_twin.py versus_numpy.py  what NumPy would do, and how fast
    display.py   the live view of a search

Further verbs come from the entry-point group ``loopstack.commands``.
"""

from __future__ import annotations
