"""The call path: exact matches run, anything else reaches the fallback, nothing is converted."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from harness import machine_code
from harness.machine_code import needs_x86

from loopstack import _loopnest, knobs

pytestmark = needs_x86

DTYPES = {
    np.dtype(np.bool_): "bool_", np.dtype(np.int8): "i8", np.dtype(np.uint8): "u8",
    np.dtype(np.int32): "i32", np.dtype(np.int64): "i64", np.dtype(np.float16): "f16",
    np.dtype(np.float32): "f32", np.dtype(np.float64): "f64",
}  # fmt: skip


def row(name: str, role: str, like: np.ndarray[Any, Any], value: object = None) -> tuple[Any, ...]:
    return (name, DTYPES[like.dtype], role, like.shape, like.strides, value)


def missed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    return ("fallback", args, kwargs)


def make(rows: list[tuple[Any, ...]], loaded: Any = None, **options: Any) -> Any:
    return _loopnest.Callable(loaded or machine_code.returns(), rows, missed, **options)


def took_fallback(result: object) -> bool:
    return isinstance(result, tuple) and len(result) == 3 and result[0] == "fallback"


A = np.zeros((4, 6), np.float32)
B = np.zeros((6, 5), np.float32)
C = np.zeros((4, 5), np.float32)
MATMUL = [row("A", "input", A), row("B", "input", B), row("C", "output", C)]


def test_allocates_the_output() -> None:
    result = make(MATMUL)(A, B)
    assert type(result) is np.ndarray
    assert (result.shape, result.dtype, result.flags.c_contiguous) == ((4, 5), np.float32, True)


def test_large_outputs_start_on_a_cache_line() -> None:
    large = np.zeros((300, 100))
    k = make([row("x", "input", large), row("y", "output", large)])
    results = [k(large) for _ in range(5)]
    assert all(r.ctypes.data % 64 == 0 and r.flags.owndata for r in results)
    results[0].resize((500, 300))
    assert results[0].shape == (500, 300)
    assert np.zeros(100_000).sum() == 0


def test_returns_out_itself() -> None:
    out = np.empty_like(C)
    assert make(MATMUL)(A, B, out=out) is out
    assert make(MATMUL)(A, B, out=None).shape == (4, 5)


def test_arguments_by_name() -> None:
    k = make(MATMUL)
    assert k(A, B=B).shape == k(B=B, A=A).shape == (4, 5)


def test_the_code_runs_on_the_data() -> None:
    counter = np.zeros(3, np.int64)
    k = make([row("n", "inout", counter)], machine_code.increments_first())
    assert k(counter) is None
    assert k(n=counter) is None
    assert counter.tolist() == [2, 0, 0]


def test_several_outputs() -> None:
    k = make([row("x", "input", A), row("y", "output", B), row("z", "output", C)])
    y, z = k(A)
    assert (y.shape, z.shape) == (B.shape, C.shape)
    pair = (np.empty_like(B), np.empty_like(C))
    assert k(A, out=pair) is pair
    assert took_fallback(k(A, out=pair[0]))
    assert took_fallback(k(A, out=[*pair]))
    assert took_fallback(k(A, out=(pair[0],)))


class Sub(np.ndarray):  # type: ignore[type-arg]
    pass


WRONG = {
    "too few": (A,),
    "too many": (A, B, C),
    "dtype": (A.astype(np.float64), B),
    "rank": (A[0], B),
    "shape": (A[:3], B),
    "strides": (np.asfortranarray(A), B),
    "byte order": (A.astype(">f4"), B),
    "subclass": (A.view(Sub), B),
    "not an array": (A.tolist(), B),
    "none": (None, B),
    "misaligned": (np.zeros(97, np.uint8)[1:].view(np.float32).reshape(4, 6), B),
}


@pytest.mark.parametrize("args", WRONG.values(), ids=WRONG.keys())
def test_anything_inexact_reaches_the_fallback_untouched(args: tuple[Any, ...]) -> None:
    result = make(MATMUL)(*args, out=C)
    assert took_fallback(result)
    assert all(found is given for found, given in zip(result[1], args))
    assert result[2] == {"out": C} or result[2]["out"] is C


def test_bad_names_reach_the_fallback() -> None:
    k = make(MATMUL)
    assert took_fallback(k(A, B, X=B))
    assert took_fallback(k(A, B, A=A))
    assert took_fallback(k(A, X=B))


def test_outputs_must_be_writeable_and_apart() -> None:
    square = np.zeros((4, 4), np.float32)
    k = make([row("A", "input", square), row("C", "output", square)])
    frozen = np.empty_like(square)
    frozen.flags.writeable = False
    base = np.zeros((8, 4), np.float32)
    assert took_fallback(k(square, out=frozen))
    assert took_fallback(k(square, out=square))
    assert took_fallback(k(base[0:4], out=base[3:7]))
    assert not took_fallback(k(base[0:4], out=base[4:8]))
    assert not took_fallback(k(frozen, out=square))


def test_columns_of_one_matrix_are_apart() -> None:
    base = np.zeros((8, 10))
    left, right, even, odd = base[:, :5], base[:, 5:], base[:, ::2], base[:, 1::2]
    blocks = make([row("x", "input", left), row("y", "output", right)])
    assert blocks(left, out=right) is right
    assert took_fallback(blocks(left, out=base[:, 4:9]))
    columns = make([row("x", "input", even), row("y", "output", odd)])
    assert columns(even, out=odd) is odd
    assert took_fallback(columns(even, out=base[:, ::2]))


def test_inputs_may_share_memory() -> None:
    square = np.zeros((4, 4), np.float32)
    k = make([row("A", "input", square), row("B", "input", square), row("C", "output", square)])
    assert not took_fallback(k(square, square))


def test_inout_may_not_share_memory_with_an_input() -> None:
    v = np.zeros(4)
    k = make([row("x", "input", v), row("y", "inout", v)])
    assert took_fallback(k(v, v))
    assert k(v, v.copy()) is None


def test_negative_strides_cover_their_memory() -> None:
    base = np.zeros(16)
    k = make([row("x", "input", base[7::-1]), row("y", "output", base[8:])])
    assert not took_fallback(k(base[7::-1], out=base[8:]))
    assert took_fallback(k(base[11:3:-1], out=base[8:]))


def test_stride_of_a_unit_extent_is_ignored() -> None:
    thin = np.zeros((4, 1), np.float32)
    k = make([row("x", "inout", thin)])
    wide = np.zeros((4, 9), np.float32)
    other = np.lib.stride_tricks.as_strided(wide, (4, 1), (4, 4000))
    assert k(other) is None
    assert took_fallback(k(wide[:, :1]))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 5, 2)])
def test_empty_arrays(shape: tuple[int, ...]) -> None:
    empty = np.zeros(shape, np.float32)
    k = make([row("x", "input", empty), row("y", "output", empty)])
    assert k(empty).shape == shape
    assert k(empty, out=empty) is empty
    assert k(np.asfortranarray(empty)).shape == shape


def test_rank_zero() -> None:
    k = make([row("x", "input", np.zeros(())), row("y", "output", np.zeros(()))])
    assert k(np.array(2.0)).shape == ()
    assert took_fallback(k(np.float64(2.0)))
    assert took_fallback(k(2.0))


# ---- scalars and sizes --------------------------------------------------------------------------


def stored(dtype: str, value: object) -> Any:
    """Return what the kernel found in the slot of a scalar, or the fallback's tuple."""
    bits = np.zeros(1, np.int64)
    rows = [("s", dtype, "scalar", (), (), None), row("bits", "inout", bits)]
    result = make(rows, machine_code.stores_scalar())(value, bits)
    names = {ours: theirs for theirs, ours in DTYPES.items()}
    return result if result is not None else bits.view(names[dtype])[0]


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("f32", 1.5), ("f32", 3), ("f32", np.float32(0.1)), ("f32", np.float64(0.25)),
        ("f32", np.int16(-4)), ("f32", float("inf")), ("f32", True),
        ("f64", 0.1), ("f64", -7), ("f64", np.float32(0.5)),
        ("i64", -(2**63)), ("i64", np.int32(9)), ("i32", 2**31 - 1), ("i8", -128), ("u8", 255),
        ("bool_", True), ("bool_", False), ("bool_", np.True_),
    ],
)  # fmt: skip
def test_scalars_are_converted(dtype: str, value: Any) -> None:
    assert stored(dtype, value) == value


def test_nan_scalar() -> None:
    assert np.isnan(stored("f32", float("nan")))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("f32", "1"), ("f32", None), ("f32", 1e300), ("f32", 1j), ("f64", 10**400),
        ("i64", 1.0), ("i64", 2**63), ("i32", 2**31), ("u8", -1), ("i64", np.float32(1)),
        ("bool_", 1), ("f64", np.zeros(3)),
    ],
)  # fmt: skip
def test_surprising_scalars_reach_the_fallback(dtype: str, value: object) -> None:
    assert took_fallback(stored(dtype, value))


def test_sizes_are_checked() -> None:
    v = np.zeros(10)
    k = make([("N", "i64", "size", (), (), 10), row("A", "inout", v)])
    assert k(10, v) is None
    assert k(np.int64(10), v) is None
    assert k(N=10, A=v) is None
    assert took_fallback(k(11, v))
    assert took_fallback(k(10.0, v))


def test_constants_are_not_arguments() -> None:
    weights = np.array([40], np.int64)
    unused = np.zeros(1, np.int64)
    rows = [row("w", "constant", weights, weights), row("x", "input", unused)]
    k = make(rows, machine_code.increments_first())
    before = sys.getrefcount(weights)
    assert k(unused) is None
    assert weights[0] == 41
    assert sys.getrefcount(weights) == before


def test_constant_is_kept_alive() -> None:
    weights = np.array([1], np.int64)
    k = make([row("w", "constant", weights, weights)], machine_code.increments_first())
    gone = weakref.ref(weights)
    del weights
    gc.collect()
    assert k() is None
    assert gone() is not None


# ---- torch --------------------------------------------------------------------------------------


def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    k = make(MATMUL)
    a, b, out = torch.zeros(4, 6), torch.zeros(6, 5), torch.zeros(4, 5)
    assert k(a, b, out=out) is out
    result = k(a, b)
    assert type(result) is torch.Tensor
    assert (tuple(result.shape), result.dtype) == ((4, 5), torch.float32)
    refused = {
        "grad": (torch.zeros(4, 6, requires_grad=True), b),
        "dtype": (a.double(), b),
        "strides": (torch.zeros(6, 4).T, b),
        "device": (torch.zeros(4, 6, device="meta"), b),
        "sparse": (a.to_sparse(), b),
        "parameter": (torch.nn.Parameter(a), b),
        "mixed": (a, B),
        "negated": (torch.zeros(4, 6, dtype=torch.complex64).conj().imag, b),
    }
    for why, args in refused.items():
        assert took_fallback(k(*args)), why
    assert took_fallback(k(a, b, out=C))
    assert took_fallback(k(A, B, out=out))


def test_torch_data_is_used_in_place() -> None:
    torch = pytest.importorskip("torch")
    counter = torch.zeros(3, dtype=torch.int64)
    like = np.zeros(3, np.int64)
    make([row("n", "inout", like)], machine_code.increments_first())(counter)
    assert counter.tolist() == [1, 0, 0]


def test_bfloat16_is_torch_only() -> None:
    torch = pytest.importorskip("torch")
    k = make([("x", "bf16", "input", (2,), (2,), None), ("y", "bf16", "output", (2,), (2,), None)])
    assert k(torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert took_fallback(k(np.zeros(2, np.float16)))


def test_a_class_called_tensor_is_not_torch() -> None:
    impostor = type("Tensor", (), {"data_ptr": lambda self: 8})()
    assert took_fallback(make(MATMUL)(impostor, B))


# ---- the object ---------------------------------------------------------------------------------


def test_attributes() -> None:
    k = make(MATMUL, threads=3, release_gil=False, name="matmul")
    assert (k.name, k.threads, k.release_gil, k.fallback) == ("matmul", 3, False, missed)
    assert k.arguments == tuple(MATMUL)
    assert repr(k) == "<loopstack._loopnest.Callable matmul, 3 threads>"


def test_invoke_runs_on_addresses() -> None:
    counter = np.zeros(1, np.int64)
    k = make([row("n", "inout", counter)], machine_code.increments_first())
    k.invoke([counter.ctypes.data])
    assert counter[0] == 1
    with pytest.raises(ValueError, match="expected 1 addresses, found 2"):
        k.invoke([1, 2])


def test_errors_of_the_fallback_pass_through() -> None:
    def refuse(args: Any, kwargs: Any) -> None:
        raise KeyError("no such shape")

    k = _loopnest.Callable(machine_code.returns(), MATMUL, refuse)
    with pytest.raises(KeyError, match="no such shape"):
        k(A)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (("x", "f33", "input", (), (), None), "argument x: unknown dtype 'f33'"),
        (("x", "f32", "inptu", (), (), None), "argument x: unknown role 'inptu'"),
        (("x", "f32", "input", (1,), (), None), "argument x: shape and strides differ in length"),
        (("x", "f32", "input", (-1,), (4,), None), "argument x: negative extent"),
        (
            ("x", "f16", "scalar", (), (), None),
            "argument x: a 16-bit float scalar is not supported",
        ),
    ],
)
def test_bad_signatures(bad: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the text is compared below)
        make([bad])
    assert str(caught.value) == message


def test_subclass_with_its_own_state() -> None:
    class Kernel(_loopnest.Callable):  # type: ignore[misc]
        def __new__(cls, note: str) -> Any:
            self = super().__new__(cls, machine_code.returns(), MATMUL, missed)
            self.note = note
            return self

        def __init__(self, note: str) -> None:
            pass

    k = Kernel("hello")
    assert k(A, B).shape == (4, 5)
    assert k.note == "hello"


def test_cycles_are_collected() -> None:
    class Owner:
        pass

    owner = Owner()
    owner.kernel = _loopnest.Callable(  # type: ignore[attr-defined]
        machine_code.returns(), MATMUL, lambda a, k, o=owner: o
    )
    owner.dispatcher = _loopnest.Dispatcher(lambda a, k, o=owner: o)  # type: ignore[attr-defined]
    owner.dispatcher.add(owner.kernel)  # type: ignore[attr-defined]
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


def test_no_references_leak() -> None:
    k = make(MATMUL)
    out = np.empty_like(C)
    objects = (A, B, out, k)
    before = [sys.getrefcount(o) for o in objects]
    for _ in range(100):
        k(A, B, out=out)
        k(A, B)
        k(A, out=out)
        k(A, B, out=A)
    assert [sys.getrefcount(o) for o in objects] == before


# ---- dispatcher ---------------------------------------------------------------------------------


@pytest.fixture
def knob_state() -> Any:
    import loopstack.runtime  # noqa: F401  (listens)

    yield
    knobs.notify()


def by_length(n: int) -> Any:
    v = np.zeros(n, np.int64)
    return make([row("n", "inout", v)], machine_code.increments_first())


def test_dispatcher_finds_the_kernel_by_signature() -> None:
    d = _loopnest.Dispatcher(missed)
    short, long = np.zeros(2, np.int64), np.zeros(5, np.int64)
    assert took_fallback(d(short))
    assert d.add(by_length(2))
    assert d.add(by_length(5))
    assert len(d) == 2
    assert d(short) is None
    assert d(long) is None
    assert d(n=long) is None
    assert (short[0], long[0]) == (1, 2)
    assert took_fallback(d(np.zeros(7)))
    d.clear()
    assert took_fallback(d(short))


def test_dispatcher_keeps_the_most_recent() -> None:
    d = _loopnest.Dispatcher(missed)
    for n in range(1, 12):
        d.add(by_length(n))
    assert len(d) == 8
    assert took_fallback(d(np.zeros(1, np.int64)))
    assert d(np.zeros(11, np.int64)) is None


def test_dispatcher_distrusts_other_knobs(knob_state: None) -> None:
    d = _loopnest.Dispatcher(missed)
    v = np.zeros(2, np.int64)
    _loopnest.set_knob_state(1000, 0)
    assert d.add(by_length(2))
    assert d(v) is None
    _loopnest.set_knob_state(1000, 1)
    assert took_fallback(d(v))
    assert not d.add(by_length(3))
    _loopnest.set_knob_state(1000, 0)
    assert d(v) is None
    _loopnest.set_knob_state(1001, 0)
    assert took_fallback(d(v))
    assert d.add(by_length(3))
    assert len(d) == 1


def test_dispatcher_takes_callables_only() -> None:
    with pytest.raises(TypeError, match="expected a Callable"):
        _loopnest.Dispatcher(missed).add(print)


def test_dispatcher_may_be_cleared_by_another_thread() -> None:
    d = _loopnest.Dispatcher(missed)
    v = np.zeros(2, np.int64)
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            d(v)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in range(300):
        d.add(by_length(2 + n % 3))
        d.clear()
    stop.set()
    for thread in threads:
        thread.join()
