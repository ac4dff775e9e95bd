"""Kernels as hand-assembled x86-64 machine code, for tests that must not need the generator."""

from __future__ import annotations

import platform

import pytest

from loopstack import _loopnest

needs_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="x86-64 machine code")

_RETURN = bytes.fromhex("c3")

# mov rax, [rdi]; mov rax, [rax]; inc qword [rax]; ret
_INCREMENT_FIRST = bytes.fromhex("488b07 488b00 48ff00 c3")

# Stores the scalar of slot 0 (8 bytes) in the first element of slot 1.
# mov rax, [rdi]; mov rcx, [rax]; mov rcx, [rcx]; mov rax, [rax+8]; mov [rax], rcx; ret
_STORE_SCALAR = bytes.fromhex("488b07 488b08 488b09 488b4008 488908 c3")

# mov rax, [rdi]; mov rax, [rax]; mov rcx, [rdi+8]; mov [rax], rcx; mov rcx, [rdi+16];
# mov [rax+8], rcx; mov rcx, [rdi+24]; mov [rax+16], rcx; mov rcx, [rdi+40]; mov [rax+24], rcx; ret
_STORE_FRAME = bytes.fromhex(
    "488b07 488b00 488b4f08 488908 488b4f10 48894808 488b4f18 48894810 488b4f28 48894818 c3"
)

# Parallel over `count` int64 elements: each gets 256 and the number of the thread that ran it
# added. Iterations below `slow` count down from `steps`.
# push rbx; mov rdx, [rdi]; lea rsi, [rip+14]; xor ecx, ecx; mov r8d, count; call [rdi+32];
# pop rbx; ret
# body: mov rax, [rsi]; L: cmp rdx, rcx; jge E; lea r9, [r8+256]; add [rax+rdx*8], r9;
# cmp rdx, slow; jge N; mov r9d, steps; D: dec r9d; jnz D; N: inc rdx; jmp L; E: ret
_PARALLEL_HEAD = bytes.fromhex("53 488b17 488d350d000000 31c9 41b8")
_PARALLEL_TAIL = bytes.fromhex("ff5720 5b c3")
_BODY_ADD = bytes.fromhex("488b06 4839ca 7d24 4d8d8800010000 4c010cd0 4881fa")
_BODY_WAIT = bytes.fromhex("7d0b 41b9")
_BODY_END = bytes.fromhex("41ffc9 75fb 48ffc2 ebd7 c3")


def load(machine_code: bytes, **sizes: int) -> _loopnest.LoadedCode:
    return _loopnest.load(_loopnest.Code(machine_code, **sizes))


def returns() -> _loopnest.LoadedCode:
    return load(_RETURN)


def increments_first() -> _loopnest.LoadedCode:
    """Add one to the first int64 of argument 0."""
    return load(_INCREMENT_FIRST)


def stores_scalar() -> _loopnest.LoadedCode:
    """Copy the 8-byte slot of scalar argument 0 to argument 1."""
    return load(_STORE_SCALAR)


def stores_frame(**sizes: int) -> _loopnest.LoadedCode:
    """Write workspace, private workspace, private stride and threads to argument 0."""
    return load(_STORE_FRAME, **sizes)


def numbers_threads(count: int, slow: int = 0, steps: int = 1) -> _loopnest.LoadedCode:
    """Add 256 and the thread's number to each of ``count`` int64 elements of argument 0.

    The first ``slow`` iterations take ``steps`` cycles each.
    """
    head = _PARALLEL_HEAD + count.to_bytes(4, "little")
    body = _BODY_ADD + slow.to_bytes(4, "little") + _BODY_WAIT + steps.to_bytes(4, "little")
    return load(head + _PARALLEL_TAIL + body + _BODY_END)
