"""Measuring: the one timer, paired comparison, and the worker process that may die.

Role: everything that ever prints a time gets it here: ``Kernel.time``, the search and the bench.
Input: a bound program and a schedule script (or a callable); output: a :class:`Timing` or a
:class:`CandidateFault`. Invariants: candidates of one comparison are interleaved; a candidate's
result is checked before it is timed; a candidate that crashes or hangs costs itself only.

    timer.py      Timing, adaptive sampling of one thing
    paired.py     interleaved comparison of two or more things
    task.py       what a worker is told about a program
    inputs.py     default data, guarded allocation
    candidate.py  script -> machine code -> checked -> timed, inside one process
    worker.py     that, behind a pipe (``python -m loopstack.measure.worker``)
    client.py     the parent's side: kill, restart, lose one candidate
    work.py       arithmetic operations and compulsory bytes of a program
    roofline.py   which limit a timing runs into

Where next: ``loopstack.records`` keeps what was found.
"""

from __future__ import annotations

from loopstack.measure.candidate import Measured
from loopstack.measure.client import Outcome, Worker
from loopstack.measure.paired import Comparison, compare, contest, interleave
from loopstack.measure.task import MeasureTask
from loopstack.measure.timer import SamplingPolicy, Timing, sample

__all__ = [
    "Comparison",
    "MeasureTask",
    "Measured",
    "Outcome",
    "SamplingPolicy",
    "Timing",
    "Worker",
    "compare",
    "contest",
    "interleave",
    "sample",
]
