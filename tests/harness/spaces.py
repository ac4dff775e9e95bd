"""Programs with integer sizes, and a machine that never changes, for tests of schedule spaces."""

from __future__ import annotations

from loopstack.ir.program import Program
from loopstack.ir.reader import read_program
from loopstack.schedule.hardware import Hardware

HARDWARE = Hardware("avx2", 32, 16, 32 << 10, 512 << 10)
MATMUL = """
program matmul reassociate
sizes m n k
input A: f32[$m, $k]
input B: f32[$k, $n]
output C: f32[$m, $n]
statement C(m, n, k) order 0 0 0 0
  where m; $m - m - 1; n; $n - n - 1; k; $k - k - 1
  reduce sum C[m, n] = mul(A[m, k], B[k, n])
"""
SOFTMAX = """
program softmax reassociate
sizes i j
input x: f32[$i, $j]
temporary top: f32[$i]
temporary e: f32[$i, $j]
temporary total: f32[$i]
output out: f32[$i, $j]
statement top(i, j) order 0 0 0
  where i; $i - i - 1; j; $j - j - 1
  reduce max top[i] = x[i, j]
statement e(i, j) order 1 0 0
  where i; $i - i - 1; j; $j - j - 1
  e[i, j] = exp(sub(x[i, j], top[i]))
statement total(i, j) order 2 0 0
  where i; $i - i - 1; j; $j - j - 1
  reduce sum total[i] = e[i, j]
statement out(i, j) order 3 0 0
  where i; $i - i - 1; j; $j - j - 1
  out[i, j] = div(e[i, j], total[i])
"""
CONV = """
program conv reassociate
sizes co ci h w
input x: f32[$ci, $h + 2, $w + 2]
input f: f32[$co, $ci, 3, 3]
output out: f32[$co, $h, $w]
statement out(co, h, w, ci, kh, kw) order 0 0 0 0 0 0 0
  where co; $co - co - 1; h; $h - h - 1; w; $w - w - 1; ci; $ci - ci - 1; kh; 2 - kh; kw; 2 - kw
  reduce sum out[co, h, w] = mul(x[ci, h + kh, w + kw], f[co, ci, kh, kw])
"""


def bound(text: str, **sizes: int) -> Program:
    return read_program(text).bind(sizes)


def matmul(m: int = 48, n: int = 40, k: int = 56) -> Program:
    return bound(MATMUL, m=m, n=n, k=k)


def softmax(i: int = 24, j: int = 40) -> Program:
    return bound(SOFTMAX, i=i, j=j)


def conv(co: int = 8, ci: int = 4, h: int = 12, w: int = 20) -> Program:
    return bound(CONV, co=co, ci=ci, h=h, w=w)
