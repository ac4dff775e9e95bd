"""The worker process: ``python -m loopstack.measure.worker``.

It reads requests on standard input and answers on standard output (protocol.py):

    op       fields                              answer
    load     task, cache (or null), cpu (or null) {"ok": true}
    measure  script, nest, best_ns, limit_s      {"measured": {...}} or {"fault": {...}}
    duel     scripts, rounds, limit_s            {"timings": [...]} or {"fault": {...}}

It limits its own time: an interval timer whose signal keeps its default action ends the process
wherever it is, in Python or in generated code, whether or not the parent gets to run.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO

from loopstack.errors import CandidateFault
from loopstack.measure.candidate import Laboratory
from loopstack.measure.protocol import Closed, Message, read_message, write_message
from loopstack.measure.task import MeasureTask


class Service:
    """Answers requests; one task at a time."""

    def __init__(self) -> None:
        self._laboratory: Laboratory | None = None

    def answer(self, request: Message) -> Message:
        """Return the reply to one request; a fault of the candidate is a reply, too."""
        handlers: dict[str, Callable[[Message], Message]] = {
            "load": self._load,
            "measure": self._measure,
            "duel": self._duel,
        }
        signal.setitimer(signal.ITIMER_REAL, request.get("limit_s", 0.0))
        try:
            return handlers[request["op"]](request)
        except CandidateFault as fault:
            return {"fault": {"kind": fault.kind, "message": str(fault)}}
        except Exception as error:  # the parent must hear of our own bugs, whatever they are
            return {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _load(self, request: Message) -> Message:
        if request["cpu"] is not None:
            os.sched_setaffinity(0, {request["cpu"]})
        cache = Path(request["cache"]) if request["cache"] else None
        self._laboratory = Laboratory(MeasureTask.from_json(request["task"]), cache)
        _ = self._laboratory.expected
        return {"ok": True}

    def _measure(self, request: Message) -> Message:
        measured = self._ready().measure(request["script"], request["nest"], request["best_ns"])
        return {"measured": measured.to_json()}

    def _duel(self, request: Message) -> Message:
        timings = self._ready().duel(request["scripts"], request["rounds"])
        return {"timings": [timing.to_json() for timing in timings]}

    def _ready(self) -> Laboratory:
        if self._laboratory is None:
            raise ValueError("no task loaded")
        return self._laboratory


def prefer_steady_scheduling() -> bool:
    """Ask for SCHED_FIFO, so that timings are not interrupted; return whether it was granted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (AttributeError, OSError):
        return False
    return True


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer until the parent closes its end."""
    service = Service()
    while True:
        try:
            request = read_message(requests)
        except Closed:
            return
        write_message(replies, service.answer(request))


def main() -> None:
    """Serve on the standard streams; whatever else prints goes to standard error."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    prefer_steady_scheduling()
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
