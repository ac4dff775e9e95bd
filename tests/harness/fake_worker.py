"""A worker whose candidates do as their script says; the protocol and the time limit are real.

"time 120"   is measured at 120 ns        "crash"  aborts        "exit"  leaves quietly
"wrong"      gives a fault                "hang"   never returns
"deaf hang"  never returns and ignores its own time limit        "bug"   raises
"""

from __future__ import annotations

import os
import signal

from loopstack.errors import CandidateFault
from loopstack.measure import worker
from loopstack.measure.candidate import Measured
from loopstack.measure.protocol import Message
from loopstack.measure.timer import Timing


class ScriptedService(worker.Service):
    """Obeys scripts instead of compiling them."""

    def _load(self, request: Message) -> Message:
        return {"ok": True}

    def _measure(self, request: Message) -> Message:
        word, _, figure = request["script"].partition(" ")
        if word == "time":
            return {"measured": Measured(Timing((float(figure),)), 1.0).to_json()}
        getattr(self, f"_do_{request['script'].replace(' ', '_')}")()
        return {}

    def _duel(self, request: Message) -> Message:
        times = [float(script.partition(" ")[2]) for script in request["scripts"]]
        return {"timings": [Timing((t,) * request["rounds"]).to_json() for t in times]}

    def _do_crash(self) -> None:
        os.abort()

    def _do_exit(self) -> None:
        os._exit(3)

    def _do_wrong(self) -> None:
        raise CandidateFault("C[0] is 1.0, expected 2.0", "wrong")

    def _do_bug(self) -> None:
        raise RuntimeError("a bug of ours")

    def _do_hang(self) -> None:
        while True:
            pass

    def _do_deaf_hang(self) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        self._do_hang()


if __name__ == "__main__":
    worker.Service = ScriptedService  # type: ignore[misc]
    worker.main()
