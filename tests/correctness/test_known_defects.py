"""What went wrong in earlier compilers of this kind must not go wrong here."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

import loopstack as ls


def test_stride_2_and_dilation_2_are_different_kernels():
    @ls.kernel
    def strided(x: ls.f32["n"], w: ls.f32["k"]) -> ls.f32["o"]:
        o, k = ls.indices("o k")
        return ls.sum(x[2 * o + k] * w[k], over=k)

    @ls.kernel
    def dilated(x: ls.f32["n"], w: ls.f32["k"]) -> ls.f32["o"]:
        o, k = ls.indices("o k")
        return ls.sum(x[o + 2 * k] * w[k], over=k)

    x, w = np.arange(11, dtype=np.float32), np.float32([1, 10, 100])
    windows = np.lib.stride_tricks.sliding_window_view
    np.testing.assert_array_equal(strided(x, w), windows(x, 3)[::2] @ w)
    np.testing.assert_array_equal(dilated(x, w), windows(x, 5)[:, ::2] @ w)
    np.testing.assert_array_equal(strided(x, w), windows(x, 3)[::2] @ w)


def test_integer_index_arithmetic_beyond_2_to_24():
    @ls.kernel
    def shifted(x: ls.i64["n"]) -> ls.i64["n"]:
        n = ls.indices("n")
        return x[n] + (n + (2**24 + 1))

    @ls.kernel
    def products(x: ls.i64["n"]) -> ls.i64["n"]:
        n = ls.indices("n")
        return x[n] * (n + 1)

    zeros = np.zeros(5, np.int64)
    np.testing.assert_array_equal(shifted(zeros), 2**24 + 1 + np.arange(5))
    large = np.full(5, 2**40 + 1, np.int64)
    np.testing.assert_array_equal(products(large), large * np.arange(1, 6))


def test_large_i32_values_stay_exact():
    @ls.kernel
    def added(x: ls.i32["n"], y: ls.i32["n"]) -> ls.i32["n"]:
        n = ls.indices("n")
        return x[n] + y[n]

    x = np.full(9, 2**24 + 1, np.int32)
    np.testing.assert_array_equal(added(x, x + 1), 2 * x + 1)


def test_a_max_over_negative_infinities():
    @ls.kernel
    def most(x: ls.f32["i j"]) -> ls.f32["i"]:
        i, j = ls.indices("i j")
        return ls.max(x[i, j], over=j)

    for extent in (1, 7, 8, 33):
        x = np.full((3, extent), -np.inf, np.float32)
        np.testing.assert_array_equal(most(x), np.full(3, -np.inf, np.float32))


def test_a_max_of_very_negative_values():
    @ls.kernel
    def most(x: ls.f32["i j"]) -> ls.f32["i"]:
        i, j = ls.indices("i j")
        return ls.max(x[i, j], over=j)

    x = np.full((2, 19), np.finfo(np.float32).min, np.float32)
    np.testing.assert_array_equal(most(x), x.max(1))


def test_nan_propagates_through_max_and_min():
    @ls.kernel
    def both(x: ls.f32["i j"]) -> (ls.f32["i"], ls.f32["i"]):
        i, j = ls.indices("i j")
        return ls.max(x[i, j], over=j), ls.min(x[i, j], over=j)

    for place in range(21):
        x = np.arange(42, dtype=np.float32).reshape(2, 21)
        x[1, place] = np.nan
        most, least = both(x)
        assert most[0] == 20
        assert least[0] == 0
        assert np.isnan(most[1])
        assert np.isnan(least[1])


def test_subnormals_survive_importing(tmp_path):
    code = """
import numpy as np
import loopstack as ls

@ls.kernel
def tenth(x: ls.f32["n"]) -> ls.f32["n"]:
    n = ls.indices("n")
    return x[n] * 0.1

x = np.full(9, 1e-38, np.float32)
expected = np.float32(1e-38) * np.float32(0.1)
assert expected != 0
assert (tenth(x) == expected).all(), tenth(x)
assert np.float32(1e-38) * np.float32(0.1) == expected   # nor are they lost by calling
assert (np.full(64, 1e-38, np.float32) * np.float32(0.1) == expected).all()
assert 1e-308 * 0.1 != 0
"""
    assert _run_script(code, tmp_path) == (0, "", "")


def _run_script(code: str, folder: Path) -> tuple[int, str, str]:
    """Run a file, so that the kernel's source can be found, in a fresh process."""
    path = folder / "script.py"
    path.write_text(code)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_padding_values_other_than_zero():
    @ls.kernel
    def largest(x: ls.f32["h w"]) -> ls.f32["oh ow"]:
        oh, ow = ls.indices("oh ow")
        kh, kw = ls.indices("kh kw", kh=3, kw=3)
        p = ls.pad(x, h=(1, 1), w=(1, 1), value=float("-inf"))
        return ls.max(p[oh + kh, ow + kw], over=(kh, kw))

    @ls.kernel
    def filled(x: ls.f32["h w"]) -> ls.f32["i j"]:
        i, j = ls.indices("i j")
        return ls.pad(x, h=(2, 0), w=(0, 3), value=7.0)[i, j] * 2.0

    x = -1 - np.arange(30, dtype=np.float32).reshape(5, 6)
    padded = np.pad(x, 1, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    np.testing.assert_array_equal(largest(x), windows.max((2, 3)))
    wanted = np.pad(x, ((2, 0), (0, 3)), constant_values=7.0) * 2
    np.testing.assert_array_equal(filled(x), wanted)


def test_pad_then_exp():
    @ls.kernel
    def grown(x: ls.f32["n"]) -> ls.f32["i"]:
        i = ls.indices("i")
        return ls.exp(ls.pad(x, n=(1, 2), value=0.0)[i])

    x = np.float32([-1, 0.5, 2])
    wanted = np.exp(np.pad(x, (1, 2)))
    np.testing.assert_allclose(grown(x), wanted, rtol=1e-6)
    assert grown(x)[0] == 1


def test_a_padded_view_read_twice():
    @ls.kernel
    def both(x: ls.f32["n"]) -> (ls.f32["i"], ls.f32["i"]):
        i = ls.indices("i")
        p = ls.pad(x, n=(1, 1), value=5.0)
        return p[i] + p[i + 1], p[i] * p[i + 1]

    x = np.arange(1, 10, dtype=np.float32)
    p = np.pad(x, 1, constant_values=5.0)
    total, product = both(x)
    np.testing.assert_array_equal(total, p[:-1] + p[1:])
    np.testing.assert_array_equal(product, p[:-1] * p[1:])


def test_threads_compiling_and_calling_at_once():
    @ls.kernel
    def scaled(x: ls.f32["n"]) -> ls.f32["n"]:
        n = ls.indices("n")
        return x[n] * 3.0

    failures: list[str] = []
    start = threading.Barrier(8)

    def work(seed: int) -> None:
        start.wait()
        for step in range(40):
            x = np.full((seed * 7 + step) % 23 + 1, seed, np.float32)
            if not (scaled(x) == 3 * seed).all():
                failures.append(f"seed {seed} step {step}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_different_kernels_compiled_by_threads_do_not_mix():
    def make(factor: float):
        @ls.kernel
        def scaled(x: ls.f32["n"]) -> ls.f32["n"]:
            n = ls.indices("n")
            return x[n] * factor

        return scaled

    kernels = [make(float(f)) for f in range(1, 9)]
    results: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        results[number] = kernels[number](np.ones(33, np.float32))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: set(r.tolist()) for n, r in results.items()} == {n: {n + 1.0} for n in range(8)}


def test_same_shapes_with_other_strides_are_other_kernels():
    @ls.kernel
    def copied(x: ls.f32["i j"]) -> ls.f32["i j"]:
        i, j = ls.indices("i j")
        return x[i, j] + 0.0

    x = np.arange(25, dtype=np.float32).reshape(5, 5)
    np.testing.assert_array_equal(copied(x), x)
    np.testing.assert_array_equal(copied(x.T), x.T)
    np.testing.assert_array_equal(copied(x), x)


def test_a_fresh_library_prints_nothing(tmp_path):
    code = """
import numpy as np
import loopstack as ls

@ls.kernel
def one(x: ls.f32["n"]) -> ls.f32["n"]:
    n = ls.indices("n")
    return x[n] + 1.0

one(np.zeros(3, np.float32))
"""
    assert _run_script(code, tmp_path) == (0, "", "")
