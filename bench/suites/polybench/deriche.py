"""deriche: a recursive edge filter, forward and backward along rows and columns."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def deriche(
    W: ls.size, H: ls.size, alpha: ls.f32,
    imgIn: ls.f32["W H"], imgOut: ls.f32["W H"], y1: ls.f32["W H"], y2: ls.f32["W H"],
):  # fmt: skip
    k = (
        (1.0 - ls.exp(-alpha)) * (1.0 - ls.exp(-alpha))
        / (1.0 + 2.0 * alpha * ls.exp(-alpha) - ls.exp(2.0 * alpha))
    )  # fmt: skip
    a1 = k
    a2 = k * ls.exp(-alpha) * (alpha - 1.0)
    a3 = k * ls.exp(-alpha) * (alpha + 1.0)
    a4 = -k * ls.exp(-2.0 * alpha)
    b1 = ls.exp(-alpha * 0.6931471805599453)  # 2 ** -alpha
    b2 = -ls.exp(-2.0 * alpha)
    for i in range(W):
        ym1 = 0.0
        ym2 = 0.0
        xm1 = 0.0
        for j in range(H):
            y1[i, j] = a1 * imgIn[i, j] + a2 * xm1 + b1 * ym1 + b2 * ym2
            xm1 = imgIn[i, j]
            ym2 = ym1
            ym1 = y1[i, j]
    for i in range(W):
        yp1 = 0.0
        yp2 = 0.0
        xp1 = 0.0
        xp2 = 0.0
        for j in range(H - 1, -1, -1):
            y2[i, j] = a3 * xp1 + a4 * xp2 + b1 * yp1 + b2 * yp2
            xp2 = xp1
            xp1 = imgIn[i, j]
            yp2 = yp1
            yp1 = y2[i, j]
    for i in range(W):
        for j in range(H):
            imgOut[i, j] = y1[i, j] + y2[i, j]
    for j in range(H):
        tm1 = 0.0
        ym1 = 0.0
        ym2 = 0.0
        for i in range(W):
            y1[i, j] = a1 * imgOut[i, j] + a2 * tm1 + b1 * ym1 + b2 * ym2
            tm1 = imgOut[i, j]
            ym2 = ym1
            ym1 = y1[i, j]
    for j in range(H):
        tp1 = 0.0
        tp2 = 0.0
        yp1 = 0.0
        yp2 = 0.0
        for i in range(W - 1, -1, -1):
            y2[i, j] = a3 * tp1 + a4 * tp2 + b1 * yp1 + b2 * yp2
            tp2 = tp1
            tp1 = imgOut[i, j]
            yp2 = yp1
            yp1 = y2[i, j]
    for i in range(W):
        for j in range(H):
            imgOut[i, j] = y1[i, j] + y2[i, j]


@deriche.inputs
def inputs(sizes, seed):
    w, h = sizes["W"], sizes["H"]
    i, j = np.ogrid[:w, :h]
    zeros = {name: np.zeros((w, h), np.float32) for name in ("imgOut", "y1", "y2")}
    image = (313 * i + 991 * j) % 65536 / 65535
    return {"alpha": np.float32(0.25), "imgIn": image.astype(np.float32), **zeros}
