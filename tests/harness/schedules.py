"""Schedules written by hand, by kernel of ``harness.kernels``: every family of commands.

Blocks are small, so that sizes of a few dozen reach full tiles, partial tiles and single rows.
"""

from __future__ import annotations

_BLOCKED = """
split C.n 32 -> nc, n1
split C.k 16 -> kc, ki
split C.m 12 -> mc, m1
split C.n1 16 -> nr, nv tail=mask
split C.m1 6 -> mr, mv tail=peel
reorder C nc kc mc nr mr ki mv nv
pack B at C.kc as Bp[nr, ki, nv] pad=0 align=64
pack A at C.mc as Ap[mr, ki, mv] pad=0
vectorize Bp.nv
parallelize Bp.nr
vectorize Ap.ki
vectorize Ap.mv
stage C at C.mr in registers
unroll_and_jam C.mv
vectorize C.nv
parallelize C.mc
"""

_REGISTER_BLOCK = """
split C.m 6 -> mr, mv tail={rows}
split C.n 16 -> nr, nv tail={columns}
reorder C nr mr k mv nv
unroll_and_jam C.mv
vectorize C.nv
"""

_MATMUL = {
    "identity": "",
    "reordered": "reorder C k m n",
    "rows_in_lanes": "vectorize C.n",
    "reduction_in_lanes": "vectorize C.k",
    "reduction_unrolled": "split C.k 4 -> ko, ki\nunroll C.ki\nvectorize C.n",
    "long_vector": "split C.n 64 -> no, nv\nvectorize C.nv",
    "parallel_rows": "parallelize C.m\nvectorize C.n",
    "tiled": "tile C.m C.n C.k 8 8 8 -> mo, no, ko, mi, ni, ki\nvectorize C.ni",
    "blocked": _BLOCKED,
    "staged": "split C.k 8 -> ko, ki\nreorder C ko m n ki\nstage C at C.n in registers",
    "staged_rows": "split C.k 8 -> ko, ki\nreorder C m ko ki n\nstage C at C.m in local\n"
    "vectorize C.n",
    "packed": "pack B at C.root as Bt[n, k]\nvectorize C.k",
    "regrouped": "split C.k 8 -> ko, ki\nrfactor C.ki -> P\nvectorize P.n",
    "streamed": "vectorize C.n\nstream C",
    "prefetched": "vectorize C.n\nprefetch B at C.k ahead=2",
    "reversed": "reverse C.m\nvectorize C.n",
    **{
        f"register_block_{rows}_{columns}": _REGISTER_BLOCK.format(rows=rows, columns=columns)
        for rows, columns in (
            ("peel", "mask"), ("peel", "peel"), ("guard", "guard"), ("guard", "mask"),
            ("peel", "shift_inwards"),
        )
    },
}  # fmt: skip

_SOFTMAX_FUSED = """
fuse max.i exp.i
fuse max.i sum.i
fuse max.i out.i
"""
_SOFTMAX_LANES = """
vectorize max.j
vectorize exp.j
vectorize sum.j
vectorize out.j
"""
_SOFTMAX = {
    "identity": "",
    "in_lanes": _SOFTMAX_LANES,
    "fused": _SOFTMAX_FUSED,
    "fused_in_lanes": _SOFTMAX_FUSED + _SOFTMAX_LANES + "parallelize max.i",
    "columns_in_lanes": "vectorize max.i\nvectorize sum.i",
    "exponentials_inlined": "inline exp",
    "blocked_columns": "split exp.j 16 -> jo, jv tail=mask\nvectorize exp.jv\n"
    "split sum.j 8 -> jo, jv tail=peel\nrfactor sum.jv -> lanes\nvectorize lanes.jv",
}

_CONV = {
    "identity": "",
    "channels_outside": "reorder out n ci kh kw co oh ow\nvectorize out.ow",
    "row_in_lanes": "split out.ow 8 -> wo, wv tail=mask\nsplit out.co 4 -> cb, cv tail=peel\n"
    "reorder out n cb oh wo ci kh kw cv wv\nunroll_and_jam out.cv\nvectorize out.wv\n"
    "parallelize out.cb",
    "weights_packed": "split out.co 8 -> cb, cv tail=mask\nreorder out n cb oh ow ci kh kw cv\n"
    "pack w at out.cb as wp[ci, kh, kw, cv] pad=0\nvectorize out.cv",
    "window_unrolled": "unroll out.kh\nunroll out.kw\nvectorize S0.w\nvectorize S1.w",
}

_COLUMNS = {
    "identity": "",
    "rows_outside": "reorder out i j\nvectorize out.j",
    "blocked": "split out.j 16 -> jo, jv tail=mask\nreorder out jo i jv\nvectorize out.jv\n"
    "parallelize out.jo",
    "regrouped": "split out.i 4 -> io, ii\nrfactor out.ii -> part\nvectorize part.j",
}

_TRANSPOSE = {
    "identity": "",
    "written_in_lanes": "vectorize out.i",
    "read_in_lanes": "reorder out i j\nvectorize out.j",
    "tiles": "tile out.j out.i 8 8 -> jo, io, ji, ii tail=peel\nvectorize out.ii\nvectorize out.ji",
    "tiles_masked": "tile out.j out.i 8 8 -> jo, io, ji, ii tail=mask\nvectorize out.ji\n"
    "unroll out.ii\nparallelize out.jo",
}

_PADDED = {
    "identity": "",
    "in_lanes": "vectorize S0.n\nvectorize S1.n\nvectorize out.i",
    "blocked": "split out.i 8 -> io, iv tail=mask\nvectorize out.iv\nparallelize out.io",
}

SCRIPTS: dict[str, dict[str, str]] = {
    "matmul": _MATMUL,
    "softmax": _SOFTMAX,
    "conv2d": _CONV,
    "column_sum": _COLUMNS,
    "transpose": _TRANSPOSE,
    "pad_then_exp": _PADDED,
}
CASES = [(label, title) for label, scripts in SCRIPTS.items() for title in scripts]


def script(label: str, title: str) -> str:
    """Return the text of a schedule."""
    lines = [line for line in SCRIPTS[label][title].splitlines() if line]
    return "\n".join(["schedule 1", *lines]) + "\n"
