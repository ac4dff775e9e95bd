"""The instruction table against two disassemblers: every form decodes to the text it came from."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from harness.instruction_cases import Case, Row, cases, vex_signatures

from loopstack import _loopnest

iced = pytest.importorskip("iced_x86")

ENCODINGS = {
    "legacy": iced.EncodingKind.LEGACY,
    "vex": iced.EncodingKind.VEX,
    "evex": iced.EncodingKind.EVEX,
}


@cache
def rows() -> list[Row]:
    found = _loopnest.instruction_forms()
    vex = vex_signatures(found)
    for row in found:
        signature = tuple("/".join(operand["kinds"]) for operand in row["operands"])
        row["has_vex_twin"] = (row["mnemonic"], *signature) in vex
    return found


@cache
def encoded_cases() -> list[tuple[Case, bytes]]:
    return [(case, encode(case)) for row in rows() for case in cases(row)]


def encode(case: Case) -> bytes:
    return _loopnest.encode(case.mnemonic, list(case.operands), case.k, case.zero)


def formatter() -> Any:
    style = iced.Formatter(iced.FormatterSyntax.NASM)
    style.use_pseudo_ops = False
    style.space_after_operand_separator = True
    style.memory_size_options = iced.MemorySizeOptions.ALWAYS
    style.hex_prefix, style.hex_suffix, style.uppercase_hex = "0x", "", False
    style.small_hex_numbers_in_decimal = False
    style.always_show_scale = True
    style.show_branch_size = False
    return style


def decode_one(code: bytes) -> Any:
    decoder = iced.Decoder(64, code, ip=0)
    instruction = decoder.decode()
    assert instruction.len == len(code), code.hex()
    return instruction, decoder.get_constant_offsets(instruction)


def test_every_mnemonic_and_encoding_is_swept():
    swept = {(case.mnemonic, case.encoding) for case, _ in encoded_cases()}
    jumps = {"jmp", "call", *(row["mnemonic"] for row in rows() if row["mnemonic"][0] == "j")}
    missing = {(row["mnemonic"], row["encoding"]) for row in rows()} - swept
    assert {mnemonic for mnemonic, _ in missing} <= jumps


def test_forms_decode_to_the_text_they_came_from():
    style, wrong = formatter(), []
    for case, code in encoded_cases():
        instruction, _ = decode_one(code)
        text = style.format(instruction)
        if text != case.text:
            wrong.append(f"{code.hex()}: expected {case.text!r}, decoded {text!r}")
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:40])


def test_the_expected_encoding_and_displacement_width_are_chosen():
    wrong = []
    for case, code in encoded_cases():
        instruction, offsets = decode_one(code)
        if instruction.encoding != ENCODINGS[case.encoding]:
            wrong.append(f"{case.text}: not {case.encoding}: {code.hex()}")
        if case.displacement_bytes not in (None, offsets.displacement_size):
            wrong.append(f"{case.text}: displacement of {offsets.displacement_size} bytes")
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:40])


# --- objdump -----------------------------------------------------------------------------------

OBJDUMP_WORDS = {"xmmword": "oword", "ymmword": "yword", "zmmword": "zword"}


def disassemble(code: bytes, folder: Path) -> list[str]:
    path = folder / "code.bin"
    path.write_bytes(code)
    flags = ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--no-show-raw-insn"]
    command = ["objdump", *flags, str(path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.findall(r"^\s*[0-9a-f]+:\t(.*)$", text, re.MULTILINE)


def normalised(text: str) -> str:
    """Drop what the two disassemblers spell differently: spaces, PTR, broadcast counts."""
    text = text.lower().strip().replace(" ptr ", " ").replace("movabs", "mov")
    text = text.removeprefix("{evex} ").replace("prefetchw byte", "prefetchw")
    text = re.sub(r"(byte|word) bcst (\[[^]]*\])(\{1to\d+\})?", r"\1 \2{bcst}", text)
    text = re.sub(r"\{1to\d+\}", "{bcst}", text)
    text = text.replace("+0x0]", "]").replace("*1+", "+").replace("*1]", "]").replace("*1-", "-")
    for theirs, ours in OBJDUMP_WORDS.items():
        text = text.replace(theirs, ours)
    return re.sub(r"\s+", " ", text).replace(", ", ",")


def has_pseudo_name(case: Case) -> bool:
    """Compares by immediate have aliases that objdump always prints."""
    immediate = case.operands[-1][1] if case.operands else None
    return "cmp" in case.mnemonic and isinstance(immediate, int) and immediate < 32


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed")
def test_objdump_agrees(tmp_path: Path):
    chosen = [(case, code) for case, code in encoded_cases() if not has_pseudo_name(case)]
    lines = disassemble(b"".join(code for _, code in chosen), tmp_path)
    assert len(lines) == len(chosen)
    wrong = [
        f"{code.hex()}: expected {case.text!r}, objdump {line!r}"
        for (case, code), line in zip(chosen, lines, strict=True)
        if normalised(case.text) != normalised(line)
    ]
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:40])


# --- Labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mnemonic", ["jmp", "jl", "jne", "jge", "jp", "jb"])
def test_backward_branches_are_short_within_reach(mnemonic: str):
    for distance, length in [(-1, 2), (-126, 2), (-127, None), (-1000, None)]:
        code = _loopnest.encode(mnemonic, [("label", distance)])
        instruction, _ = decode_one(code)
        assert instruction.near_branch_target == distance % 2**64
        assert len(code) == (length or (5 if mnemonic == "jmp" else 6))


@pytest.mark.parametrize("mnemonic", ["jmp", "call", "je", "jg"])
def test_forward_branches_are_rel32(mnemonic: str):
    for distance in (0, 1, 100_000):
        code = _loopnest.encode(mnemonic, [("label", distance)])
        instruction, _ = decode_one(code)
        assert instruction.near_branch_target == len(code) + distance


@pytest.mark.parametrize(
    ("mnemonic", "before", "after"),
    [
        ("lea", [("r64", 9)], []),
        ("vmovups", [("ymm", 9)], []),
        ("vaddps", [("zmm", 1), ("zmm", 2)], []),
        ("vshufps", [("zmm", 17), ("zmm", 2)], [("imm", 27)]),
        ("add", [], [("imm", 100_000)]),
        ("vblendvps", [("xmm", 1), ("xmm", 2)], [("xmm", 3)]),
    ],
)
def test_rip_relative_counts_from_the_end_of_the_instruction(mnemonic, before, after):
    memory = ("mem", {"rip_relative": True, "disp": 48})
    code = _loopnest.encode(mnemonic, [*before, memory, *after])
    instruction, _ = decode_one(code)
    assert instruction.is_ip_rel_memory_operand
    assert instruction.ip_rel_memory_address == len(code) + 48


# --- Refusals ----------------------------------------------------------------------------------

MEM = ("mem", {"base": 0})

REFUSALS = [
    ("vaddps", [("ymm", 1), ("xmm", 2), ("ymm", 3)], 0, "no form takes (ymm1, xmm2, ymm3)"),
    ("vaddps", [("ymm", 1), ("ymm", 32), ("ymm", 3)], 0, "no such register"),
    ("vmovdqu", [("zmm", 1), MEM], 0, "no form takes (zmm1, mem)"),
    ("vpand", [("ymm", 1), ("ymm", 2), ("ymm", 16)], 0, "no form takes (ymm1, ymm2, ymm16)"),
    ("vroundps", [("ymm", 1), ("ymm", 2), ("imm", 1)], 3, "no form takes (ymm1, ymm2, imm 1) {k3}"),
    ("vaddps", [("ymm", 1), ("ymm", 2), ("ymm", 3)], 8, "opmasks are k1 to k7"),
    ("vgatherdps", [("zmm", 1), ("mem", {"index": 2, "index_kind": "zmm"})], 0, "no form takes"),
    (
        "vgatherdps",
        [("zmm", 1), ("mem", {"index": 1, "index_kind": "zmm"})],
        1,
        "destination and index are one register",
    ),
    (
        "vgatherdps",
        [("ymm", 1), ("mem", {"index": 2, "index_kind": "ymm"}), ("ymm", 2)],
        0,
        "the mask must differ from destination and index",
    ),
    ("mov", [("r64", 1), ("mem", {"base": 0, "index": 4})], 0, "rsp cannot be an index"),
    ("mov", [("r64", 1), ("mem", {"base": 0, "index": 2, "scale": 3})], 0, "scale is 1, 2, 4 or 8"),
    ("mov", [("r64", 1), ("mem", {"base": 17})], 0, "no such base register"),
    ("add", [("r64", 1), ("imm", 1 << 40)], 0, "no form takes (r64:1, imm 1099511627776)"),
    ("vpslld", [("ymm", 1), ("ymm", 2), ("imm", 256)], 0, "no form takes"),
    ("vaddps", [("zmm", 1), ("mem", {"base": 0, "broadcast": True})], 0, "no form takes"),
    ("vpshufb", [("zmm", 1), ("zmm", 1), ("mem", {"broadcast": True})], 0, "mem{broadcast}"),
    ("shl", [("r64", 1), ("r64", 2)], 0, "no form takes (r64:1, r64:2)"),
]


@pytest.mark.parametrize(("mnemonic", "operands", "k", "message"), REFUSALS)
def test_refusals_name_the_instruction_and_the_reason(mnemonic, operands, k, message):
    with pytest.raises(_loopnest.EncodeError) as caught:
        _loopnest.encode(mnemonic, operands, k)
    assert str(caught.value).startswith(mnemonic + ": ")
    assert message in str(caught.value)


def test_zeroing_needs_a_mask_and_a_vector_destination():
    compare = [("k", 1), ("zmm", 2), ("zmm", 3), ("imm", 0)]
    for mnemonic, operands, k in [
        ("vaddps", [("zmm", 1), ("zmm", 2), ("zmm", 3)], 0),
        ("vmovups", [MEM, ("zmm", 2)], 1),
        ("vcmpps", compare, 1),
    ]:
        with pytest.raises(_loopnest.EncodeError, match="no form takes"):
            _loopnest.encode(mnemonic, operands, k, True)


def test_unknown_names_are_refused():
    with pytest.raises(_loopnest.EncodeError, match="no mnemonic vfoo"):
        _loopnest.encode("vfoo", [])
