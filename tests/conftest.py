"""Fixtures for every test: golden files, a private store, reproducible randomness.

Reads: tests/harness, which is importable as ``harness`` from any test.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))
# bench/ is read from the checkout; last, so that the installed packages are what is tested.
sys.path.append(str(TESTS.parent))
# Before anything imports loopstack: tests never read or write the user's records.
_STORE = tempfile.TemporaryDirectory(prefix="loopstack-test-")
os.environ["LOOPSTACK_STORE"] = str(Path(_STORE.name) / "records.db")
# Children started by tests take the installed package too, not the folder they are started in.
os.environ["PYTHONSAFEPATH"] = "1"

from harness.golden import Golden  # noqa: E402

_SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.data_too_large]
_COMMON = settings(deadline=None, database=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("fast", _COMMON, max_examples=30, derandomize=True)
settings.register_profile("thorough", _COMMON, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="store golden files anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare text with a file in tests/golden/<name of the test file without test_>."""
    stem = Path(str(request.fspath)).stem.removeprefix("test_")
    return Golden(TESTS / "golden" / stem, request.config.getoption("--update-golden"))
