"""A reader's beats, in space that is reserved before they are asked for."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream

from hw.gateware.parts.fifo import Fifo

from .bursts import BurstSplitter

__all__ = ["keep_returns"]


def keep_returns(m: Module, depth: int, bursts: BurstSplitter, req: stream.Interface,
                 valid: Value, beat: Value) -> tuple[Fifo, Signal]:
    """Put what returns into a FIFO, the submodule `fifo` of `m`; tell `bursts` of its space.

    Parameters
    ----------
    depth : int
        Beats that the FIFO holds.
    req : read bursts as the port takes them
    valid, beat : what returns of them, and what is kept of it

    Returns
    -------
    The FIFO, and its space that nothing is reserved for.
    """
    space = Signal(range(depth + 1), init=depth)
    m.submodules.fifo = beats = Fifo(len(beat), depth)
    popped, sent = Signal(), Signal()
    m.d.comb += [beats.w_en.eq(valid), beats.w_data.eq(beat), bursts.space.eq(space),
                 popped.eq(beats.r_rdy & beats.r_en), sent.eq(req.valid & req.ready)]
    with m.If(sent):
        m.d.sync += space.eq(space - req.payload.beats + popped)
    with m.Elif(popped):
        m.d.sync += space.eq(space + 1)
    return beats, space
