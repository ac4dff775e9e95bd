"""Convolutions, NCHW, batch 1: pointwise, 3x3, strided 7x7, depthwise."""

from __future__ import annotations

import loopstack as ls


@ls.kernel
def conv2d(x: ls.f32["n ci h w"], w: ls.f32["co ci kh kw"]) -> ls.f32["n co oh ow"]:
    n, co, oh, ow, ci, kh, kw = ls.indices("n co oh ow ci kh kw")
    p = ls.pad(x, h=(1, 1), w=(1, 1), value=0.0)
    return ls.sum(p[n, ci, oh + kh, ow + kw] * w[co, ci, kh, kw], over=(ci, kh, kw))


@ls.kernel
def pointwise(x: ls.f32["n ci h w"], w: ls.f32["co ci 1 1"]) -> ls.f32["n co h w"]:
    n, co, h, v, ci = ls.indices("n co h w ci")
    return ls.sum(x[n, ci, h, v] * w[co, ci, 0, 0], over=ci)


@ls.kernel
def strided(x: ls.f32["n ci h w"], w: ls.f32["co ci kh kw"]) -> ls.f32["n co oh ow"]:
    n, co, oh, ow, ci, kh, kw = ls.indices("n co oh ow ci kh kw")
    p = ls.pad(x, h=(3, 3), w=(3, 3), value=0.0)
    return ls.sum(p[n, ci, 2 * oh + kh, 2 * ow + kw] * w[co, ci, kh, kw], over=(ci, kh, kw))


@ls.kernel
def depthwise(x: ls.f32["n c h w"], w: ls.f32["c 1 kh kw"]) -> ls.f32["n c oh ow"]:
    n, c, oh, ow, kh, kw = ls.indices("n c oh ow kh kw")
    p = ls.pad(x, h=(1, 1), w=(1, 1), value=0.0)
    return ls.sum(p[n, c, oh + kh, ow + kw] * w[c, 0, kh, kw], over=(kh, kw))


def _row(name, function, sizes, pad, stride=1, group=1, quick=False):
    attributes = {"pads": [pad] * 4, "strides": [stride] * 2, "group": group}
    return {
        "name": name,
        "function": function,
        "sizes": {"n": 1, **sizes},
        "numpy": None,
        "onnx": ("Conv", attributes),
        "constant": "w",
        "quick": quick,
    }


def _square(ci, co, size, kernel):
    return {"ci": ci, "co": co, "h": size, "w": size, "kh": kernel, "kw": kernel}


def _channels(c, size):
    return {"c": c, "h": size, "w": size, "kh": 3, "kw": 3}


ROWS = [
    _row("1x1_256-64_56", pointwise, {"ci": 256, "co": 64, "h": 56, "w": 56}, 0, quick=True),
    _row("3x3_64-64_56", conv2d, _square(64, 64, 56, 3), 1, quick=True),
    _row("3x3_512-512_7", conv2d, _square(512, 512, 7, 3), 1),
    _row("7x7s2_3-64_224", strided, _square(3, 64, 224, 7), 3, stride=2),
    _row("dw3x3_32_112", depthwise, _channels(32, 112), 1, group=32, quick=True),
    _row("dw3x3_384_14", depthwise, _channels(384, 14), 1, group=384),
]
