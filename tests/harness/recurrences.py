"""Affine functions whose innermost loops hand values on, or update one element repeatedly."""

from __future__ import annotations

import loopstack as ls


@ls.affine
def prefix(N: ls.size, a: ls.f64["N"], y: ls.f64["N"]):
    for i in range(1, N):
        y[i] = 0.5 * y[i - 1] + a[i]


@ls.affine
def backward(N: ls.size, a: ls.f64["N"], y: ls.f64["N"]):
    for i in range(N - 2, -1, -1):
        y[i] = y[i + 1] * a[i] + y[i]


@ls.affine(reassociate=True)
def smoothed(N: ls.size, A: ls.f64["N N"]):
    for i in range(1, N - 1):
        for j in range(1, N - 1):
            A[i, j] = (A[i - 1, j] + A[i, j - 1] + A[i, j] + A[i, j + 1] + A[i + 1, j]) / 5.0


@ls.affine(reassociate=True)
def two_carried(N: ls.size, a: ls.f64["N N"], p: ls.f64["N N"], q: ls.f64["N N"]):
    for i in range(N):
        q[i, 0] = a[i, i]
        for j in range(1, i + 1):
            p[i, j] = 1.0 / (3.0 + 0.25 * p[i, j - 1] * p[i, j - 1])
            q[i, j] = (a[j, i] - 0.5 * q[i, j - 1]) * p[i, j - 1] + q[i, j - 1] / 4.0


@ls.affine(reassociate=True)
def filtered(N: ls.size, x: ls.f32["N N"], y: ls.f32["N N"]):
    for i in range(N):
        first = 0.0
        second = 0.0
        for j in range(N):
            y[i, j] = 0.25 * x[i, j] + 0.5 * first - 0.125 * second
            second = first
            first = y[i, j]


@ls.affine
def best_split(N: ls.size, t: ls.i32["N N"]):
    for i in range(N - 1, -1, -1):
        for j in range(i + 1, N):
            t[i, j] = max(t[i, j], t[i, j - 1])
            if i + 1 < j:
                t[i, j] = max(t[i, j], t[i + 1, j - 1] + 1)
            for k in range(i + 1, j):
                t[i, j] = max(t[i, j], t[i, k] + t[k + 1, j])


@ls.affine
def solved(N: ls.size, L: ls.f64["N N"], b: ls.f64["N"], x: ls.f64["N"]):
    for i in range(N):
        x[i] = b[i]
        for j in range(i):
            x[i] -= 0.125 * L[i, j] * x[j]
        x[i] = 0.5 * x[i]


@ls.affine
def topped_up(N: ls.size, a: ls.f64["N"], y: ls.f64["N"]):
    for i in range(1, N):
        y[i] = 0.5 * y[i - 1] + a[i]
        if i >= 3:
            y[i] = y[i] + 1.0


# ---- nothing may be kept: another store may reach the element ---------------------------------
@ls.affine
def overwritten(N: ls.size, a: ls.f64["N"], y: ls.f64["N"]):
    """y[N - 1 - i] is y[i - 1] for one i in the middle."""
    for i in range(1, N):
        y[i] = 0.5 * y[i - 1] + a[i]
        y[N - 1 - i] = a[i]


@ls.affine
def seen_elsewhere(N: ls.size, y: ls.f64["N"], z: ls.f64["N"]):
    """y[k] is y[i] when k comes to i."""
    for i in range(N):
        y[i] = y[i] + 1.0
        for k in range(N):
            z[k] = z[k] + y[k]
        y[i] = y[i] + 2.0


@ls.affine
def written_sometimes(N: ls.size, x: ls.f64["N"], y: ls.f64["N"], z: ls.f64["N"]):
    """No statement that always runs writes y[i]."""
    for i in range(N):
        if i % 2 == 0:
            y[i] = z[i] + 1.0
        x[i] = y[i]
        if i % 3 == 0:
            y[i] = z[i] * x[i]


KEPT = (prefix, backward, smoothed, two_carried, filtered, best_split, solved, topped_up)
NOT_KEPT = (overwritten, seen_elsewhere, written_sometimes)
