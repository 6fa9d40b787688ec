"""A stream cut by registers both ways."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RegisterSlice"]


class RegisterSlice(wiring.Component):
    """Pass a stream on so that neither side's signals reach the other within a cycle.

    Parameters
    ----------
    shape : shape of the payload

    Members
    -------
    i, o : the stream
    any : 1, something is within

    Timing: a word is there a cycle later; one word per cycle.
    """

    def __init__(self, shape):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)),
                          "any": Out(1)})

    def elaborate(self, platform):
        m = Module()
        # A word that comes as the one before cannot leave waits behind it.
        first, second = (Signal.like(self.o.payload, name=name, reset_less=True)
                         for name in ("first", "second"))
        there, behind = Signal(), Signal()
        m.d.comb += [self.i.ready.eq(~behind), self.o.valid.eq(there), self.o.payload.eq(first),
                     self.any.eq(there)]
        with m.If(~there | self.o.ready):
            m.d.sync += [there.eq(behind | self.i.valid), behind.eq(0)]
            with m.If(behind):
                m.d.sync += first.eq(second)
            with m.Elif(self.i.valid):
                m.d.sync += first.eq(self.i.payload)
        with m.Elif(self.i.valid & ~behind):
            m.d.sync += [behind.eq(1), second.eq(self.i.payload)]
        return m
