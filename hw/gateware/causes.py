"""What a cycle of an instance counts for."""

from amaranth.hdl import Module, Mux, Signal, Value

from hw.isa import Cause

from .blocks import Blocks

__all__ = ["choose_cause"]


def choose_cause(m: Module, blocks: Blocks, *, idle: Value, port_wait: Value) -> Signal:
    """Choose one of the causes of a cycle.

    Parameters
    ----------
    idle : 1, no program runs
    port_wait : 1, a read request waits for the memory port
    """
    path, loader = blocks.path, blocks.loader
    cause = Signal(Cause)
    with m.If(idle):
        m.d.comb += cause.eq(Cause.IDLE)
    with m.Elif(path.fire):
        m.d.comb += cause.eq(Cause.COMPUTE)
    with m.Elif(path.starved):
        m.d.comb += cause.eq(Mux(port_wait, Cause.PORT, Cause.WEIGHTS))
    with m.Elif(path.acc_wait):
        m.d.comb += cause.eq(Cause.DRAIN)
    with m.Elif(loader.arrive):
        m.d.comb += cause.eq(Cause.BARRIER)
    with m.Elif(~path.compute_busy & ~loader.busy & (path.post_busy | blocks.storer.busy)):
        m.d.comb += cause.eq(Cause.DRAIN)
    with m.Else():
        m.d.comb += cause.eq(Mux(port_wait, Cause.PORT, Cause.ACTS))
    return cause
