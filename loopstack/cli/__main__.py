"""``python -m loopstack.cli``."""

from __future__ import annotations

from loopstack.cli.main import main

main()
