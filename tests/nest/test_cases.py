"""The text cases: printed and read back, and run as machine code against the interpreter.

Code for this CPU runs between guard pages; code for another one runs in the emulator.
"""

from __future__ import annotations

import pytest
from harness import nest_case
from harness.nest_case import Case
from harness.nest_reader import read_nest

from loopstack import _loopnest
from loopstack.machine import features

CASES = nest_case.cases()
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
ISAS = ("avx2", "avx512")


@EACH
def test_printed_text_is_the_same_nest(case: Case) -> None:
    printed = _loopnest.print_nest(case.text)
    assert _loopnest.print_nest(printed) == printed
    assert read_nest(printed).arrays == read_nest(case.text).arrays
    for isa in ISAS:
        code, again = _loopnest.compile(case.text, isa), _loopnest.compile(printed, isa)
        assert again.bytes == code.bytes


@EACH
@pytest.mark.parametrize("isa", ISAS)
def test_machine_code_computes_what_the_nest_says(case: Case, isa: str) -> None:
    runs_here = isa in features.detect().isas
    run = nest_case.run_natively if runs_here else nest_case.run_emulated
    assert run(case, isa) == ""


@EACH
def test_a_cut_text_is_refused(case: Case) -> None:
    """Text that ends anywhere before its last brace is an error, not a crash."""
    end = case.text.rindex("}")
    for cut in range(1, end, max(end // 40, 1)):
        with pytest.raises(_loopnest.NestError):
            _loopnest.print_nest(case.text[:cut])
