"""The interpreter of nest text and the runs of its code notice what they are there to notice."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from emulator import AccessViolation, Machine
from emulator.serve import serve
from harness.nest_case import Case
from harness.nest_interpreter import UndefinedElement, interpret
from harness.nest_reader import DTYPES, FloorDivision, Form, read_nest

from loopstack import _loopnest

HEAD = """nest small
threads 2
array x f32 argument 0
array y f32 argument 1
array r f32 register 8
array p f32 private 0
workspace 0 64
"""


def nest(*lines: str) -> str:
    return HEAD + "\n".join(["{", *lines, "}", ""])


def run(*lines: str) -> dict[int, np.generic]:
    arrays = interpret(read_nest(nest(*lines)), lambda array, index: DTYPES[array.dtype](index))
    return dict(arrays["y"])


def test_forms() -> None:
    read = read_nest(
        nest("for i = -2 .. max_ + 1 {", "y[3*(2 - i)*2 - floordiv(-i, 4)] = x[0]", "}")
    )
    (loop,) = read.body
    assert (loop.lower, loop.upper) == ((Form(-2),), (Form(1, ((1, "max_"),)),))
    (store,) = loop.body
    atom = FloorDivision(Form(0, ((-1, "i"),)), 4)
    assert store.target.subscript == Form(12, ((-6, "i"), (-1, atom)))


def test_operators_round_to_their_dtype() -> None:
    assert run("y[0] = add(16777216:f32, 1:f32)") == {0: np.float32(16777216)}
    assert run("y[0] = fma(x[3], x[5], x[7])") == {0: np.float32(22)}
    assert run("y[0] = cast.f32(cast.i32(mul(1e10:f32, x[1])))") == {0: np.float32(-(2.0**31))}
    assert run("y[0] = cast.f32(floordiv(-7:i32, 2:i32))") == {0: np.float32(-4)}
    assert run("y[0] = cast.f32(mod(-7:i64, 0:i64))") == {0: np.float32(0)}
    assert run("y[0] = exp(1e9:f32)") == {0: np.float32(np.inf)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["y[0] = r[3]"], "r[3] is read before it is written"),
        (["r[8] = x[0]"], "r[8] is outside of the array"),
        (["p[16] = x[0]"], "p[16] is outside of the array"),
        (["y[-1] = x[0]"], "y[-1] is outside of the array"),
        (
            ["p[0] = x[0]", "for i = 0 .. 2 parallel {", "y[i] = p[0]", "}"],
            "p[0] is read before it is written",
        ),
    ],
)
def test_undefined_elements(lines: list[str], message: str) -> None:
    with pytest.raises(UndefinedElement) as caught:
        run(*lines)
    assert str(caught.value) == message


RIGHT = Case("copy", nest("for i = 0 .. 33 vector {", "y[i] = x[i]", "}"))
LONGER = nest("for i = 0 .. 34 vector {", "y[i] = x[i]", "}")
# mov rax, [rdi]; mov rcx, [rax]; mov rcx, [rcx]; mov rax, [rax+8]; mov [rax], rcx; ret
COPY_ELEMENT = bytes.fromhex("488b07 488b08 488b09 488b4008 488908 c3")


def test_a_wrong_result_is_reported() -> None:
    def runner(code: _loopnest.Code, arrays: list[np.ndarray], threads: int) -> None:
        arrays[1][:] = arrays[0]
        arrays[1][32] = 0

    difference = RIGHT.run(runner, "avx2", 1, "high")
    assert "y[32] is np.float32(0.0), expected np.float32(" in difference


def test_one_element_too_many_is_an_access_violation() -> None:
    x, y = np.zeros(33, np.float32), np.zeros(33, np.float32)
    code = _loopnest.compile(LONGER, "avx512")
    machine = Machine(code.bytes, code.entry_offset)
    with pytest.raises(AccessViolation):
        machine.call([machine.map("x", x), machine.map("y", y)])


def test_arguments_have_the_size_the_nest_needs() -> None:
    sizes = []
    RIGHT.run(lambda code, arrays, threads: sizes.extend(map(len, arrays)), "avx2", 1, "low")
    assert sizes == [33, 33]


def test_served_run() -> None:
    """A request of backend_test: code, frame, arguments and two elements, each a region."""
    frame = struct.pack("<7Q", 0x3000, 0, 0, 4096, 0x77, 1, 0)
    regions = [
        (0x1000, COPY_ELEMENT), (0x2000, frame), (0x3000, struct.pack("<2Q", 0x4000, 0x5000)),
        (0x4000, struct.pack("<Q", 42)), (0x5000, bytes(8)),
    ]  # fmt: skip
    request = struct.pack("<4Q", 0x1000, 0x2000, 0x77, len(regions))
    request += b"".join(struct.pack("<2Q", at, len(data)) + data for at, data in regions)
    answer = io.BytesIO()
    serve(io.BytesIO(request), answer)
    expected = COPY_ELEMENT + frame + regions[2][1] + 2 * struct.pack("<Q", 42)
    assert answer.getvalue() == struct.pack("<Q", 0) + expected
