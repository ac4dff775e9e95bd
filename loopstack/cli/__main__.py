"""``python -m loopstack.cli``."""

from __future__ import annotations

from loopstack.cli import main

main()
