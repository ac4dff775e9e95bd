"""fdtd-2d: finite differences in the time domain, two dimensions."""

from __future__ import annotations

import numpy as np

import loopstack as ls


@ls.affine(reassociate=True)
def fdtd_2d(
    TMAX: ls.size, NX: ls.size, NY: ls.size,
    ex: ls.f64["NX NY"], ey: ls.f64["NX NY"], hz: ls.f64["NX NY"], fict: ls.f64["TMAX"],
):  # fmt: skip
    for t in range(TMAX):
        for j in range(NY):
            ey[0, j] = fict[t]
        for i in range(1, NX):
            for j in range(NY):
                ey[i, j] = ey[i, j] - 0.5 * (hz[i, j] - hz[i - 1, j])
        for i in range(NX):
            for j in range(1, NY):
                ex[i, j] = ex[i, j] - 0.5 * (hz[i, j] - hz[i, j - 1])
        for i in range(NX - 1):
            for j in range(NY - 1):
                hz[i, j] = hz[i, j] - 0.7 * (ex[i, j + 1] - ex[i, j] + ey[i + 1, j] - ey[i, j])


@fdtd_2d.inputs
def inputs(sizes, seed):
    nx, ny = sizes["NX"], sizes["NY"]
    i, j = np.ogrid[:nx, :ny]
    return {
        "ex": i * (j + 1) / nx,
        "ey": i * (j + 2) / ny,
        "hz": i * (j + 3) / nx,
        "fict": np.arange(sizes["TMAX"], dtype=np.float64),
    }
