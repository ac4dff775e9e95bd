"""What generated code looks like where speed or visibility depends on it."""

from __future__ import annotations

import pytest
from harness import nest_case
from harness.disassembly import Line, disassemble, innermost_loops

from loopstack import _loopnest

CASES = {case.name: case.text for case in nest_case.cases()}
LOOP_ALIGNMENT_BYTES = 32
both_isas = pytest.mark.parametrize("isa", ["avx2", "avx512"])


def lines_of(text: str, isa: str) -> list[Line]:
    return disassemble(_loopnest.compile(text, isa))


@both_isas
@pytest.mark.parametrize("name", sorted(CASES))
def test_innermost_loops_are_aligned_and_end_in_one_test(name: str, isa: str) -> None:
    """The last sum's flags, or one comparison, decide: no ``test`` follows an addition."""
    for loop in innermost_loops(lines_of(CASES[name], isa)):
        assert loop.body[0].offset % LOOP_ALIGNMENT_BYTES == 0, str(loop)
        assert loop.body[-2].name in ("add", "sub", "cmp"), str(loop)


@both_isas
def test_gemm_inner_loop_has_one_counter(isa: str) -> None:
    """Of the loops with multiply-adds: two pointers and a counter move, the counter last."""
    loops = innermost_loops(lines_of(CASES["gemm_packed"], isa))
    contractions = [loop for loop in loops if any("vfmadd" in line.name for line in loop.body)]
    fullest = max(contractions, key=lambda loop: len(loop.body))
    multiply_adds = sum("vfmadd" in line.name for line in fullest.body)
    assert multiply_adds == {"avx2": 12, "avx512": 6}[isa]
    general = [line.name for line in fullest.body if not line.name.startswith("v")]
    assert general == ["add", "add", "add", "jg"], str(fullest)


@both_isas
@pytest.mark.parametrize("name", ["stream", "stream_parallel"])
def test_streamed_stores_are_fenced_before_others_may_read(name: str, isa: str) -> None:
    """Between a non-temporal store and the next call or return there is an ``sfence``."""
    lines = lines_of(CASES[name], isa)
    streamed = [place for place, line in enumerate(lines) if line.name.startswith("vmovnt")]
    assert streamed, "nothing is streamed"
    for place in streamed:
        rest = [line.name for line in lines[place:] if line.name in ("sfence", "call", "ret")]
        assert rest[0] == "sfence", lines[place].text


@both_isas
def test_code_without_streamed_stores_has_no_fence(isa: str) -> None:
    assert not any(line.name == "sfence" for line in lines_of(CASES["copy"], isa))
