"""AVX-512 in the emulator, by what it shares with AVX2 and by results written out."""

from __future__ import annotations

import re
from typing import Any

import iced_x86 as iced
import numpy as np
import pytest
from emulator.decoder import Decoded, mask_bits
from emulator.machine import build
from emulator.memory import AccessViolation, Memory
from emulator.semantics import BUILDERS
from emulator.state import State

from loopstack import _loopnest

VECTORS = {"xmm", "ymm", "zmm"}
# Lanes move between 128-bit blocks, or the result is narrower or wider than the source.
CROSSING = re.compile(r"vperm[^i]|vshuf[fi]|valign|vp?broadcast|vcvt.*(pd|qq|ph)|vpmov|vp?(ex|in)")
SCALAR = re.compile(r"(?!vbroadcast|vp).*(ss|sd)$")
K = 1


def execute(
    mnemonic: str, operands: list[tuple[str, Any]], state: State, k: int = 0, zero: bool = False
) -> State:
    """Run one instruction on registers only."""
    return execute_in(Memory(), mnemonic, operands, state, k, zero)


def execute_in(
    memory: Memory,
    mnemonic: str,
    operands: list[tuple[str, Any]],
    state: State,
    k: int = 0,
    zero: bool = False,
) -> State:
    code = _loopnest.encode(mnemonic, operands, k, zero)
    instruction = iced.Decoder(64, code, ip=0x1000).decode()
    with np.errstate(all="ignore"):
        build(Decoded(state, memory, instruction))()
    return state


def random_state(seed: int, mask: int = 0) -> State:
    """Vector registers full of floats of moderate size; k1 = mask."""
    rng = np.random.default_rng(seed)
    state = State()
    floats = rng.normal(size=(32, 16)).astype(np.float32) * 8
    state.zmm[:] = floats.view(np.uint8)
    state.k[K] = mask
    return state


def register_rows(bits: int) -> list[dict[str, Any]]:
    """EVEX forms of vectors and immediates only."""
    return [
        row
        for row in _loopnest.instruction_forms()
        if row["encoding"] == "evex"
        and row["size_bits"] == bits
        and all((VECTORS | {"imm"}) & set(operand["kinds"]) for operand in row["operands"])
        and row["mnemonic"] in BUILDERS
    ]


def register_operands(row: dict[str, Any], first: int = 17) -> list[tuple[str, Any]]:
    """Vector registers ``first``, first + 1, ... and 0 or a small immediate."""
    kinds = [operand["kinds"][0] for operand in row["operands"]]
    immediate = 0 if re.match("vcvt|vrnd", row["mnemonic"]) else 0xB1 & 15
    return [("imm", immediate) if k == "imm" else (k, first + i) for i, k in enumerate(kinds)]


def lane_bytes(row: dict[str, Any]) -> int:
    """Size of what one opmask bit governs: of a result element."""
    name = row["mnemonic"]
    for pattern, size in (
        (r"vpmov[dq]b|vpacksswb|vpshufb|vpalignr", 1),
        (r"vcvtps2ph|vpackssdw", 2),
        (r"vpmovqd|vcvt.*2(ps|dq|ss)$", 4),
        (r"vcvt.*2(pd|sd|qq)$", 8),
    ):
        if re.match(pattern, name):
            return size
    is_wide = re.match(r".*(pd|sd|q|64|64x2|64x4|ddup)$", name)
    return row["broadcast_bytes"] or (8 if is_wide else 4)


@pytest.mark.parametrize("bits", [128, 256, 512])
@pytest.mark.parametrize("zero", [False, True])
def test_opmasks_choose_lanes_of_the_plain_result(bits: int, zero: bool) -> None:
    for row in register_rows(bits):
        if row["masks"] == "none" or row["mnemonic"].startswith(("vblendm", "vpblendm")):
            continue
        name, operands, mask = row["mnemonic"], register_operands(row), 0x5C3A_96A5_3C5A_A599
        old = random_state(3).zmm[17]
        plain = execute(name, operands, random_state(3)).zmm[17]
        got = execute(name, operands, random_state(3, mask), K, zero).zmm[17]
        size = lane_bytes(row)
        written = _written_bytes(row, name, size)
        lanes = np.repeat(mask_bits(mask, 64)[: written // size], size)
        expected = plain.copy()
        expected[:written] = np.where(lanes, plain[:written], 0 if zero else old[:written])
        np.testing.assert_array_equal(got, expected, err_msg=f"{name} {bits}")


def _written_bytes(row: dict[str, Any], name: str, size: int) -> int:
    """Bytes under the mask: one lane of a scalar instruction, else the destination."""
    if SCALAR.match(name):
        return size
    bytes_ = {"xmm": 16, "ymm": 32, "zmm": 64}[row["operands"][0]["kinds"][0]]
    narrowed = {"vpmovqd": 2, "vpmovdb": 4, "vpmovqb": 8, "vcvtps2ph": 2}.get(name)
    is_halved = re.match(r"vcvt(pd2ps|t?pd2dq|qq2ps)", name)
    part = narrowed or (2 if is_halved else 1)
    return min(bytes_, row["size_bits"] // 8 // part)


def test_zmm_forms_are_two_ymm_forms_side_by_side() -> None:
    checked = 0
    for row in register_rows(512):
        name = row["mnemonic"]
        if CROSSING.match(name) or SCALAR.match(name):
            continue
        wide = register_operands(row, 1)
        whole = execute(name, wide, random_state(5)).zmm[1]
        for half in (slice(0, 32), slice(32, 64)):
            state = random_state(5)
            state.zmm[:, :32] = random_state(5).zmm[:, half]
            narrow = [("ymm", n) if kind == "zmm" else (kind, n) for kind, n in wide]
            control = _half_control(name, narrow, half.start)
            part = execute(name, control, state).zmm[1][:32]
            np.testing.assert_array_equal(whole[half], part, err_msg=name)
        checked += 1
    assert checked > 80


def _half_control(name: str, operands: list[tuple[str, Any]], start: int) -> list[tuple[str, Any]]:
    """Immediates with a bit a lane mean other lanes in the upper half."""
    if start and name in ("vshufpd", "vpermilpd"):
        return [(kind, n >> 4 if kind == "imm" else n) for kind, n in operands]
    return operands


# --- Results written out -------------------------------------------------------------------------


def counting(dtype: Any = np.int32) -> State:
    """Register n holds 100 n, 100 n + 1, ... in lanes of ``dtype``."""
    state = State()
    lanes = 64 // np.dtype(dtype).itemsize
    rows = 100 * np.arange(32)[:, None] + np.arange(lanes)
    state.zmm[:] = rows.astype(dtype).view(np.uint8)
    return state


def lanes_of(state: State, number: int, dtype: Any = np.int32) -> list[int]:
    return state.zmm[number].view(dtype).tolist()


def test_insert_and_extract_parts() -> None:
    state = execute("vextractf64x4", [("ymm", 1), ("zmm", 2), ("imm", 1)], counting())
    assert lanes_of(state, 1) == [*range(208, 216), *[0] * 8]
    state = execute("vextractf32x4", [("xmm", 1), ("zmm", 2), ("imm", 2)], counting())
    assert lanes_of(state, 1) == [*range(208, 212), *[0] * 12]
    parts = [("zmm", 1), ("zmm", 2), ("ymm", 3), ("imm", 1)]
    state = execute("vinsertf64x4", parts, counting())
    assert lanes_of(state, 1) == [*range(200, 208), *range(300, 308)]
    parts = [("zmm", 1), ("zmm", 2), ("xmm", 3), ("imm", 3)]
    state = execute("vinsertf32x4", parts, counting())
    assert lanes_of(state, 1) == [*range(200, 212), *range(300, 304)]


def test_shuffles_of_whole_blocks() -> None:
    operands = [("zmm", 1), ("zmm", 2), ("zmm", 3), ("imm", 0b00_11_01_10)]
    state = execute("vshuff32x4", operands, counting())
    blocks = [208, 204, 312, 300]
    assert lanes_of(state, 1) == [b + i for b in blocks for i in range(4)]


def test_permutes_by_index() -> None:
    state = counting()
    state.zmm[4].view(np.int32)[:] = [15, 0, 1, 2, 16 + 3, *[7] * 11]
    state = execute("vpermd", [("zmm", 1), ("zmm", 4), ("zmm", 2)], state)
    assert lanes_of(state, 1)[:6] == [215, 200, 201, 202, 203, 207]
    state = counting()
    state.zmm[4].view(np.int32)[:] = [0, 16, 15, 31, 32, *[1] * 11]
    state = execute("vpermt2ps", [("zmm", 1), ("zmm", 4), ("zmm", 3)], state)
    assert lanes_of(state, 1)[:6] == [100, 300, 115, 315, 100, 101]
    state = execute("vpermq", [("zmm", 1), ("zmm", 2), ("imm", 0b00_01_10_11)], counting(np.int64))
    assert lanes_of(state, 1, np.int64) == [203, 202, 201, 200, 207, 206, 205, 204]
    state = execute("valignd", [("zmm", 1), ("zmm", 2), ("zmm", 3), ("imm", 5)], counting())
    assert lanes_of(state, 1) == [*range(305, 316), *range(200, 205)]


def test_conversions_of_width() -> None:
    state = execute("vpmovqd", [("ymm", 1), ("zmm", 2)], counting(np.int64))
    assert lanes_of(state, 1) == [*range(200, 208), *[0] * 8]
    state = execute("vpmovsxdq", [("zmm", 1), ("ymm", 2)], counting())
    assert lanes_of(state, 1, np.int64) == [*range(200, 208)]
    state = execute("vcvtqq2pd", [("zmm", 1), ("zmm", 2)], counting(np.int64))
    assert lanes_of(state, 1, np.float64) == [*range(200, 208)]
    state = execute("vcvtqq2ps", [("ymm", 1), ("zmm", 2)], counting(np.int64))
    assert lanes_of(state, 1, np.float32) == [*range(200, 208), *[0] * 8]
    state = execute("vcvttps2qq", [("zmm", 1), ("ymm", 2)], counting(np.float32))
    assert lanes_of(state, 1, np.int64) == [*range(200, 208)]


def test_comparisons_set_opmasks() -> None:
    state = execute("vpcmpd", [("k", 2), ("zmm", 2), ("zmm", 2), ("imm", 5)], counting())
    assert state.k[2] == 0xFFFF
    state = counting()
    state.k[K] = 0b1010_1010_1111_0000
    state.zmm[3].view(np.int32)[:] = 208
    state = execute("vpcmpd", [("k", 2), ("zmm", 2), ("zmm", 3), ("imm", 1)], state, K)
    assert state.k[2] == 0x00F0
    state = counting(np.float64)
    state.zmm[3].view(np.float64)[:] = [202, np.nan] * 4
    state = execute("vcmppd", [("k", 2), ("zmm", 2), ("zmm", 3), ("imm", 0x11)], state)
    assert state.k[2] == 0b0000_0001


def test_blends_take_the_second_source_where_the_opmask_is_set() -> None:
    state = counting()
    state.k[K] = 0x8001
    state = execute("vblendmps", [("zmm", 1), ("zmm", 2), ("zmm", 3)], state, K)
    assert lanes_of(state, 1) == [300, *range(201, 215), 315]


def test_opmask_arithmetic() -> None:
    state = State()
    state.k[2], state.k[3] = 0xF0F0_F0F0, 0x1_0FF0
    for name, expected in (
        ("kandw", 0x00F0),
        ("korw", 0xFFF0),
        ("kxorw", 0xFF00),
        ("kandnw", 0xF00),
    ):
        assert execute(name, [("k", 1), ("k", 2), ("k", 3)], state).k[1] == expected, name
    assert execute("knotw", [("k", 1), ("k", 2)], state).k[1] == 0x0F0F
    assert execute("kmovw", [("k", 1), ("k", 2)], state).k[1] == 0xF0F0
    state.gpr[5] = -1 % 2**64
    assert execute("kmovw", [("k", 1), ("r32", 5)], state).k[1] == 0xFFFF
    assert execute("kmovq", [("r64", 6), ("k", 2)], state).gpr[6] == 0xF0F0_F0F0
    assert execute("kshiftlw", [("k", 1), ("k", 2), ("imm", 4)], state).k[1] == 0x0F00


# --- Memory --------------------------------------------------------------------------------------


def at(displacement: int = 0, **more: Any) -> tuple[str, Any]:
    return ("mem", {"base": 6, "disp": displacement, **more})


def mapped(array: np.ndarray, mask: int = 0) -> tuple[Memory, State]:
    memory, state = Memory(), counting()
    state.gpr[6] = memory.map("array", array)
    state.k[K] = mask
    return memory, state


def test_masked_lanes_do_not_touch_memory() -> None:
    array = np.arange(5, dtype=np.int32)
    memory, state = mapped(array, 0b11111)
    execute_in(memory, "vmovups", [("zmm", 1), at()], state, K, True)
    assert lanes_of(state, 1) == [0, 1, 2, 3, 4, *[0] * 11]
    execute_in(memory, "vaddps", [("zmm", 1), ("zmm", 2), at()], state, K)
    execute_in(memory, "vmovups", [at(), ("zmm", 2)], state, K)
    assert array.tolist() == [200, 201, 202, 203, 204]
    state.k[K] = 0b111111
    with pytest.raises(AccessViolation, match=r"load of 4 bytes at .* array .20 bytes"):
        execute_in(memory, "vmovups", [("zmm", 1), at()], state, K, True)
    with pytest.raises(AccessViolation, match="store of 4 bytes"):
        execute_in(memory, "vmovups", [at(), ("zmm", 2)], state, K)
    with pytest.raises(AccessViolation, match="load of 64 bytes"):
        execute_in(memory, "vmovups", [("zmm", 1), at()], state)


def test_embedded_broadcast_reads_one_element() -> None:
    memory, state = mapped(np.array([1000], np.int32))
    operands = [("zmm", 1), ("zmm", 2), at(broadcast=True)]
    execute_in(memory, "vpaddd", operands, state)
    assert lanes_of(state, 1) == [1200 + i for i in range(16)]
    memory, state = mapped(np.array([1.5], np.float32))
    execute_in(memory, "vcvtps2pd", [("zmm", 1), at(broadcast=True)], state)
    assert lanes_of(state, 1, np.float64) == [1.5] * 8


@pytest.mark.parametrize(("index", "vector"), [("d", "zmm"), ("q", "ymm")])
def test_gather_and_scatter(index: str, vector: str) -> None:
    array = np.arange(40, dtype=np.int32)
    memory, state = mapped(array, 0b1011)
    places = state.zmm[5].view(np.int32 if index == "d" else np.int64)
    places[:] = 1 << 30
    places[[0, 1, 3]] = [7, -1, 3]
    address = at(8, index=5, scale=4, index_kind="zmm")
    state.zmm[1].view(np.int32)[:] = -9
    execute_in(memory, f"vpgather{index}d", [(vector, 1), address], state, K)
    assert lanes_of(state, 1)[:5] == [9, 1, -9, 5, -9]
    assert state.k[K] == 0
    state.k[K] = 0b1011
    execute_in(memory, f"vpscatter{index}d", [address, (vector, 2)], state, K)
    assert array[[9, 1, 5]].tolist() == [200, 201, 203]
    assert state.k[K] == 0
    state.k[K] = 0b0100
    with pytest.raises(AccessViolation):
        execute_in(memory, f"vpgather{index}d", [(vector, 1), address], state, K)
