"""Records of a finished search, as ``tune`` stores them."""

from __future__ import annotations

from loopstack.ir.reader import read_program
from loopstack.measure import MeasureTask
from loopstack.records import Record, SearchResult, make_key, tuning


def records_of(found: SearchResult, told: MeasureTask) -> list[Record]:
    key = make_key(read_program(told.program), told.sizes, told.isa, told.threads)
    return tuning.records_of(found, key, told)
