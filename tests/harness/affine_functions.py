"""Affine functions as users write them, one trait each; the text itself is run as the oracle."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import loopstack as ls


@dataclass(frozen=True)
class Case:
    function: Callable[..., Any]
    sizes: tuple[dict[str, int], ...]


CASES: dict[str, Case] = {}
WIDTH = 3
STEP = np.float64(0.125)
WEIGHTS = {"near": 0.5, "far": (0.25, 0.125)}


def case(*sizes: dict[str, int]) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        CASES[function.__name__] = Case(function, sizes)
        return function

    return register


def squares(*values: int) -> tuple[dict[str, int], ...]:
    return tuple({"N": value} for value in values)


# ---- loops --------------------------------------------------------------------------------------
@case(*squares(0, 1, 2, 3, 7, 16))
def step_two(N: ls.size, A: ls.f64["N"]):
    for i in range(0, N, 2):
        A[i] = A[i] * 2.0


@case(*squares(1, 2, 3, 7, 16))
def step_from_offset(N: ls.size, A: ls.f64["N"]):
    for i in range(1, N - 1, WIDTH):
        A[i + 1] = A[i] + A[i - 1]


@case(*squares(0, 1, 5, 13))
def descending(N: ls.size, A: ls.f64["N"]):
    for i in range(N - 2, -1, -1):
        A[i] += 0.5 * A[i + 1]


@case(*squares(0, 1, 5, 13))
def descending_by_three(N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
    for i in range(N - 1, 1, -3):
        for j in range(i, i - 2, -1):
            B[j] = B[j] + A[i]


@case(*squares(0, 1, 4, 9))
def bounds_of_max_and_min(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        for j in range(max(0, i - 2, 1), min(N, i + 3, N - 1)):
            A[i, j] += 1.0 + i * 0.5 - j


@case(*squares(0, 1, 4, 9))
def bounds_of_min_and_max(N: ls.size, A: ls.f64["N 2*N"]):
    for i in range(N):
        for j in range(min(i, 3), max(i, N - 2)):
            A[i, j] = A[i, j] * 0.5 + i


@case(*squares(1, 4, 9))
def descending_from_min(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        for j in range(min(i + 2, N - 1), max(i - 2, -1), -1):
            A[i, j] += 0.25 * A[i, max(0, -1)]


@case(*squares(0, 1, 4, 9, 10))
def halves(N: ls.size, A: ls.f64["N"], B: ls.f64["N//2"]):
    for i in range(N // 2):
        B[i] = A[2 * i] + A[2 * i + 1]
    for i in range(N):
        A[i] = A[i] + A[i // 2] * (i % 3) + A[N - 1 - i % 2]


@case(*squares(0, 1, 4, 9))
def negative_divisor(N: ls.size, A: ls.f64["N"]):
    for i in range(-N // -2, N):
        A[i] = i // -2 + i % -3


@case({"N": 5, "M": 3}, {"N": 0, "M": 2}, {"N": 4, "M": 6})
def siblings_and_nests(N: ls.size, M: ls.size, A: ls.f64["N M"], B: ls.f64["N"]):
    for i in range(N):
        B[i] = 0.0
        for j in range(M):
            A[i, j] += 1.0
            B[i] += A[i, j]
        for j in range(M):
            A[i, j] = A[i, j] / B[i]
        B[i] = B[i] - A[i, M - 1] if M > 0 else B[i]


@case(*squares(0, 3, 6))
def same_name_again(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        A[i, 0] += 1.0
        for j in range(i):
            A[i, j] += A[j, i]
    for i in range(N):
        A[0, i] *= 0.5


@case(*squares(0, 1, 4))
def constant_ranges(N: ls.size, A: ls.f64["5 N"]):
    for i in range(-2, 3):
        for j in range(N):
            A[i + 2, j] += i
    for i in range(0):
        A[i, 0] = 1.0
    for i in range(3, 3 - WIDTH, -1):
        for j in range(N):
            A[i, j] -= A[i - 1, j] * STEP


# ---- tests --------------------------------------------------------------------------------------
@case(*squares(0, 1, 5, 8))
def either_side(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        for j in range(N):
            if i < j:
                A[i, j] = 1.0
            elif i == j:
                A[i, j] = 2.0
            else:
                A[i, j] = A[j, i] + 3.0


@case(*squares(0, 1, 5, 8))
def unions(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        for j in range(N):
            if i == j or j == 0 or not (i > 1 and j != 2):
                A[i, j] += 1.0
            else:
                A[i, j] *= 2.0
            if 1 <= i < j <= N - 2:
                A[i, j] = A[i, j] - 0.5


@case(*squares(0, 1, 6, 7))
def parities(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        if i % 2:
            A[i] = A[i] + 1.0
        else:
            A[i] = A[i] - A[i // 2]


@case(*squares(0, 1, 6))
def test_of_extremes(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        for j in range(N):
            if max(i, j) < N - 1 and min(i, j) >= 1:
                A[i, j] = 0.25 * (A[i - 1, j] + A[i + 1, j] + A[i, j - 1] + A[i, j + 1])


@case(*squares(0, 1, 6))
def guarded_read(N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
    for i in range(N):
        B[i] = (A[i - 1] if i > 0 else 0.5) + (A[i + 1] if i + 1 < N else -0.5)


@case(*squares(1, 2, 6))
def clamped_subscripts(N: ls.size, A: ls.f64["N"], B: ls.f64["N N"]):
    for i in range(N):
        for j in range(N):
            B[i, j] += A[max(i - 1, 0)] + A[min(max(j - 1, 0), N - 1, i)]
    for i in range(N + 3):
        A[min(i, N - 1)] += 1.0


@case(*squares(0, 1, 6))
def data_choice(N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
    for i in range(N):
        B[i] = A[i] if A[i] > 0.0 and not A[i] >= 1.0 else -B[i]


# ---- values -------------------------------------------------------------------------------------
@case(*squares(0, 1, 6))
def numbers_of_the_scope(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = WEIGHTS["near"] * A[i] + WEIGHTS["far"][1] + 1.0 / 3.0 + 2**3 + math.pi


@case(*squares(0, 1, 6))
def functions_of_numbers(N: ls.size, A: ls.f64["N"]):
    for i in range(N):
        A[i] = max(abs(A[i]), ls.sqrt(abs(A[i])), 0.25) + min(A[i], float(i)) + ls.exp(-A[i] * A[i])


@case(*squares(0, 1, 6))
def truths(N: ls.size, A: ls.f64["N"], flags: ls.i32["N"]):
    for i in range(N):
        flags[i] = 1 if A[i] > 0.25 or (flags[i] > 0 and i > 2) else 0
    for i in range(N):
        A[i] = 1.0 if flags[i] == 1 else ls.where(A[i] < -0.5, -1.0, A[i] ** 2)


@case(*squares(1, 6))
def chosen_scalar(N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
    last = 0.0
    for i in range(N):
        if i % 2 == 0:
            last = A[i]
        B[i] = last + (2.0 if i == N - 1 else 0.0)


@ls.scalar
def clamp(x, low=0.0, high=1.0):
    """Keep a number between two others."""
    if x < low:
        return low
    y = x
    if y > high:
        y = high
    return y


@ls.scalar
def blend(a, b, i):
    weight = 0.5
    weight += 0.25
    return weight * clamp(a) + (1.0 - weight) * b if i % 2 == 0 else b


@case(*squares(0, 1, 6))
def helpers(N: ls.size, A: ls.f64["N"], B: ls.f64["N"]):
    for i in range(N):
        A[i] = blend(A[i], B[i], i)


@case(*squares(0, 1, 6))
def single_precision(N: ls.size, alpha: ls.f32, A: ls.f32["N"], B: ls.f32["N"]):
    for i in range(N):
        A[i] += alpha * B[i] + 0.1


@case(*squares(0, 1, 6))
def integers(N: ls.size, A: ls.i32["N"], B: ls.i64["N"]):
    for i in range(N):
        A[i] = (A[i] * 3 + i) // 2 % 5
        B[i] += A[i] + 2 * i


@case(*squares(0, 1, 6))
def old_style_subscripts(N: ls.size, A: ls.f64["N N"]):
    for i in range(N):
        for j in range(A.shape[1]):
            A[i][j] = A[i][j] + len(A)


# ---- names of the body --------------------------------------------------------------------------
@case(*squares(0, 1, 6))
def private_sum(N: ls.size, A: ls.f32["N N"], B: ls.f32["N"]):
    for i in range(N):
        total = 0.0
        count = 0
        for j in range(i + 1):
            total += A[i, j]
            count += 1
        B[i] = total / count


@case(*squares(0, 1, 6))
def running_value(N: ls.size, A: ls.f64["N"]):
    before = 0.0
    for i in range(N):
        here = A[i]
        A[i] = here - before
        before = here


@case(*squares(1, 6))
def names_for_forms(N: ls.size, A: ls.f64["N N"]):
    last = N - 1
    for i in range(N):
        mirror = last - i
        for j in range(mirror, N):
            A[i, j] += A[mirror, j - mirror]


@case(*squares(1, 6))
def local_arrays(N: ls.size, A: ls.f64["N"]):
    copy = ls.empty("N+1", ls.f64)
    for i in range(N):
        copy[i] = A[i]
    copy[N] = 1.0
    for i in range(N):
        A[i] = copy[i + 1] - copy[i]


@case(*squares(1, 6))
def kept_between_iterations(N: ls.size, A: ls.f64["N N"]):
    row = ls.empty("N", ls.f64)
    for t in range(N):
        for i in range(N):
            if t == 0:
                row[i] = A[0, i]
            A[t, i] += row[i]


# ---- updates ------------------------------------------------------------------------------------
@case(*squares(0, 1, 6))
def updates(N: ls.size, A: ls.f64["N N"], s: ls.f64["N"], p: ls.f64["N"], m: ls.f64["N"]):
    for i in range(N):
        for j in range(N):
            s[i] -= A[i, j]
            p[i] *= 1.0 + 0.1 * A[i, j]
            m[i] = max(m[i], A[i, j])
            m[i] = min(A[j, i] + 1.0, m[i])
            s[j] = A[i, j] * 0.5 + s[j]
    for _ in range(N):
        s[0] /= 2.0


@case(*squares(1, 2, 6))
def reads_what_it_updates(N: ls.size, A: ls.f64["N"]):
    for _ in range(N):
        for j in range(N):
            A[0] += A[0] * A[j]


@case(*squares(1, 2, 6))
def scalar_of_the_nest(N: ls.size, A: ls.f64["N N"]):
    scale = 1.0
    for i in range(N):
        scale = (1.0 - 0.1 * A[i, 0]) * scale
        for j in range(N):
            A[i, j] = scale * A[i, j]


def data_for(program: Any, seed: int = 0) -> dict[str, np.ndarray]:
    """Return small random data for the arguments of a bound program."""
    from harness.inputs import inputs

    return inputs(program, seed=seed)
