"""The emulator against this CPU, one instruction form at a time, and its own contract."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from emulator import AccessViolation, CallingConventionError, Machine
from emulator.exact import fma
from emulator.machine import slices
from emulator.semantics import BUILDERS
from harness.instruction_programs import (
    BLOCK_BYTES,
    FLAGS,
    FLAGS_AT,
    GPR_AT,
    RBX,
    RSP,
    Operand,
    at,
    program,
    random_block,
)
from harness.machine_code import needs_x86

from loopstack import _loopnest
from loopstack.machine import features

# Registers a random operand may be: not rsp, nor rbx (the address of scratch memory).
GENERAL = [0, 1, 2, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15]
TEXT_NAMES = {"mov8": "mov", "movzx8": "movzx", "movsx8": "movsx"}
REPEATS = 3  # instances of a form in one program
DIVISIONS = ("idiv", "div")
CONTROL = {"jmp", "call", "ret", "push", "pop", "ud2"}
# Flags an instruction leaves undefined, by the condition that reads them.
UNDEFINED = {
    "imul": {"e", "l", "p"}, "mul": {"e", "l", "p"}, "idiv": set(FLAGS), "div": set(FLAGS),
    "shl": {"l"}, "shr": {"l"}, "sar": {"l"}, "bzhi": {"p"}, "andn": {"p"},
    "tzcnt": {"l", "p"}, "lzcnt": {"l", "p"},
}  # fmt: skip


@cache
def host_rows() -> list[dict[str, Any]]:
    """Forms this CPU can run that neither branch nor use the stack."""
    rows = _loopnest.instruction_forms()
    return [
        row
        for row in rows
        if row["mnemonic"] not in CONTROL
        and not any("label" in operand["kinds"] for operand in row["operands"])
        and row["encoding"] != "evex"
        and not row["mnemonic"].startswith("k")
    ]


class Sampler:
    """Random operands of one form."""

    def __init__(self, row: dict[str, Any], rng: np.random.Generator, memory: bool) -> None:
        self.row, self.rng, self.memory = row, rng, memory
        self.vectors = [int(n) for n in rng.permutation(16)]

    def operands(self) -> list[Operand]:
        return [self._operand(operand) for operand in self.row["operands"]]

    def _operand(self, operand: dict[str, Any]) -> Operand:
        kinds = operand["kinds"]
        if "mem" in kinds and (self.memory or kinds == ["mem"]):
            return self._address(operand)
        kind = kinds[0]
        if kind == "imm":
            return ("imm", self._immediate(operand["class"]))
        if operand["class"] == "CL":
            return (kind, 1)
        if self.row["mnemonic"] in DIVISIONS:
            return (kind, 11)
        if kind in ("r64", "r32"):
            return (kind, int(self.rng.choice(GENERAL)))
        return (kind, self.vectors.pop())

    def _immediate(self, operand_class: str) -> int:
        if self.row["mnemonic"] == "vcvtps2ph":
            return 0
        if self.row["mnemonic"].startswith("vround"):
            return int(self.rng.integers(16))
        limits = {"I8": (0, 256), "S8": (-128, 128), "U32": (0, 2**32), "I64": (2**31, 2**62)}
        return int(self.rng.integers(*limits.get(operand_class, (-(2**31), 2**31))))

    def _address(self, operand: dict[str, Any]) -> Operand:
        if self.row["mnemonic"] == "lea":
            return at(11, int(self.rng.integers(-100, 100)), index=9, scale=4)
        if "index_kind" in operand:
            index = {"index": self.vectors.pop(), "index_kind": operand["index_kind"]}
            return at(RBX, int(self.rng.integers(-16, 16)), scale=4, **index)
        if self.row["mnemonic"].startswith(("vmova", "vmovnt")):
            return at(RBX, int(self.rng.choice([-64, 0, 64])))
        if self.rng.random() < 0.5:
            return at(RBX, int(self.rng.integers(-90, 60)))
        return at(
            RBX, int(self.rng.integers(-60, 30)), index=9, scale=int(2 ** self.rng.integers(4))
        )


def snippet(row: dict[str, Any], operands: list[Operand]) -> list[bytes]:
    """Return the instruction, after what gives its hidden inputs harmless values."""
    mnemonic = row["mnemonic"]
    before = [_loopnest.encode("cmp", [("r64", 10), ("r64", 11)])]
    if mnemonic in DIVISIONS:  # 0 <= dividend < 2**29, an odd divisor
        before = [_loopnest.encode("xor", [("r32", 2), ("r32", 2)])]
        before += [_loopnest.encode("shr", [("r64", 0), ("imm", 35)])]
        before += [_loopnest.encode("or", [*operands, ("imm", 1)])]
    if "gather" in mnemonic:
        index = operands[1][1]["index"]
        is_wide = mnemonic.split("gather")[1].startswith("q")
        shift, count = ("vpsrlq", 61) if is_wide else ("vpsrad", 29)
        before += [_loopnest.encode(shift, [("ymm", index), ("ymm", index), ("imm", count)])]
    return [*before, _loopnest.encode(mnemonic, operands)]


def run_here(code: bytes, block: np.ndarray) -> None:
    _loopnest.run(_loopnest.load(_loopnest.Code(code)), [block.ctypes.data], 1)


def run_emulated(code: bytes, block: np.ndarray) -> None:
    machine = Machine(code)
    machine.call([machine.map("block", block)])


def differences(row: dict[str, Any], ours: np.ndarray, theirs: np.ndarray) -> list[str]:
    """Compare blocks: NaNs are equal, rbx and undefined flags are not looked at."""
    found = []
    words, expected = ours.view(np.uint32), theirs.view(np.uint32)
    skipped = {GPR_AT // 4 + 2 * n + half for n in (RBX, RSP) for half in (0, 1)}
    for i in np.nonzero(words != expected)[0].tolist():
        if i in skipped or FLAGS_AT <= 4 * i < FLAGS_AT + 64 or _both_nan(ours, theirs, i):
            continue
        found.append(f"byte {4 * i}: {words[i]:#x}, here {expected[i]:#x}")
    for i, flag in enumerate(FLAGS):
        if flag in UNDEFINED.get(row["mnemonic"], ()):
            continue
        if ours[FLAGS_AT + i] != theirs[FLAGS_AT + i]:
            found.append(f"condition {flag}: {ours[FLAGS_AT + i]}, here {theirs[FLAGS_AT + i]}")
    return found


def _both_nan(ours: np.ndarray, theirs: np.ndarray, word: int) -> bool:
    pairs = [(np.float32, word), (np.float64, word // 2)]
    return any(np.isnan(ours.view(t)[i]) and np.isnan(theirs.view(t)[i]) for t, i in pairs)


def variants(row: dict[str, Any]) -> list[bool]:
    kinds = [operand["kinds"] for operand in row["operands"]]
    if any(kind == ["mem"] for kind in kinds):
        return [True]
    return [False, True] if any("mem" in kind for kind in kinds) else [False]


@needs_x86
@pytest.mark.skipif("avx2" not in features.detect().isas, reason="needs AVX2")
@pytest.mark.parametrize("encoding", ["legacy", "vex"])
def test_every_form_does_what_this_cpu_does(encoding: str) -> None:
    rng, wrong = np.random.default_rng(1), []
    for row in host_rows():
        if row["encoding"] != encoding:
            continue
        for memory in variants(row):
            chosen = [Sampler(row, rng, memory).operands() for _ in range(REPEATS)]
            code = program([part for operands in chosen for part in snippet(row, operands)])
            here = random_block(rng)
            emulated = _aligned_copy(here)
            run_here(code, here)
            run_emulated(code, emulated)
            found = differences(row, emulated, here)
            if found:
                wrong.append(f"{row['mnemonic']} {chosen}: {'; '.join(found[:3])}")
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:40])


def _aligned_copy(block: np.ndarray) -> np.ndarray:
    raw = np.zeros(BLOCK_BYTES + 64, np.uint8)
    copy = raw[-raw.ctypes.data % 64 :][:BLOCK_BYTES]
    copy[:] = block
    return copy


def test_every_mnemonic_has_semantics() -> None:
    names = {row["mnemonic"] for row in _loopnest.instruction_forms()}
    missing = {TEXT_NAMES.get(name, name) for name in names} - set(BUILDERS)
    assert missing <= {
        "vscalefps",
        "vscalefpd",
        "vgetexpps",
        "vgetexppd",
        "vgetmantps",
        "vgetmantpd",
    }


# --- Rounding once -------------------------------------------------------------------------------


def exact_fma(a: Any, b: Any, c: Any) -> Any:
    """The reference: exact rationals, rounded once."""
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    if isinstance(a, np.float64):
        return np.float64(exact.numerator / exact.denominator)
    return round_to_f32(exact)


def round_to_f32(exact: Fraction) -> np.float32:
    """Round a rational to f32, ties to even, by comparing with the midpoints around a guess."""
    guess = np.float32(float(exact))
    around = [
        np.nextafter(guess, np.float32(-np.inf)),
        guess,
        np.nextafter(guess, np.float32(np.inf)),
    ]

    def distance(candidate: np.float32) -> tuple[Fraction, int]:
        return abs(Fraction(float(candidate)) - exact), int(candidate.view(np.int32)) & 1

    return min(around, key=distance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fma_is_rounded_once(dtype: Any) -> None:
    rng = np.random.default_rng(7)
    limit = 30 if dtype is np.float32 else 200
    a, b, c = (
        (rng.normal(size=3000) * 2.0 ** rng.integers(-limit, limit, 3000)).astype(dtype)
        for _ in range(3)
    )
    # Sums that nearly cancel, and products next to a midpoint, show double rounding.
    c[:1000] = -(a[:1000] * b[:1000]) * (1 + rng.integers(-3, 4, 1000) * np.finfo(dtype).eps)
    a[1000:2000] = (1 + rng.integers(1, 99, 1000) * np.finfo(dtype).eps).astype(dtype)
    c[1000:2000] = a[1000:2000] * np.finfo(dtype).eps * rng.choice([0.5, 0.25], 1000)
    for got, *terms in zip(fma(a, b, c), a, b, c):
        assert got == exact_fma(*terms), terms


def test_fma_at_the_limits() -> None:
    f64 = np.float64
    rows = [
        (1e308, 10.0, -np.inf, -np.inf),
        (1e200, 1e200, -1e300, np.inf),
        (2.0**600, 2.0**600, -np.inf, -np.inf),
        (2.0**-600, 2.0**-600, 2.0**-1074, 2.0**-1074),
        (2.0**-540, 2.0**-535, 2.0**-1074, 2.0**-1073),
        (-0.0, 5.0, -0.0, -0.0),
        (3.0, -3.0, 9.0, 0.0),
        (1e200, 1e150, -1e308, 1e200 * 1e150),
    ]
    a, b, c, expected = (np.array(column, f64) for column in zip(*rows))
    with np.errstate(all="ignore"):
        got = fma(a, b, c)
    exact = [1e200 * 1e108 if np.isnan(e) else e for e in expected]
    np.testing.assert_array_equal(got[:7], exact[:7])
    np.testing.assert_array_equal(np.signbit(got[:7]), np.signbit(exact[:7]))
    assert np.isinf(got[7])


# --- The machine ---------------------------------------------------------------------------------


def assemble(*lines: tuple[Any, ...]) -> bytes:
    return b"".join(_loopnest.encode(name, list(operands)) for name, *operands in lines)


INCREMENT_FIRST = assemble(
    ("mov", ("r64", 0), at(7)), ("mov", ("r64", 0), at(0)), ("inc", at(0)), ("ret",)
)
STORE_FRAME = assemble(
    ("mov", ("r64", 0), at(7)),
    ("mov", ("r64", 0), at(0)),
    *(
        line
        for to, field in enumerate((8, 16, 24, 40))
        for line in (("mov", ("r64", 1), at(7, field)), ("mov", at(0, 8 * to), ("r64", 1)))
    ),
    ("ret",),
)


def test_stores_show_in_the_callers_array() -> None:
    counter = np.zeros(3, np.int64)
    machine = Machine(INCREMENT_FIRST)
    machine.call([machine.map("counter", counter)])
    assert counter.tolist() == [1, 0, 0]


# The parallel body of numbers_threads: each element becomes the number of the thread that ran it.
def numbers_threads(count: int) -> bytes:
    body = assemble(
        ("mov", ("r64", 6), at(6)),
        ("cmp", ("r64", 2), ("r64", 1)),
        ("jge", ("label", 9)),
        ("mov", at(6, index=2, scale=8), ("r64", 8)),
        ("inc", ("r64", 2)),
    )
    back = -(len(body) - len(assemble(("mov", ("r64", 6), at(6)))))
    body += assemble(("jmp", ("label", back)), ("ret",))
    tail = assemble(("call", at(7, 32)), ("pop", ("r64", 3)), ("ret",))
    head = assemble(
        ("push", ("r64", 3)),
        ("mov", ("r64", 2), at(7)),
        ("xor", ("r32", 1), ("r32", 1)),
        ("mov", ("r32", 8), ("imm", count)),
        ("lea", ("r64", 6), ("mem", {"rip_relative": True, "disp": len(tail)})),
    )
    return head + tail + body


LOAD_POINTER = (
    ("mov", ("r64", 0), at(7)),
    ("mov", ("r64", 0), at(0)),
)


@pytest.mark.parametrize(("displacement", "offset"), [(-1, -1), (61, 61), (1 << 20, 1 << 20)])
def test_accesses_outside_name_the_nearest_array(displacement: int, offset: int) -> None:
    code = assemble(*LOAD_POINTER, ("vmovd", ("xmm", 1), at(0, displacement)), ("ret",))
    machine = Machine(code)
    address = machine.map("A", np.zeros(16, np.float32))
    with pytest.raises(AccessViolation) as caught:
        machine.call([address])
    assert caught.value.address == address + displacement
    assert f"{offset:+d} bytes from the start of A (64 bytes)" in str(caught.value)
    assert "vmovd" in str(caught.value)


def test_read_only_and_misaligned_accesses_fault() -> None:
    array = np.zeros(64, np.float32)
    store = assemble(*LOAD_POINTER, ("vmovups", at(0), ("ymm", 1)), ("ret",))
    machine = Machine(store)
    with pytest.raises(AccessViolation, match="A is read-only"):
        machine.call([machine.map("A", array, writable=False)])
    aligned = array[-array.ctypes.data % 32 // 4 :]
    code = assemble(*LOAD_POINTER, ("vmovaps", ("ymm", 1), at(0, 4)), ("ret",))
    machine = Machine(code)
    with pytest.raises(AccessViolation, match="not aligned to 32 bytes"):
        machine.call([machine.map("A", aligned)])


def test_masked_moves_touch_chosen_lanes_only() -> None:
    array = np.arange(3, dtype=np.float32)
    signs = np.array([-1, -1, -1, 0, 0, 0, 0, 0], np.int32)
    code = assemble(
        ("mov", ("r64", 1), at(7)),
        ("mov", ("r64", 0), at(1)),
        ("mov", ("r64", 1), at(1, 8)),
        ("vmovups", ("ymm", 2), at(1)),
        ("vmaskmovps", ("ymm", 1), ("ymm", 2), at(0)),
        ("vaddps", ("ymm", 1), ("ymm", 1), ("ymm", 1)),
        ("vmaskmovps", at(0), ("ymm", 2), ("ymm", 1)),
        ("ret",),
    )
    machine = Machine(code)
    machine.call([machine.map("A", array), machine.map("signs", signs)])
    assert array.tolist() == [0, 2, 4]
    signs[3] = -1
    with pytest.raises(AccessViolation, match="load of 4 bytes"):
        Machine.call(machine, [machine.map("A", array), machine.map("signs", signs)])


def test_callee_saved_registers_are_checked() -> None:
    machine = Machine(assemble(("mov", ("r64", 12), ("r64", 0)), ("ret",)))
    with pytest.raises(CallingConventionError, match="r12 was"):
        machine.call([])
    machine = Machine(assemble(("push", ("r64", 0)), ("jmp", at(4, 8))))
    with pytest.raises(CallingConventionError, match="rsp was"):
        machine.call([])


def test_endless_loops_and_wild_jumps_are_reported() -> None:
    machine = Machine(b"\xeb\xfe", max_steps=1000)
    with pytest.raises(CallingConventionError, match="no return after 1000 instructions"):
        machine.call([])
    machine = Machine(assemble(("xor", ("r32", 0), ("r32", 0)), ("jmp", ("r64", 0))))
    with pytest.raises(CallingConventionError, match="outside the code"):
        machine.call([])


def test_unknown_instructions_are_named() -> None:
    machine = Machine(bytes.fromhex("660f38dec1 c3"))
    with pytest.raises(NotImplementedError, match="aesdec"):
        machine.call([])


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_parallel_loops_run_every_slice(threads: int) -> None:
    array = np.full(5, -1, np.int64)
    machine = Machine(numbers_threads(5))
    machine.call([machine.map("A", array)], threads=threads, private_bytes=64)
    expected = [t for t, (a, b) in enumerate(slices(0, 5, threads)) for _ in range(a, b)]
    assert array.tolist() == expected


def test_slices_are_those_of_the_runtime() -> None:
    assert slices(0, 10, 4) == [(0, 3), (3, 6), (6, 8), (8, 10)]
    assert slices(3, 5, 4) == [(3, 4), (4, 5)]
    assert slices(4, 4, 4) == []


def test_frame_fields_reach_the_code() -> None:
    seen = np.zeros(4, np.int64)
    machine = Machine(STORE_FRAME)
    machine.call([machine.map("A", seen)], workspace_bytes=100, private_bytes=5000, threads=3)
    workspace, private, stride, threads = seen.tolist()
    assert (stride, threads) == (8192, 3)
    assert workspace % 64 == 0
    assert private % 64 == 0
