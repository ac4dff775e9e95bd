"""One measured schedule: what it applies to, what it is, how it was found, where it was timed.

{"version": 1, "key": {...}, "script": "schedule 1\\n...", "samples_ns": [...], ...}
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loopstack.errors import StoreError
from loopstack.records.keys import RecordKey

if TYPE_CHECKING:
    from loopstack.measure.timer import Timing

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Record:
    """``source`` is the readable program text, whose names the script uses; ``flops`` the work of
    one run.

    ``final`` tells a winner that was timed again, in pairs with the default, from a mere trial.
    ``slots`` are the choices a strategy wrote the script from, so that a later one can go on.
    """

    key: RecordKey
    script: str
    samples_ns: tuple[float, ...]
    source: str = ""
    flops: float = 0.0
    strategy: str = "default"
    seed: int = 0
    final: bool = False
    slots: Mapping[str, Any] = field(default_factory=dict)
    machine: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    @cached_property
    def timing(self) -> Timing:
        from loopstack.measure.timer import Timing

        return Timing(self.samples_ns, self.flops)

    @property
    def median_ns(self) -> float:
        return self.timing.median_ns

    def to_line(self) -> str:
        """Return one line of JSON."""
        value: dict[str, Any] = {"version": FORMAT_VERSION, **vars_of(self)}
        return json.dumps(value, sort_keys=True)

    @staticmethod
    def from_line(line: str) -> Record:
        """Read what :meth:`to_line` wrote. Raises StoreError."""
        try:
            value = json.loads(line)
            version = value.pop("version")
            if version != FORMAT_VERSION:
                raise StoreError(
                    f"a record of format {version}; this version reads format {FORMAT_VERSION}"
                )
            value["key"] = RecordKey.from_json(value["key"])
            value["samples_ns"] = tuple(map(float, value["samples_ns"]))
            return Record(**value)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"not a record: {line[:60]!r} ({error})") from error


def vars_of(record: Record) -> dict[str, Any]:
    """Return the fields of a record as plain JSON values."""
    return {
        "key": record.key.to_json(),
        "script": record.script,
        "samples_ns": list(record.samples_ns),
        "source": record.source,
        "flops": record.flops,
        "strategy": record.strategy,
        "seed": record.seed,
        "final": record.final,
        "slots": dict(record.slots),
        "machine": record.machine,
        "versions": dict(record.versions),
        "created": record.created,
    }


def provenance() -> dict[str, Any]:
    """Return the machine, version and time fields of a record made now."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        ours = version("loopstack")
    except PackageNotFoundError:
        ours = "source"
    return {
        "machine": machine_name(),
        "versions": {"loopstack": ours, "python": platform.python_version()},
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def machine_name() -> str:
    """Return the CPU's model name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            named = [
                line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
            ]
    except OSError:
        named = []
    return named[0] if named else platform.processor() or platform.machine()
