"""Schedules as values: they parse, print back, compare, and grow."""

from __future__ import annotations

import pickle

import pytest
from harness import programs
from harness.tree_text import tree_text

from loopstack.ir.loop_tree import identity_tree
from loopstack.schedule.commands import COMMANDS, NOT_AVAILABLE_YET
from loopstack.schedule.order import Reorder
from loopstack.schedule.script import Schedule, apply, build, check
from loopstack.schedule.split import Split

PACKED_MATMUL = """\
schedule 1
split C.n 512 -> nc, n1
split C.k 512 -> kc, ki
split C.m 240 -> mc, m1
split C.n1 64 -> nr, nv tail=mask
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
LINES = (
    "split C.m 4 -> mo, mi",
    "split C.m 4 -> mo, mi tail=shift_inwards",
    "tile C.m C.n C.k 4 8 16 -> mo, no, ko, mi, ni, ki tail=mask",
    "reorder C n k m",
    "interchange C.m C.n",
    "reverse C.m",
    "shift C.m -2",
    "skew S.i S.t -2",
    "partition S where k <= 4*t + 1 -> R",
    "wavefront S.t S.i -> w",
    "map S.t S.i -> w = i + 2*t - 1, p = -t",
    "join C.mo C.mi -> m",
    "wrap S.j -> i",
    "fuse A.i B.i",
    "fuse A.i B.i shift=2",
    "distribute A.i",
    "distribute A.i -> B, A",
    "arrange root -> B, A",
    "arrange A.i -> B, C, A",
    "expand t at A.i A.j",
    "expand t at A.i -> u",
    "decompose C -> C0",
    "privatize t at A.i",
    "privatize t at A.i -> u",
    "compute_at P C.i",
    "inline P",
    "rfactor C.k -> part",
    "pack B at root as Bp[k, n]",
    "pack B at C.root as Bp[k, n] pad=-inf",
    "pack B at C.kc as Bp[nr, ki, nv] pad=0.5 align=128",
    "stage C at C.mr in local",
    "unroll C.u",
    "unroll_and_jam C.mv",
    "vectorize C.nv",
    "parallelize C.mc",
    "prefetch C at C.mr",
    "prefetch C at C.mr ahead=2 write",
    "stream C",
)


def test_the_packed_matrix_product_parses_and_prints_back() -> None:
    assert str(Schedule.parse(PACKED_MATMUL)) == PACKED_MATMUL


def test_the_packed_matrix_product_builds_and_is_legal() -> None:
    tree = check(
        Schedule.parse(PACKED_MATMUL), programs.matmul().bind({"m": 512, "n": 520, "k": 512})
    )
    assert (
        tree_text(tree)
        == """\
C.nc
  C.kc
    Bp.nr 8 parallel
      Bp.ki 512
        Bp.nv 64 vector
          Bp[Bp.nr, Bp.ki, Bp.nv] = B[Bp.ki + 512*C.kc, 64*Bp.nr + Bp.nv + 512*C.nc] pad 0
    C.mc parallel
      Ap.mr 40
        Ap.ki 512 vector
          Ap.mv 6 vector
            Ap[Ap.mr, Ap.ki, Ap.mv] = A[6*Ap.mr + Ap.mv + 240*C.mc, Ap.ki + 512*C.kc] pad 0
      C.nr 8
        C.mr 40
          C.ki 512
            C.mv 6 unroll tail=peel
              C.nv 64 vector tail=mask
                C[240*C.mc + 6*C.mr + C.mv, 512*C.nc + 64*C.nr + C.nv] += \
mul(Ap[C.mr, C.ki, C.mv], Bp[C.nr, C.ki, C.nv])
C of C at C.mr in registers
Bp: f32[8, 512, 64] at C.kc align 64
Ap: f32[40, 512, 6] at C.mc align 64
"""
    )


def test_isl_is_not_needed_for_the_packed_matrix_product() -> None:
    """Legality of the common case is proven in plain Python; a fresh interpreter shows it."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from harness import programs\n"
        "from loopstack.schedule.script import Schedule, check\n"
        f"check(Schedule.parse({PACKED_MATMUL!r}),"
        " programs.matmul().bind({'m': 512, 'n': 512, 'k': 512}))\n"
        "assert 'islpy' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"], check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize("line", LINES)
def test_a_line_prints_as_it_was_written(line: str) -> None:
    assert str(Schedule.parse(f"schedule 1\n{line}")) == f"schedule 1\n{line}\n"


def test_every_command_is_among_the_lines() -> None:
    assert {line.split()[0] for line in LINES} == set(COMMANDS)
    assert not set(NOT_AVAILABLE_YET) & set(COMMANDS)


def test_every_command_documents_its_contract() -> None:
    for command in COMMANDS.values():
        text = command.__doc__ or ""
        for part in ("Requires:", "Before:", "After:", "Raises:"):
            assert part in text, (command, part)


def test_comments_spaces_and_blank_lines_do_not_count() -> None:
    written = "\n# why\nschedule 1  # version\n\n  split   C.m 4->mo,mi   # blocks\n\tstream C\n"
    assert Schedule.parse(written) == Schedule.parse("schedule 1\nsplit C.m 4 -> mo, mi\nstream C")
    assert Schedule.parse(written).lines == (5, 6)


def test_schedules_are_values() -> None:
    one, other = (Schedule.parse(PACKED_MATMUL) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != one.append("stream C")
    assert pickle.loads(pickle.dumps(one)) == one


def test_append_takes_text_or_a_command() -> None:
    script = Schedule().append("split C.m 4 -> mo, mi").append(Reorder("C", ("n", "mo")))
    assert str(script) == "schedule 1\nsplit C.m 4 -> mo, mi\nreorder C n mo\n"
    assert script.lines == (2, 3)


def test_apply_is_one_step_of_build() -> None:
    program = programs.matmul().bind({"m": 8, "n": 8, "k": 8})
    step = Split("C.m", 4, "mo", "mi")
    assert apply(identity_tree(program), step) == build(Schedule((step,)), program)


def test_the_empty_schedule_builds_the_program_as_written() -> None:
    program = programs.lu().bind({"N": 5})
    assert build(Schedule(), program) == identity_tree(program)
    assert tree_text(identity_tree(program)) == (
        "S0.k\n"
        "  S0.i\n"
        "    A[S0.i, S0.k] = div(A[S0.i, S0.k], A[S0.k, S0.k])\n"
        "  S1.i\n"
        "    S1.j\n"
        "      A[S1.i, S1.j] = sub(A[S1.i, S1.j], mul(A[S1.i, S0.k], A[S0.k, S1.j]))\n"
    )
