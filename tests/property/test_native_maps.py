"""Mapped, fused and privatized programs, compiled for this machine, against the oracle."""

from __future__ import annotations

from harness.agreement import as_c, natively
from harness.compiled_c import needs_compiler
from harness.imperfect import PROGRAMS
from harness.maps import mapped_scripts, parallelize, privatize
from harness.scratch import PROGRAMS as SCRATCH
from hypothesis import given, note
from hypothesis import strategies as st

from loopstack.ir.printer import print_program


@given(st.data())
def test_mapped_programs(data):
    make = PROGRAMS[data.draw(st.sampled_from(sorted(PROGRAMS)))]
    program = make().bind({"N": data.draw(st.integers(1, 14))})
    script = data.draw(mapped_scripts(program))
    note(f"{print_program(program)}{script}")
    natively(program, script, data.draw(st.sampled_from((1, 2))))


@given(st.data())
def test_private_copies(data):
    make = SCRATCH[data.draw(st.sampled_from(sorted(SCRATCH)))]
    program = make().bind({"N": data.draw(st.integers(1, 14))})
    script = data.draw(mapped_scripts(program, lines=(privatize, privatize, parallelize)))
    note(f"{print_program(program)}{script}")
    natively(program, script, data.draw(st.sampled_from((1, 2))))


@needs_compiler
@given(st.data())
def test_threads_pass_no_values_in_private_memory(data):
    """In C each iteration of a parallel loop forgets it, whichever thread would run it here."""
    make = SCRATCH[data.draw(st.sampled_from(sorted(SCRATCH)))]
    program = make().bind({"N": data.draw(st.integers(2, 6))})
    lines = (privatize, parallelize, parallelize)
    script = data.draw(mapped_scripts(program, lines=lines))
    note(f"{print_program(program)}{script}")
    as_c(program, script)
