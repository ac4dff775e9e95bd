"""The program a parsed body becomes: orders, domains, roles, reductions, private numbers."""

from __future__ import annotations

import numpy as np
import pytest

import loopstack as ls
from loopstack.frontend.affine import parse
from loopstack.ir.canonical import program_key
from loopstack.ir.printer import print_program
from loopstack.ir.program import Reduction
from loopstack.ir.reader import read_program
from loopstack.ir.verifier import verify


def text(function, **options) -> list[str]:
    """Return the lines of the program, statements last."""
    program = verify(parse(function, **options))
    assert read_program(print_program(program)) == program
    return [line.strip() for line in print_program(program).splitlines()]


def domain(function) -> list[str]:
    """Return the constraints of each statement."""
    return [line[6:] for line in text(function) if line.startswith("where ")]


# ---- whole programs -----------------------------------------------------------------------------
def jacobi_1d(T: ls.size, N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
    for t in range(T):  # noqa: B007
        for i in range(1, N - 1):
            B[i] = 0.33333 * (A[i - 1] + A[i] + A[i + 1])
        for i in range(1, N - 1):
            A[i] = 0.33333 * (B[i - 1] + B[i] + B[i + 1])


def lu(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[k, j]
            A[i, j] /= A[j, j]
        for j in range(i, N):
            for k in range(i):
                A[i, j] -= A[i, k] * A[k, j]


def choices(N: ls.size, M: ls.size, alpha: ls.f32, A: ls.f32["N M+1"], x: ls.f32["N+1"]):
    total = 0.0
    copy = ls.empty("N", ls.f32)
    for i in range(N - 1, -1, -2):
        copy[i] = max(x[i], alpha, 0.0)
        for j in range(max(i - 3, 0), min(i, M)):
            if j % 2 == 0 or i == j + 1:
                A[i, j] = A[i, j + 1] if A[i, j] > 0.5 else i * 0.5
            else:
                total += A[i, j] * copy[i]
    x[0] = total


@pytest.mark.parametrize("function", [jacobi_1d, lu, choices], ids=lambda f: f.__name__)
def test_program_text(function, golden):
    golden("\n".join(text(function)) + "\n", f"{function.__name__}.txt")


def test_it_is_the_program_of_the_harness():
    from harness import programs

    own = parse(jacobi_1d)
    assert program_key(own) == program_key(programs.jacobi_1d())


@ls.kernel
def matmul(A: ls.f32["m k"], B: ls.f32["k n"]) -> ls.f32["m n"]:
    m, n, k = ls.indices("m n k")
    return ls.named("C", ls.sum(A[m, k] * B[k, n], over=k))


traced = matmul


@ls.affine(reassociate=True)
def matmul(
    M: ls.size, N: ls.size, K: ls.size, A: ls.f32["M K"], B: ls.f32["K N"], C: ls.f32["M N"]
):
    for m in range(M):
        for n in range(N):
            C[m, n] = 0.0
            for k in range(K):
                C[m, n] += A[m, k] * B[k, n]


@pytest.mark.parametrize("extents", [(512, 512, 512), (100, 80, 90), (5, 3, 0)])
def test_both_frontends_print_one_nest(extents):
    m, n, k = extents
    other = traced.specialize(m=m, n=n, k=k)
    kernel = matmul.specialize(M=m, N=n, K=k)
    assert str(kernel.schedule) == str(other.schedule)
    assert kernel.with_schedule(str(other.schedule)).nest == other.nest


# ---- domains ------------------------------------------------------------------------------------
def test_bounds_of_several_forms():
    def fn(N: ls.size, A: ls.f64["N N"]):
        for i in range(N):
            for j in range(max(i, 2), min(i + 4, N)):
                A[i, j] = 0.0

    assert domain(fn) == ["i; $N - i - 1; -i + j; j - 2; i - j + 3; $N - j - 1"]


def test_a_union_falls_into_pieces():
    def fn(N: ls.size, A: ls.f64["N N"]):
        for i in range(N):
            for j in range(min(i, 5), N):
                A[i, j] = 0.0

    assert domain(fn) == [
        "i; $N - i - 1; -i + j; $N - j - 1",
        "i; $N - i - 1; i - j - 1; j - 5; $N - j - 1",
    ]
    assert [line for line in text(fn) if line.startswith("statement")] == [
        "statement S0(i, j) order 0 0 0",
        "statement S1(i, j) order 0 0 1",
    ]


def test_steps_are_normalised():
    def fn(N: ls.size, A: ls.f64["N"]):
        for i in range(1, N, 3):
            A[i] = 1.0
        for i in range(N - 1, 0, -1):
            A[i] = 2.0

    lines = text(fn)
    assert domain(fn) == ["i; $N - 3*i - 2", "i; $N - i - 2"]
    assert [line for line in lines if line.startswith("A[")] == [
        "A[3*i + 1] = 1.0:f64",
        "A[$N - i - 1] = 2.0:f64",
    ]


def test_tests_drop_what_the_loops_imply():
    def fn(N: ls.size, A: ls.f64["N"]):
        for i in range(1, N):
            if i >= 0 and i < N and i + 1 > 1:
                A[i] = 0.0
            else:
                A[i] = 1.0

    assert domain(fn) == ["i - 1; $N - i - 1"]


def test_else_is_the_complement():
    def fn(N: ls.size, A: ls.f64["N"]):
        for i in range(N):
            if 2 <= i < 5:
                A[i] = 0.0
            else:
                A[i] = 1.0

    assert domain(fn) == [
        "$N - i - 1; i - 2; -i + 4",
        "i; $N - i - 1; -i + 1",
        "$N - i - 1; i - 5",
    ]


def test_orders_are_dense():
    def fn(N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
        """Text."""
        for i in range(N):  # noqa: B007
            pass
        for i in range(N):
            A[i] = 0.0
            for j in range(3):
                if j < 2:
                    B[i] = A[i] + j
                B[i] = A[i]
        A[0] = B[0]

    orders = [s.order for s in parse(fn).statements]
    assert orders == [(0, 0), (0, 1, 0), (0, 1, 1), (1,)]


def test_loop_names_are_unique_in_a_statement():
    def fn(N: ls.size, A: ls.f64["N N"]):
        for i in range(N):
            base = i
            for i in range(base + 1):
                A[base, i] = 0.0

    (statement,) = parse(fn).statements
    assert statement.indices == ("i", "i1")
    assert str(statement.write) == "A[i, i1]"


# ---- accesses -----------------------------------------------------------------------------------
def requirements(function) -> list[str]:
    return [line.split(' "')[0] for line in text(function) if line.startswith("require")]


def test_accesses_that_stay_inside_need_nothing():
    def fn(N: ls.size, A: ls.f64["N+2 2*N"]):
        for i in range(N):
            for j in range(0, 2 * N, 2):
                A[i + 2, j + 1] += A[i, j] + A[i // 2, j % 2] + A[N - 1 - i, N + j // 2]

    assert requirements(fn) == []


def test_other_accesses_require_something_of_the_sizes():
    def fn(M: ls.size, N: ls.size, K: ls.size, A: ls.f64["N N"]):
        for i in range(M):
            A[i, 3] = 0.0
            for k in range(K):
                A[i, N - 1 - k] = 0.0

    assert requirements(fn) == [
        "require $N >= $M",
        "require $N >= 4 when $M - 1",
        "require $N >= $M when $K - 1",
        "require $N >= $K when $M - 1",
    ]


def test_c_text_of_triangles(golden):
    golden(ls.emit_c(parse(lu)), "lu.c")
    golden(ls.emit_c(parse(choices)), "choices.c")


# ---- roles and names ----------------------------------------------------------------------------
def test_roles_follow_from_use():
    def fn(N: ls.size, alpha: ls.f64, A: ls.f64["N"], B: ls.f64["N+1"], unused: ls.i32["2"]):
        tmp = ls.empty("N", ls.f64)
        for i in range(N):
            t = alpha * A[i]
            tmp[i] = t
            B[i] = tmp[i]

    roles = {a.name: (a.role, len(a.shape)) for a in parse(fn).arrays}
    assert roles == {
        "alpha": ("scalar", 0), "A": ("input", 1), "B": ("inout", 1), "unused": ("input", 1),
        "tmp": ("temporary", 1), "t": ("temporary", 0),
    }  # fmt: skip


def test_sizes_come_from_parameters_and_labels():
    def fn(T: ls.size, A: ls.f64["n m"]):
        for _ in range(T):
            for i in range(n):
                A[i, m - 1] += 1.0

    assert parse(fn).sizes == ("T", "n", "m")


def test_statement_names():
    def fn(N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
        for i in range(N):
            A[i] = 0.0
            B[i] = 1.0
            A[i] = 2.0

    assert [s.name for s in parse(fn).statements] == ["S0", "B", "S1"]


# ---- dtypes of private numbers ------------------------------------------------------------------
def dtype_of(function, name: str) -> str:
    return parse(function).array(name).dtype


def test_private_numbers_take_the_dtype_of_what_they_meet():
    def fn(N: ls.size, A: ls.f32["N"], n: ls.i32["N"]):
        total = 0.0
        count = 0
        scale = 1.0 / N
        first: ls.f64 = 0.0
        for i in range(N):
            total += A[i]
            count += n[i]
            first = A[i] * 2.0
        A[0] = total * count * scale + first

    assert [dtype_of(fn, name) for name in ("total", "count", "scale", "first")] == [
        "f32", "i32", "f64", "f64",
    ]  # fmt: skip


# ---- reductions ---------------------------------------------------------------------------------
def reductions(function, **options) -> list[Reduction | None]:
    return [s.reduction for s in parse(function, **options).statements]


def test_updates_become_reductions():
    def fn(N: ls.size, A: ls.f64["N N"], s: ls.f64["N"]):
        for i in range(N):
            for j in range(N):
                s[i] += A[i, j]
                s[i] -= A[i, j]
                s[i] = A[i, j] + s[i]
                s[i] *= A[i, j]
                s[i] = max(A[i, j], s[i])
                s[i] = min(s[i], A[i, j])
                s[i] /= A[i, j]
                s[i] = A[i, j] - s[i]
                A[i, j] += s[i]

    names = ["sum", "sum", "sum", "prod", "max", "min"]
    expected = [Reduction(name, "existing") for name in names]
    assert reductions(fn) == [*expected, None, None, None]


def test_a_term_that_reads_the_element_is_no_reduction():
    def fn(N: ls.size, A: ls.f64["N N"]):
        for i in range(N):
            for j in range(N):
                for k in range(N):
                    A[i, j] += A[i, k]
                for k in range(j):
                    A[i, j] += A[i, k]

    assert reductions(fn) == [None, Reduction("sum", "existing")]


def test_the_identity_is_folded_only_with_reassociation():
    def fn(N: ls.size, A: ls.f64["N N"], s: ls.f64["N"]):
        for i in range(N):
            s[i] = 0.0
            for j in range(i):
                s[i] += A[i, j]

    assert reductions(fn) == [None, Reduction("sum", "existing")]
    assert reductions(fn, reassociate=True) == [Reduction("sum")]


def test_the_identity_stays_where_it_is_not_the_first_value():
    def other_value(N: ls.size, A: ls.f64["N N"], s: ls.f64["N"]):
        for i in range(N):
            s[i] = 1.0
            for j in range(N):
                s[i] += A[i, j]

    def other_domain(N: ls.size, A: ls.f64["N N"], s: ls.f64["N"]):
        for i in range(N):
            if i > 0:
                s[i] = 0.0
            for j in range(N):
                s[i] += A[i, j]

    def two_in_the_loop(N: ls.size, A: ls.f64["N N"], s: ls.f64["N"]):
        for i in range(N):
            s[i] = 0.0
            for j in range(N):
                s[i] += A[i, j]
                A[i, j] = s[i]

    def something_between(N: ls.size, A: ls.f64["N N"], s: ls.f64["N"]):
        for i in range(N):
            s[i] = 0.0
            A[i, i] = s[i]
            for j in range(N):
                s[i] += A[i, j]

    def private(N: ls.size, A: ls.f64["N N"], s: ls.f64["N"]):
        for i in range(N):
            t = 0.0
            for j in range(N):
                t += A[i, j]
            s[i] = t

    for function in (other_value, other_domain, two_in_the_loop, something_between, private):
        found = reductions(function, reassociate=True)
        assert Reduction("sum", "existing") in found, function.__name__


# ---- the object ---------------------------------------------------------------------------------
def test_it_is_the_same_kind_of_object():
    kernel = ls.affine(jacobi_1d)
    assert type(kernel) is type(traced)
    assert kernel.__wrapped__ is jacobi_1d
    assert kernel.__name__ == "jacobi_1d"
    assert not kernel.program.reassociate
    assert ls.affine(reassociate=True)(jacobi_1d).program.reassociate


def test_calls_update_in_place_and_return_nothing():
    kernel = ls.affine(jacobi_1d)
    a, b = np.arange(6.0), np.zeros(6)
    expected_a, expected_b = a.copy(), b.copy()
    jacobi_1d(3, 6, expected_a, expected_b)
    assert kernel(3, 6, a, b) is None
    assert np.allclose(a, expected_a) and np.allclose(b, expected_b)  # noqa: PT018
    assert kernel(N=6, T=3, B=b, A=a) is None
    assert kernel(np.int64(3), A=a, B=b) is None
    jacobi_1d(3, 6, expected_a, expected_b)
    jacobi_1d(3, 6, expected_a, expected_b)
    assert np.allclose(a, expected_a)


def test_a_new_size_is_a_new_kernel():
    kernel = ls.affine(jacobi_1d)
    for size in (3, 8, 3, 17):
        for steps in (1, 4):
            a, b = np.arange(float(size)), np.zeros(size)
            expected = a.copy(), b.copy()
            jacobi_1d(steps, size, *expected)
            kernel(steps, size, a, b)
            assert np.allclose(a, expected[0])
    assert len(kernel._kernels) == 6


def test_strides_are_part_of_the_signature():
    kernel = ls.affine(lu)
    whole = np.eye(12) * 9 + np.arange(144.0).reshape(12, 12) / 99
    a, expected = whole.copy()[::2, ::2], whole.copy()[::2, ::2].copy()
    lu(6, expected)
    kernel(6, a)
    assert np.allclose(a, expected)


def test_a_specialised_kernel_takes_arrays_or_all():
    kernel = ls.affine(jacobi_1d).specialize(T=2, N=5)
    a, b = np.arange(5.0), np.zeros(5)
    expected_a, expected_b = a.copy(), b.copy()
    kernel(a, b)
    kernel(2, 5, a, b)
    for _ in range(2):
        jacobi_1d(2, 5, expected_a, expected_b)
    assert np.allclose(a, expected_a)
    like = ls.affine(jacobi_1d).specialize(T=2, like=(a, b))
    assert like.specialization.sizes == {"T": 2, "N": 5}


@ls.scalar
def half(x):
    return x / 2


def test_scalar_functions_are_functions():
    assert half(3) == 1.5
    assert repr(half) == "<scalar function half>"


def test_the_text_may_stand_anywhere():
    class Holder:
        @staticmethod
        @ls.affine
        def fill(N: ls.size, A: ls.f64["N"]):
            """Fill."""
            (
                """
flush with the margin
"""
            )
            for i in range(N):
                A[i] = 1.0  # a comment

    a = np.zeros(3)
    Holder.fill(3, a)
    assert a.tolist() == [1.0, 1.0, 1.0]


def test_tensor_kernels_take_sizes_among_their_arguments_too():
    @ls.kernel
    def scaled(n: ls.size, x: ls.f64["i"]) -> ls.f64["i"]:
        i = ls.indices("i")
        return x[i] * n

    assert scaled(3, np.ones(2)).tolist() == [3.0, 3.0]
    assert scaled(x=np.ones(2), n=5).tolist() == [5.0, 5.0]


def test_without_reassociation_sums_keep_their_order():
    def fn(M: ls.size, N: ls.size, A: ls.f64["M N"], s: ls.f64["M"]):
        for i in range(M):
            for j in range(N):
                s[i] += A[i, j]

    strict = ls.affine(fn).specialize(M=8, N=8)
    with pytest.raises(ls.IllegalSchedule, match="needs reassociate=True"):
        strict.with_schedule("schedule 1\nvectorize s.j")
    strict.with_schedule("schedule 1\nreorder s j i\nvectorize s.i")
    ls.affine(reassociate=True)(fn).specialize(M=8, N=8).with_schedule("schedule 1\nvectorize s.j")


def test_modules_loaded_by_path(tmp_path):
    from loopstack.cli.target import load_function

    path = tmp_path / "mine.py"
    path.write_text(
        "import loopstack as ls\n\n\n"
        "@ls.affine\ndef twice(N: ls.size, A: ls.f64['N']):\n"
        "    for i in range(N):\n        A[i] *= 2\n"
    )
    a = np.arange(3.0)
    load_function(f"{path}:twice")(3, a)
    assert a.tolist() == [0.0, 2.0, 4.0]
