"""Record keys: names do not matter, everything else does; a hash never decides."""

from __future__ import annotations

import dataclasses

import pytest

from loopstack.ir.reader import read_program
from loopstack.records.keys import RecordKey, make_key
from loopstack.records.rename import rename_script

MATMUL = """
program matmul reassociate
sizes m n k
input A: f32[$m, $k]
input B: f32[$k, $n]
output C: f32[$m, $n]
statement C(m, n, k) order 0 0 0 0
  where m; $m - m - 1; n; $n - n - 1; k; $k - k - 1
  reduce sum C[m, n] = mul(A[m, k], B[k, n])
"""
RENAMED = (
    MATMUL.replace("matmul", "product")
    .replace("sizes m n k", "sizes p q r")
    .replace("$m", "$p")
    .replace("$n", "$q")
    .replace("$k", "$r")
    .replace("statement C(m, n, k)", "statement out(m, n, k)")
    .replace("C[", "Z[")
    .replace("output C", "output Z")
)
SIZES = {"m": 4, "n": 5, "k": 6}


def key(text: str = MATMUL, isa: str = "avx2", threads: int = 1, **sizes: int) -> RecordKey:
    return make_key(read_program(text), sizes or SIZES, isa, threads)


def test_equal_programs_under_other_names_have_one_key() -> None:
    assert key() == key(RENAMED, p=4, q=5, r=6)
    assert key().digest == key(RENAMED, p=4, q=5, r=6).digest


def test_sizes_are_told_apart_by_role() -> None:
    assert key(m=4, n=5, k=6) != key(m=5, n=4, k=6)


@pytest.mark.parametrize(
    "other",
    [
        key(m=8, n=5, k=6),
        key(isa="avx512"),
        key(threads=2),
        key(MATMUL.replace("f32", "f64")),
        key(MATMUL.replace(" reassociate", "")),
        key(MATMUL.replace("mul(", "add(")),
    ],
)
def test_every_field_counts(other: RecordKey) -> None:
    assert other != key()
    assert other.digest != key().digest


def test_dense_strides_are_the_same_as_none() -> None:
    program = read_program(MATMUL)
    dense = {"A": (6, 1), "B": (5, 1)}
    assert make_key(program, SIZES, "avx2", 1, dense) == key()
    assert make_key(program, SIZES, "avx2", 1, {"B": (1, 6)}).strides == (("a1", (1, 6)),)


def test_json_round_trip() -> None:
    assert RecordKey.from_json(key().to_json()) == key()
    program = read_program(MATMUL)
    odd = make_key(program, SIZES, "avx2", 1, {"B": (1, 6)})
    import json

    assert RecordKey.from_json(json.loads(odd.text)) == odd


def test_fields_are_the_documented_ones() -> None:
    names = [field.name for field in dataclasses.fields(RecordKey)]
    assert names == ["program", "sizes", "strides", "dtypes", "isa", "threads", "fp_mode"]


def test_a_script_follows_the_names() -> None:
    source, target = read_program(MATMUL), read_program(RENAMED)
    script = (
        "schedule 1\nsplit C.k 4 -> ko, ki\nreorder C m ko n ki\npack B at C.ko as Bp[ki, n]\n"
        "vectorize C.n\n"
    )
    assert rename_script(script, source, target) == script.replace("C.", "out.").replace(
        "reorder C", "reorder out"
    )


def test_a_script_of_the_same_names_is_untouched() -> None:
    program = read_program(MATMUL)
    assert rename_script("schedule 1\n# kept\n", program, program) == "schedule 1\n# kept\n"


def test_a_new_loop_name_the_target_uses_already_is_changed() -> None:
    source = read_program(MATMUL)
    target = read_program(
        MATMUL.replace("(m, n, k)", "(ko, n, k)")
        .replace("[m,", "[ko,")
        .replace("where m; $m - m", "where ko; $m - ko")
    )
    script = "schedule 1\nsplit C.k 4 -> ko, ki\nreorder C m ko n ki\n"
    renamed = "schedule 1\nsplit C.k 4 -> ko_, ki\nreorder C ko ko_ n ki\n"
    assert rename_script(script, source, target) == renamed
