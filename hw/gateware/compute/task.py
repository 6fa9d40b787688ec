"""An instruction whose walk can begin."""

from dataclasses import dataclass

from amaranth.hdl import Signal
from amaranth.lib import data

__all__ = ["WalkTask"]


@dataclass(frozen=True)
class WalkTask:
    """An instruction, with what the walk over a plane is to know of it beforehand.

    Members
    -------
    insn : the instruction
    row_step : words or accumulators from one row of outputs to the next
    origin : address of what the first output begins with
    top, left : its position
    """

    insn: data.View
    row_step: Signal
    origin: Signal
    top: Signal
    left: Signal
