"""The parent's side of a worker: start, ask, kill, restart.

Invariant: whatever a candidate does, the parent gets an Outcome and the next candidate a worker in
good health. A worker that answered "wrong" is replaced as well: what it wrote where is unknown.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from loopstack.errors import CandidateFault, InternalError
from loopstack.measure.candidate import Measured
from loopstack.measure.child import child_command
from loopstack.measure.protocol import Closed, Message, read_message, write_message
from loopstack.measure.task import MeasureTask
from loopstack.measure.timer import Timing

Outcome = Measured | CandidateFault

LOAD_LIMIT_S = 300.0
GRACE_S = 2.0
"""The parent waits this much longer than the worker's own limit before it kills."""


class Worker:
    """Measures candidates of one task in a process that may die. Use as a context manager.

    With ``cpu`` the process stays on that CPU.
    """

    def __init__(
        self, task: MeasureTask, command: Sequence[str] | None = None, cpu: int | None = None
    ) -> None:
        self.task = task
        self._cpu = cpu
        self.starts = 0
        self._command = tuple(command or child_command("loopstack.measure.worker"))
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0
        self._killed = False
        self._scratch = tempfile.TemporaryDirectory(prefix="loopstack-")
        self._cache = Path(self._scratch.name) / "expected.npz"

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def measure(
        self,
        script: str,
        nest: str | None = None,
        best_ns: float | None = None,
        limit_s: float = 10.0,
    ) -> Outcome:
        """Compile, check and time one schedule; a fault is returned, not raised."""
        self.submit(script, nest, best_ns, limit_s)
        return self.collect()

    def submit(
        self,
        script: str,
        nest: str | None = None,
        best_ns: float | None = None,
        limit_s: float = 10.0,
    ) -> None:
        """Start measuring; the caller may work until it asks with :meth:`collect`."""
        self._ask(
            {
                "op": "measure",
                "script": script,
                "nest": nest,
                "best_ns": best_ns,
                "limit_s": limit_s,
            }
        )

    def collect(self) -> Outcome:
        """Wait for what :meth:`submit` started."""
        reply = self._reply()
        if isinstance(reply, CandidateFault):
            return reply
        return Measured.from_json(reply["measured"])

    def duel(
        self, scripts: Sequence[str], rounds: int = 15, limit_s: float = 120.0
    ) -> list[Timing] | CandidateFault:
        """Time schedules interleaved, one sample each per round."""
        self._ask({"op": "duel", "scripts": list(scripts), "rounds": rounds, "limit_s": limit_s})
        reply = self._reply()
        if isinstance(reply, CandidateFault):
            return reply
        return [Timing.from_json(value) for value in reply["timings"]]

    def stop(self) -> None:
        """Give up what is being measured; the next request starts a new process."""
        self._end()

    def close(self) -> None:
        """End the process and remove its files."""
        self._end()
        self._scratch.cleanup()

    def _ask(self, request: Message) -> None:
        process = self._process or self._start()
        self._deadline = monotonic() + request["limit_s"] + GRACE_S
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # the reply tells how it died
            write_message(process.stdin, request)

    def _reply(self) -> Message | CandidateFault:
        assert self._process is not None, "collect() without submit()"
        try:
            reply = self._read()
        except Closed:
            return self._post_mortem()
        if "error" in reply:
            self._end()
            if reply["error"].startswith("MemoryError"):
                raise MemoryError(f"measuring needs more memory than there is: {reply['error']}")
            raise InternalError(f"the measuring worker failed: {reply['error']}", reply["trace"])
        if "fault" in reply:
            return self._judge(CandidateFault(reply["fault"]["message"], reply["fault"]["kind"]))
        return reply

    def _judge(self, fault: CandidateFault) -> CandidateFault:
        if fault.kind == "wrong":
            self._end()
        return fault

    def _read(self) -> Message:
        assert self._process is not None
        assert self._process.stdout is not None
        left_s = max(0.0, self._deadline - monotonic())
        ready, _, _ = select.select([self._process.stdout], [], [], left_s)
        if not ready:
            self._killed = True
            self._process.kill()
        return read_message(self._process.stdout)

    def _post_mortem(self) -> CandidateFault:
        """Name the way the process ended; it is started again when next asked."""
        assert self._process is not None
        code = self._process.wait()
        self._end()
        if -code == signal.SIGALRM or self._killed:
            return CandidateFault("ran past its time limit", "hang")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return CandidateFault(f"the process ended with {name}", "crash")

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=worker_environment(),
            start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
        )
        self.starts += 1
        self._killed = False
        self._ask(
            {
                "op": "load",
                "task": self.task.to_json(),
                "cache": str(self._cache),
                "cpu": self._cpu,
                "limit_s": LOAD_LIMIT_S,
            }
        )
        reply = self._reply()
        if isinstance(reply, CandidateFault):
            raise InternalError(f"the measuring worker did not start: {reply}")
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def worker_environment() -> dict[str, str]:
    """Return the environment of a worker: ours, and the path on which we found this package."""
    home = str(Path(__file__).absolute().parents[2])
    if home not in map(os.path.abspath, sys.path):  # an import hook finds it, there as well as here
        return dict(os.environ)
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [home, known]))}
