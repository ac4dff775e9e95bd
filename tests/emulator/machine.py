"""The run loop and the calling contract of csrc/include/loopnest/abi.hpp.

A call to the frame's ``parallel_for`` arrives at an address of ours: the body then runs over its
slices, one emulated thread after the other, each on a stack of its own. At every return we check
that the function kept rsp and the callee-saved registers; whatever it may clobber is scrambled
before it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import iced_x86 as iced
import numpy as np

from emulator.decoder import Decoded
from emulator.memory import PAGE_BYTES, AccessViolation, Memory
from emulator.semantics import BUILDERS, Step
from emulator.state import CALLEE_SAVED, MASK64, R8, RCX, RDI, RDX, RSI, RSP, State

RETURN_ADDRESS = 0x0EAD_0000_0000
PARALLEL_FOR = 0x0EAD_0000_1000
STACK_BYTES = 2 << 20
FAULTS = (AccessViolation, NotImplementedError, OverflowError, ZeroDivisionError)
GPR_NAMES = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15"


class CallingConventionError(Exception):
    """A function that does not return, or returns with registers it had to keep changed."""


class Machine:
    """One piece of code, its memory, and one set of registers."""

    def __init__(self, code: bytes, entry: int = 0, max_steps: int = 50_000_000) -> None:
        self.state = State()
        self.memory = Memory()
        self.code = bytes(code)
        image = np.frombuffer(self.code, np.uint8)
        self.code_base = self.memory.map("code", image, writable=False)
        self.entry = self.code_base + entry
        self.max_steps = max_steps
        self.steps = 0
        self._decoded: dict[int, tuple[Step, int]] = {}
        self._inside_job: int | None = None  # the thread whose slice is running
        self._stacks: dict[int, int] = {}  # thread -> rsp before its outermost call

    def map(self, name: str, array: np.ndarray, writable: bool = True) -> int:
        """Make an array addressable, sharing its storage; return its address."""
        return self.memory.map(name, array, writable)

    # --- Calls ---

    def call(
        self,
        arguments: Sequence[int],
        *,
        workspace_bytes: int = 0,
        private_bytes: int = 0,
        threads: int = 1,
    ) -> None:
        """Run the kernel on the addresses of its argument arrays, as the runtime would."""
        regions = self._workspaces(workspace_bytes, private_bytes, threads)
        table = np.array(list(arguments) or [0], np.uint64)
        shared, private, stride = regions
        frame = np.array(
            [self.map("argument table", table), shared, private, stride, PARALLEL_FOR, threads, 0],
            np.uint64,
        )
        address = self.map("frame", frame, writable=False)
        try:
            self.run(self.entry, [address])
        finally:
            self.memory.unmap(address)

    def _workspaces(self, shared: int, private: int, threads: int) -> tuple[int, int, int]:
        """Map workspaces; only what a thread owns is accessible, the padding is not."""
        stride = -(-max(private, 1) // PAGE_BYTES) * PAGE_BYTES
        workspace = self.map("workspace", _aligned(shared))
        origin = self.map("private workspace 0", _aligned(private))
        # The others follow at the stride: thread t owns [t * stride, + private).
        self.memory.reserve(threads * stride)
        for thread in range(1, threads):
            self.memory.map_at(
                f"private workspace {thread}", _aligned(private), origin + thread * stride
            )
        return workspace, origin, stride

    def run(self, entry: int, arguments: Sequence[int], thread: int = 0) -> None:
        """Call a function and check that it returns as the System V convention says.

        Raises AccessViolation, CallingConventionError, NotImplementedError.
        """
        state = self.state
        outer_rsp = state.gpr[RSP]
        state.gpr[RSP] = self._stack_top(thread)
        state.scramble_volatile(thread)
        for register, value in zip((RDI, RSI, RDX, RCX, R8), arguments, strict=False):
            state.gpr[register] = value & MASK64
        before = state.saved_registers()
        self._push(RETURN_ADDRESS)
        with np.errstate(all="ignore"):
            self._loop(entry, thread)
        self._check_saved(before)
        state.gpr[RSP] = outer_rsp

    def _stack_top(self, thread: int) -> int:
        """A multiple of 16; a nested call of the same thread goes on below its caller."""
        if thread not in self._stacks:
            stack = _aligned(STACK_BYTES, 0xA5)
            self._stacks[thread] = self.map(f"stack of thread {thread}", stack) + STACK_BYTES
        top, rsp = self._stacks[thread], self.state.gpr[RSP]
        is_nested = top - STACK_BYTES < rsp <= top
        return (rsp - 128) // 16 * 16 if is_nested else top - 64

    def _push(self, value: int) -> None:
        gpr = self.state.gpr
        gpr[RSP] -= 8
        self.memory.store_int(gpr[RSP], 8, value)

    def _check_saved(self, before: tuple[int, ...]) -> None:
        names = GPR_NAMES.split()
        for number, old, new in zip(CALLEE_SAVED, before, self.state.saved_registers()):
            if old != new:
                raise CallingConventionError(
                    f"{names[number]} was {old:#x} at the call and is {new:#x} on return"
                )

    # --- Running ---

    def _loop(self, ip: int, thread: int) -> None:
        decoded, limit = self._decoded, self.max_steps
        while ip != RETURN_ADDRESS:
            entry = decoded.get(ip)
            if entry is None:
                if ip == PARALLEL_FOR:
                    ip = self._parallel_for()
                    continue
                entry = decoded[ip] = self._decode(ip)
            self.steps += 1
            if self.steps > limit:
                raise CallingConventionError(f"no return after {limit} instructions")
            try:
                target = entry[0]()
            except FAULTS as fault:
                fault.args = (f"{fault} (thread {thread}, {self.describe(ip)})", *fault.args[1:])
                raise
            ip = entry[1] if target is None else target

    def _decode(self, ip: int) -> tuple[Step, int]:
        offset = ip - self.code_base
        if not 0 <= offset < len(self.code):
            raise CallingConventionError(f"jump to {ip:#x}, outside the code")
        instruction = iced.Decoder(64, self.code[offset : offset + 15], ip=ip).decode()
        if instruction.is_invalid:
            raise NotImplementedError(f"bytes {self.code[offset : offset + 15].hex()} at {ip:#x}")
        return build(Decoded(self.state, self.memory, instruction)), instruction.next_ip

    def describe(self, ip: int) -> str:
        """Return an instruction's offset in the code and its text."""
        offset = ip - self.code_base
        instruction = iced.Decoder(64, self.code[offset : offset + 15], ip=ip).decode()
        return f"+{offset:#x}: {instruction}"

    # --- Parallel loops ---

    def _parallel_for(self) -> int:
        """Run body(frame, captures, begin, end, thread) over equal slices; return to the caller.

        Inside a slice there is one slice only, on the same thread.
        """
        gpr, memory = self.state.gpr, self.memory
        frame, body, captures = gpr[RDI], gpr[RSI], gpr[RDX]
        begin, end = (_signed(gpr[n]) for n in (RCX, R8))
        if gpr[RSP] % 16 != 8:
            raise CallingConventionError(f"rsp is {gpr[RSP]:#x} at the call: not a multiple of 16")
        back = memory.load_int(gpr[RSP], 8)
        gpr[RSP] += 8
        nested, threads = self._inside_job, memory.load_int(frame + 40, 8)
        parts = [(begin, end)] if nested is not None else slices(begin, end, threads)
        for thread, (first, last) in enumerate(parts, start=nested or 0):
            self._inside_job = thread if len(parts) > 1 else nested
            self.run(body, [frame, captures, first, last, thread], thread)
        self._inside_job = nested
        self.state.scramble_volatile(7)
        return back


def slices(begin: int, end: int, threads: int) -> list[tuple[int, int]]:
    """Cut [begin, end) in ``threads`` contiguous parts, the longer ones first; none is empty."""
    parts = min(threads, end - begin)
    if parts <= 0:
        return []
    part, rest = divmod(end - begin, parts)
    return list(pairwise(begin + part * n + min(n, rest) for n in range(parts + 1)))


def build(d: Decoded) -> Step:
    """Return the closure that runs one instruction."""
    builder: Callable[[Decoded], Step] | None = BUILDERS.get(d.name)
    if builder is None:
        raise NotImplementedError(f"no semantics for {d.name}: {d.raw}")
    return builder(d)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _aligned(size: int, nonsense: int = 0xFF) -> np.ndarray:
    """Bytes that begin at a page, every one of them ``nonsense``."""
    raw = np.full(size + PAGE_BYTES, nonsense, np.uint8)
    start = -raw.ctypes.data % PAGE_BYTES
    return raw[start : start + size]
