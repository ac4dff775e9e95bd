"""The table of commands: keyword -> class; and the keywords that are planned."""

from __future__ import annotations

from loopstack.schedule.arrange import Arrange
from loopstack.schedule.command import Command
from loopstack.schedule.compute_at import ComputeAt
from loopstack.schedule.decompose import Decompose
from loopstack.schedule.expand import Expand
from loopstack.schedule.fuse import Distribute, Fuse
from loopstack.schedule.inline import Inline
from loopstack.schedule.jam import UnrollAndJam
from loopstack.schedule.map import Map
from loopstack.schedule.marks import Parallelize, Unroll, Vectorize
from loopstack.schedule.memory import PrefetchCommand, Stream
from loopstack.schedule.order import Interchange, Reorder, Reverse, Shift
from loopstack.schedule.pack import Pack
from loopstack.schedule.partition import Partition
from loopstack.schedule.privatize import Privatize
from loopstack.schedule.rfactor import Rfactor
from loopstack.schedule.skew import Skew, Wavefront
from loopstack.schedule.split import Join, Split
from loopstack.schedule.stage import StageCommand
from loopstack.schedule.tile import Tile
from loopstack.schedule.wrap import Wrap

COMMANDS: dict[str, type[Command]] = {
    command.keyword: command
    for command in (
        Reorder, Interchange, Reverse, Shift, Skew, Wavefront, Map, Partition,
        Decompose, Split, Tile, Join, Wrap, Fuse, Distribute, Arrange, ComputeAt, Inline, Rfactor,
        Pack, StageCommand, Expand, Privatize,
        Unroll, UnrollAndJam, Vectorize, Parallelize, PrefetchCommand, Stream,
    )
}  # fmt: skip

NOT_AVAILABLE_YET = ("dot",)
"""Keywords of the schedule language that parse to an error that says so."""
