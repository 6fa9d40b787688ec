"""Keeps every memory access of an instance inside its window."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .config import Config, ceil_log2
from .interfaces import read_request, write_data, write_request
from .ports import port_request

__all__ = ["ReadGate", "WriteGate"]


def _outside(config, request, window_bytes):
    """1 if the burst ends beyond the window."""
    end = request.addr + (request.beats << ceil_log2(config.port.bytes))
    return window_bytes < end  # not `>`: Yosys makes that of a subtraction and a comparison


class ReadGate(wiring.Component):
    """Check one channel's read bursts and add the window's base.

    One is taken when the one before has gone, not as it goes: what the fabric decides ends here.

    Members
    -------
    i : read bursts at offsets from the window
    o : checked bursts at absolute addresses, a cycle later
    base, window_bytes : the window
    outside : 1, the burst in hand leaves the window; it is not passed on
    layer : of that burst
    busy : 1
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(read_request(config))),
            "o": Out(stream.Signature(port_request(config))),
            "base": In(config.port.address_bits),
            "window_bytes": In(config.port.address_bits + 1),
            "outside": Out(1), "layer": Out(11), "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        held, valid, outside = Signal(self.o.payload.shape()), Signal(), Signal()
        m.d.comb += [
            self.outside.eq(valid & outside), self.layer.eq(held.layer), self.busy.eq(valid),
            self.o.valid.eq(valid & ~outside), self.o.payload.eq(held),
            self.i.ready.eq(~valid),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(self.i.payload), held.addr.eq(self.i.payload.addr + self.base),
                         outside.eq(_outside(self._config, self.i.payload, self.window_bytes)),
                         valid.eq(1)]
        return m


class WriteGate(wiring.Component):
    """Check write bursts, and complete those already granted if the instance stops.

    Members
    -------
    i, i_data : write bursts at offsets, and their beats
    o, o_data : at absolute addresses, a cycle later
    halt : level; what is still owed to granted bursts is sent with no strobe set
    base, window_bytes : the window
    outside : 1, the burst in hand leaves the window; it is held back
    layer : of that burst
    owed : 1, a burst is in hand or beats of granted ones are still to come
    """

    def __init__(self, config: Config):
        self._config = config
        data = stream.Signature(write_data(config))
        super().__init__({
            "i": In(stream.Signature(write_request(config))), "i_data": In(data),
            "o": Out(stream.Signature(port_request(config))), "o_data": Out(data),
            "halt": In(1), "base": In(config.port.address_bits),
            "window_bytes": In(config.port.address_bits + 1),
            "outside": Out(1), "layer": Out(11), "owed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        held, valid, outside = Signal(self.o.payload.shape()), Signal(), Signal()
        owed = Signal(16)
        granted, sent = Signal(), Signal()
        m.d.comb += [
            self.outside.eq(valid & outside), self.layer.eq(held.layer),
            self.o.valid.eq(valid & ~outside & ~self.halt), self.o.payload.eq(held),
            granted.eq(self.o.valid & self.o.ready), self.i.ready.eq(~valid),
            self.owed.eq(owed.any() | valid),
            self.o_data.valid.eq(owed.any() & (self.i_data.valid | self.halt)),
            self.o_data.payload.data.eq(self.i_data.payload.data),
            self.o_data.payload.strb.eq(Mux(self.halt, 0, self.i_data.payload.strb)),
            self.i_data.ready.eq(self.o_data.ready & owed.any()),
            sent.eq(self.o_data.valid & self.o_data.ready),
        ]
        with m.If(granted | self.halt):
            m.d.sync += valid.eq(0)
        with m.If(self.i.valid & self.i.ready & ~self.halt):
            request = self.i.payload
            m.d.sync += [held.addr.eq(request.addr + self.base), held.beats.eq(request.beats),
                         held.layer.eq(request.layer), valid.eq(1),
                         outside.eq(_outside(self._config, request, self.window_bytes))]
        m.d.sync += owed.eq(owed + Mux(granted, held.beats, 0) - sent)
        return m
