"""Check one kernel against the oracle, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from loopstack.errors import WrongResult
from loopstack.measure.execute import Workbench
from loopstack.measure.oracle import compute_expected
from loopstack.measure.task import MeasureTask

RunOn = Callable[[Mapping[str, "np.ndarray[Any, Any]"]], None]


def check_kernel(task: MeasureTask, run_on: RunOn) -> None:
    """Run once on the task's default data and compare. Raises WrongResult.

    ``run_on`` takes one array an argument (the task's strides) and works in place.
    """
    bench = Workbench(task.bound, None, task.seed, task.strides)
    expected = compute_expected(task, bench)
    bench.reset()
    run_on(bench.arrays)
    damage = bench.damage()
    if damage:
        raise WrongResult(f"the kernel {damage}")
    expected.compare(bench.results)
