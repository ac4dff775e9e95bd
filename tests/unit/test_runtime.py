"""Compiling once, running, timing, and seeing callers' arrays as memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from harness import machine_code
from harness.machine_code import needs_x86
from hypothesis import given
from hypothesis import strategies as st

from loopstack import _loopnest, knobs
from loopstack.errors import ArgumentError, InternalError, UnsupportedTarget
from loopstack.machine import caches, features, peaks
from loopstack.runtime import buffers, jit, threads
from loopstack.runtime.artifact_cache import ArtifactCache

NEST = """nest add_one
array x i64 argument 0
workspace 0 0
{
  for i = 0 .. 100 {
    x[i] = add(x[i], 1:i64)
  }
}
"""

# ---- machine code -------------------------------------------------------------------------------


@needs_x86
def test_code_round_trip() -> None:
    code = _loopnest.Code(b"\x90\xc3", entry_offset=1, workspace_bytes=5, private_bytes=7)
    assert (code.bytes, code.entry_offset, code.text_size_bytes) == (b"\x90\xc3", 1, 2)
    assert (code.workspace_bytes, code.private_bytes) == (5, 7)
    loaded = _loopnest.load(code)
    assert loaded.size >= 2
    assert (loaded.workspace_bytes, loaded.private_bytes) == (5, 7)


def test_entry_must_be_inside() -> None:
    with pytest.raises(ValueError, match="entry_offset is outside the code"):
        _loopnest.Code(b"\xc3", entry_offset=1)


@needs_x86
def test_code_outlives_its_handle() -> None:
    counter = np.zeros(1, np.int64)
    rows = [("n", "i64", "inout", (1,), (8,), None)]
    k = _loopnest.Callable(machine_code.increments_first(), rows, lambda a, b: None)
    for _ in range(50):
        machine_code.increments_first()
        k(counter)
    assert counter[0] == 50


# ---- timing -------------------------------------------------------------------------------------


@needs_x86
def test_time_runs_takes_every_sample() -> None:
    counter = np.zeros(1, np.int64)
    loaded = machine_code.increments_first()
    times = _loopnest.time_runs(loaded, [counter.ctypes.data], 1, 7, 3)
    assert len(times) == 7
    assert counter[0] == 21
    assert all(t >= 0 for t in times)


@needs_x86
def test_time_runs_restores_before_each_run() -> None:
    counter, saved = np.zeros(1, np.int64), np.full(1, 40, np.int64)
    loaded = machine_code.increments_first()
    restore = [(counter.ctypes.data, saved.ctypes.data, 8)]
    _loopnest.time_runs(loaded, [counter.ctypes.data], 1, 2, 5, restore)
    assert counter[0] == 41


@needs_x86
def test_time_runs_stops_at_its_limit() -> None:
    counter = np.zeros(1, np.int64)
    loaded = machine_code.increments_first()
    times = _loopnest.time_runs(
        loaded, [counter.ctypes.data], 1, 1_000_000_000, 1000, max_seconds=0.02
    )
    assert 1 <= len(times) < 1_000_000_000


@needs_x86
def test_time_runs_refuses_no_samples() -> None:
    with pytest.raises(ValueError, match="samples and inner_repeats must be at least 1"):
        _loopnest.time_runs(machine_code.returns(), [], 1, 0, 1)


# ---- compiling ----------------------------------------------------------------------------------


def test_compile_nest_runs_and_is_cached() -> None:
    nest = jit.compile_nest(NEST)
    x = np.arange(100)
    _loopnest.run(nest.loaded, [x.ctypes.data], 1)
    assert np.array_equal(x, np.arange(1, 101))
    assert jit.compile_nest(NEST) is nest
    assert jit.compile_nest(NEST, nest.isa) is nest
    with knobs.scope(num_threads=5):
        assert jit.compile_nest(NEST) is not nest
    assert jit.cache_stats().hits >= 2


def test_any_target_can_be_generated_anywhere() -> None:
    nest = NEST.replace(".. 100", ".. 96 vector")
    assert jit.generate(nest, "avx512").bytes != jit.generate(nest, "avx2").bytes


def test_parallel_nest_runs_on_the_team() -> None:
    nest = jit.compile_nest(NEST.replace(".. 100", ".. 100 parallel"))
    x = np.arange(100)
    threads.set_num_threads(3)
    try:
        _loopnest.run(nest.loaded, [x.ctypes.data], 3)
    finally:
        threads.set_num_threads(None)
    assert np.array_equal(x, np.arange(1, 101))


@pytest.fixture
def small_code_memory() -> Iterator[None]:
    jit.clear_cache()
    knobs.set(code_memory_limit="4M")
    yield
    knobs.set(code_memory_limit=None)


def test_code_memory_is_bounded(small_code_memory: None) -> None:
    code = _loopnest.Code(b"\xc3" * 100_000)
    with pytest.raises(MemoryError) as caught:
        [_loopnest.load(code) for _ in range(100)]
    assert "executable memory is exhausted" in str(caught.value)
    for i in range(100):
        jit.compile_nest(NEST.replace("add_one", f"add_one_{i}"))
    assert _loopnest.code_memory()["mapped"] <= 4 << 20


def test_bad_nest_is_our_bug_and_carries_the_text() -> None:
    text = NEST.replace("for i = 0", "for i = = 0")
    with pytest.raises(InternalError) as caught:
        jit.generate(text, "avx2")
    assert caught.value.reproducer == text
    assert str(caught.value).startswith("the generated nest is not well formed, line 5, column ")


def test_unknown_target() -> None:
    with pytest.raises(UnsupportedTarget) as caught:
        jit.generate(NEST, "sse9")
    assert str(caught.value) == "cannot generate sse9 code: unknown instruction set 'sse9'"


# ---- the cache ----------------------------------------------------------------------------------


def new_cache(limit: int = 100) -> ArtifactCache[int]:
    return ArtifactCache(cost=lambda value: value, limit=lambda: limit)


def test_cache_makes_once_under_contention() -> None:
    cache, made, found = new_cache(), [], []
    gate = Barrier(8)

    def make() -> int:
        made.append(1)
        time.sleep(0.02)
        return 9

    def ask() -> None:
        gate.wait()
        found.append(cache.get("key", make))

    askers = [Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert (made, found) == ([1], [9] * 8)


def test_cache_drops_the_least_recently_used() -> None:
    cache = new_cache(limit=10)
    for key in "ab":
        cache.get(key, lambda: 5)
    cache.get("a", lambda: 5)
    cache.get("c", lambda: 5)
    assert cache.stats().cost == 10
    assert cache.get("a", lambda: 1) == 5
    assert cache.get("b", lambda: 1) == 1


def test_cache_keeps_the_newest_however_large() -> None:
    cache = new_cache(limit=10)
    assert cache.get("large", lambda: 50) == 50
    assert cache.get("large", lambda: 1) == 50


def test_cache_forgets_failures() -> None:
    cache = new_cache()

    def fail() -> int:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        cache.get("key", fail)
    assert cache.get("key", lambda: 3) == 3
    assert cache.stats().cost == 3


def test_keys_compare_by_equality() -> None:
    class Colliding:
        def __init__(self, name: str) -> None:
            self.name = name

        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Colliding) and other.name == self.name

    cache = new_cache()
    assert cache.get(Colliding("a"), lambda: 1) == 1
    assert cache.get(Colliding("b"), lambda: 2) == 2


# ---- arrays of callers --------------------------------------------------------------------------


def test_describe_numpy() -> None:
    base = np.zeros((4, 6), np.float32)
    info = buffers.describe(base[:, ::2], "A")
    assert (info.kind, info.dtype, info.shape) == ("numpy", "f32", (4, 3))
    assert (info.strides, info.strides_bytes) == ((6, 2), (24, 8))
    assert info.address == base.ctypes.data


def test_describe_memmap_and_other_subclasses(tmp_path: Any) -> None:
    mapped = np.memmap(tmp_path / "data", np.float64, "w+", shape=(3,))
    assert buffers.describe(mapped, "A", write=True).dtype == "f64"


def test_describe_torch() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(3, 4, dtype=torch.bfloat16).T
    info = buffers.describe(tensor, "A", write=True)
    assert (info.kind, info.dtype, info.shape, info.strides) == ("torch", "bf16", (4, 3), (1, 4))
    assert info.address == tensor.data_ptr()


class Exporter:
    """An array of some other library."""

    def __init__(self, array: np.ndarray[Any, Any], device: tuple[int, int] = (1, 0)) -> None:
        self.array, self.device = array, device

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device


def test_describe_dlpack() -> None:
    base = np.zeros((2, 3), np.int32)
    info = buffers.describe(Exporter(base), "A")
    assert (info.kind, info.dtype, info.shape) == ("numpy", "i32", (2, 3))
    assert info.address == base.ctypes.data


def frozen() -> np.ndarray[Any, Any]:
    array = np.zeros(3)
    array.flags.writeable = False
    return array


REFUSED: dict[str, tuple[object, bool, str]] = {
    "list": (
        [1.0],
        False,
        "argument A must be a NumPy array, a torch CPU tensor or an object with __dlpack__, "
        "found list: pass np.asarray(A, dtype=...)",
    ),
    "none": (
        None,
        False,
        "argument A must be a NumPy array, a torch CPU tensor or an object with __dlpack__, "
        "found NoneType",
    ),
    "numpy scalar": (
        np.float32(1),
        False,
        "argument A must be a NumPy array, a torch CPU tensor or an object with __dlpack__, "
        "found numpy.float32: pass np.asarray(A, dtype=...)",
    ),
    "dtype": (
        np.zeros(2, np.complex64),
        False,
        "argument A has dtype complex64; supported are bool int8 uint8 int32 int64 float16 "
        "bfloat16 float32 float64",
    ),
    "byte order": (
        np.zeros(2, ">f4"),
        False,
        "argument A has the byte order of another machine (>f4): pass A.astype('float32')",
    ),
    "misaligned": (
        np.zeros(9, np.uint8)[1:].view(np.float32),
        False,
        "argument A is not aligned to its 4-byte elements: pass A.copy()",
    ),
    "masked": (
        np.ma.zeros(3),
        False,
        "argument A is a masked array and kernels know no masks: pass A.filled(...)",
    ),
    "read-only": (frozen(), True, "argument A is written by the kernel but is read-only"),
    "broadcast": (
        np.lib.stride_tricks.as_strided(np.zeros(3), (2, 3), (0, 8)),
        True,
        "argument A is written by the kernel but has elements that share memory "
        "(shape (2, 3), strides (0, 8) bytes): pass a copy",
    ),
    "device": (
        Exporter(np.zeros(2), (2, 0)),
        False,
        "argument A is on DLPack device (2, 0); kernels run on the CPU, device (1, 0)",
    ),
}


@pytest.mark.parametrize(("value", "write", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals_say_what_to_do(value: object, write: bool, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        buffers.describe(value, "A", write=write)
    assert str(caught.value) == message


def test_torch_refusals_say_what_to_do() -> None:
    torch = pytest.importorskip("torch")
    refused = [
        (
            torch.zeros(2, requires_grad=True),
            "argument A requires grad and kernels record no gradients: pass A.detach()",
        ),
        (
            torch.zeros(2, device="meta"),
            "argument A is on device meta; kernels run on the CPU: pass A.cpu()",
        ),
        (
            torch.zeros(2).to_sparse(),
            "argument A has layout torch.sparse_coo; kernels take strided tensors: "
            "pass A.to_dense()",
        ),
        (
            torch.zeros(2, dtype=torch.complex64).conj().imag,
            "argument A is a lazily negated view: pass A.resolve_conj().resolve_neg()",
        ),
        (
            torch.zeros(2, dtype=torch.int16),
            "argument A has dtype torch.int16; supported are bool int8 uint8 int32 int64 float16 "
            "bfloat16 float32 float64",
        ),
    ]
    for tensor, message in refused:
        with pytest.raises(ArgumentError) as caught:
            buffers.describe(tensor, "A")
        assert str(caught.value) == message


def test_overlap_is_exact() -> None:
    base = np.zeros((8, 8), np.float32)

    def info(array: np.ndarray[Any, Any]) -> buffers.ArrayInfo:
        return buffers.describe(array, "A")

    assert buffers.overlaps(info(base), info(base[3:5, 2]))
    assert not buffers.overlaps(info(base[:4]), info(base[4:]))
    assert not buffers.overlaps(info(base[:, ::2]), info(base[:, 1::2]))
    assert buffers.overlaps(info(base[:, ::2]), info(base[::-1, 6:]))
    assert not buffers.overlaps(info(base[:0]), info(base))


@given(st.data())
def test_overlap_never_misses_shared_memory(data: st.DataObject) -> None:
    def view() -> np.ndarray[Any, Any]:
        base = memory.reshape(data.draw(st.sampled_from([(60,), (6, 10), (3, 4, 5)])))
        index = []
        for extent in base.shape:
            start, stop = data.draw(st.tuples(*[st.integers(0, extent)] * 2))
            index.append(slice(start, stop, data.draw(st.integers(1, 4))))
        view = base[tuple(index)]
        return np.flip(view, data.draw(st.sampled_from([(), (0,)])))

    memory = np.zeros(60, np.int32)
    a, b = view(), view()
    if np.shares_memory(a, b):
        assert buffers.overlaps(buffers.describe(a, "a"), buffers.describe(b, "b"))
    elif not np.may_share_memory(a, b):
        assert not buffers.overlaps(buffers.describe(a, "a"), buffers.describe(b, "b"))


def test_refuse_overlap_names_both() -> None:
    x = buffers.describe(np.zeros(4), "x")
    with pytest.raises(ArgumentError) as caught:
        buffers.refuse_overlap("out", x, [("y", buffers.describe(np.zeros(4), "y")), ("x", x)])
    assert str(caught.value) == (
        "argument out is written by the kernel and shares memory with argument x: "
        "pass a copy of one of them"
    )


def test_outputs_are_of_the_inputs_kind() -> None:
    torch = pytest.importorskip("torch")
    array, tensor = buffers.describe(np.zeros(2), "A"), buffers.describe(torch.zeros(2), "B")
    assert buffers.common_kind([]) == buffers.common_kind([array]) == "numpy"
    assert type(buffers.allocate((2, 3), "f32", "numpy")) is np.ndarray
    made = buffers.allocate((2, 3), "i64", buffers.common_kind([tensor]))
    assert (made.dtype, tuple(made.shape)) == (torch.int64, (2, 3))
    with pytest.raises(ArgumentError) as caught:
        buffers.common_kind([array, tensor])
    assert str(caught.value) == (
        "a call takes NumPy arrays or torch tensors, not both: "
        "pass tensor.numpy() or torch.from_numpy(array)"
    )


# ---- this machine -------------------------------------------------------------------------------


def test_features_of_this_machine() -> None:
    here = features.detect()
    assert here.brand
    assert set(here.isas) <= set(features.VECTOR_BITS)
    assert features.runnable_isa() == here.best() == here.isas[-1]
    assert here.vector_bits == features.VECTOR_BITS[here.best()]


def test_forcing_what_the_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = features.Features("Some CPU", ("avx2",), frozenset())
    monkeypatch.setattr(features, "detect", lambda: fake)
    with knobs.scope(isa="avx512"):
        assert features.target_isa() == "avx512"
        with pytest.raises(UnsupportedTarget) as caught:
            features.runnable_isa()
    assert str(caught.value) == "this CPU (Some CPU) cannot run avx512 code: it has avx2"


def test_no_usable_instruction_set() -> None:
    with pytest.raises(UnsupportedTarget) as caught:
        features.Features("Old CPU", (), frozenset()).best()
    assert str(caught.value) == (
        "this CPU (Old CPU) has no instruction set that LoopStack generates code for: "
        "expected one of avx2, avx512, neon, neon_fp16"
    )


def test_unknown_instruction_set() -> None:
    with pytest.raises(UnsupportedTarget) as caught:
        features.target_isa("sse2")
    assert str(caught.value) == (
        "unknown instruction set 'sse2': expected one of avx2, avx512, neon, neon_fp16"
    )


def test_caches_of_this_machine() -> None:
    here = caches.caches()
    assert here.l1_bytes >= 8 << 10
    assert here.line_bytes in (32, 64, 128)
    assert here.working_set_bytes("L1") < here.working_set_bytes("memory")


def test_peaks_are_measured_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(peaks, "MEASURE_SECONDS", 0.01)
    peaks.forget()
    with knobs.scope(store=tmp_path / "records.db"):
        figure = peaks.fma_peak(dtype="f64")
        assert figure > 1e8
        assert peaks.bandwidth("L1") > 1e8
        peaks.forget()
        assert peaks.fma_peak(dtype="f64") == figure
        assert (tmp_path / "peaks.json").exists()
        (tmp_path / "peaks.json").write_text("not json")
        peaks.forget()
        assert peaks.fma_peak(dtype="f64") > 1e8
    peaks.forget()
