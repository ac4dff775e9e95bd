"""A kernel and its NumPy twin, timed in turn in a process of their own.

NumPy's BLAS takes its thread count from the environment when it is loaded, so a fair comparison
needs a fresh process: ``python -m loopstack.cli.versus_numpy``, a JSON object on standard input
({"task": ..., "script": ...}), the samples of both on standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from loopstack.cli.numpy_twin import agrees, numpy_twin
from loopstack.measure.child import child_command
from loopstack.measure.client import worker_environment
from loopstack.measure.execute import Workbench
from loopstack.measure.paired import Comparison, contest
from loopstack.measure.task import MeasureTask
from loopstack.measure.timer import Timing
from loopstack.measure.worker import prefer_steady_scheduling

if TYPE_CHECKING:
    from loopstack.kernel import Kernel

CRIPPLING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Variables that pin OpenBLAS to a poorer kernel than it would choose."""
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
ROUNDS = 11


def compare_in_a_child(kernel: Kernel) -> Comparison | None:
    """Compare with as many threads for NumPy as the kernel has; None when there is no twin."""
    told = {"task": kernel.measure_task().to_json(), "script": str(kernel.schedule)}
    done = subprocess.run(
        child_command("loopstack.cli.versus_numpy"),
        input=json.dumps(told),
        stdout=subprocess.PIPE,
        text=True,
        env=numpy_environment(kernel.threads),
        start_new_session=True,  # Ctrl-C in the terminal is ours to handle
    )
    answer = json.loads(done.stdout) if done.returncode == 0 else None
    if answer is None:
        return None
    return Comparison(Timing(tuple(answer["ours"])), Timing(tuple(answer["numpy"])))


def numpy_environment(threads: int) -> dict[str, str]:
    """Return an environment in which NumPy is at its best on ``threads`` threads."""
    kept = {n: value for n, value in worker_environment().items() if n not in CRIPPLING}
    return {**kept, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def compare(task: MeasureTask, script: str) -> dict[str, Any] | None:
    """Time both in this process; None when there is no twin or it computes something else."""
    from loopstack.ir.reader import read_program
    from loopstack.kernel import Kernel, Specialization
    from loopstack.schedule.script import Schedule

    program = read_program(task.program)
    spec = Specialization(program, task.sizes, task.isa, task.threads, task.strides)
    kernel, twin = Kernel(spec, Schedule.parse(script)), numpy_twin(task.bound)
    if twin is None or any(a.role == "inout" for a in task.bound.arguments):
        return None
    arrays = Workbench(task.bound, None, task.seed, task.strides).arrays
    given = [arrays[a.name] for a in task.bound.arguments if a.role != "output"]
    outs = tuple(arrays[a.name] for a in task.bound.arguments if a.role == "output")
    out = outs if len(outs) > 1 else outs[0]
    kernel(*given, out=out)
    if not agrees(task.bound, arrays, twin(arrays)):
        return None
    runs = {"ours": lambda: kernel(*given, out=out), "numpy": lambda: twin(arrays)}
    timings = contest(runs, ROUNDS, task.threads)
    return {name: list(timing.samples) for name, timing in timings.items()}


def main() -> None:
    """Answer one request."""
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prefer_steady_scheduling()
    told = json.load(sys.stdin)
    json.dump(compare(MeasureTask.from_json(told["task"]), told["script"]), results)
    results.flush()


if __name__ == "__main__":
    main()
