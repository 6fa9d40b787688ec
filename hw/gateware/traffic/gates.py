"""Keeps every memory access of an instance inside its window."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.fifo import Relay
from hw.gateware.signatures.interfaces import read_request, write_data, write_request
from hw.gateware.signatures.ports import port_request

__all__ = ["ReadGate", "WriteGate"]


def _outside(config: Config, request: data.View, window_bytes: Value) -> Value:
    """1 if the burst ends beyond the window."""
    end = request.addr + (request.beats << ceil_log2(config.port.bytes))
    return window_bytes < end  # not `>`: Yosys makes that of a subtraction and a comparison


class ReadGate(wiring.Component):
    """Check one channel's read bursts and add the window's base.

    One is taken as the one before has gone. Of one that has, `o.ready` tells although the gate was
    reset in the cycle before, and `beats` is still its length.

    Members
    -------
    i : read bursts at offsets from the window
    o : checked bursts at absolute addresses, a cycle later
    base, window_bytes : the window
    outside : 1, the burst in hand leaves the window; it is not passed on
    layer : of that burst
    beats : of the last burst
    busy : 1
    advances : see `hw.gateware.progress`

    Timing
    ------
    One burst per cycle, `LATENCY` later.

    Resources
    ---------
    Two adders of an address; registers of a burst.
    """

    #: Cycles from a taken burst to the checked one.
    LATENCY = 1

    beats: Signal
    i: stream.Interface
    o: stream.Interface
    base: Signal
    window_bytes: Signal
    outside: Signal
    layer: Signal
    busy: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "beats": Out(ceil_log2(config.port.burst_beats) + 1),
            "i": In(stream.Signature(read_request(config))),
            "o": Out(stream.Signature(port_request(config))),
            "base": In(config.port.address_bits),
            "window_bytes": In(config.offset_bits),
            "outside": Out(1), "layer": Out(11), "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        held = Signal(self.o.payload.shape(), reset_less=True)
        valid, outside = Signal(), Signal()
        m.d.comb += [
            self.outside.eq(valid & outside), self.layer.eq(held.layer), self.busy.eq(valid),
            self.o.valid.eq(valid & ~outside), self.o.payload.eq(held), self.beats.eq(held.beats),
            self.i.ready.eq(~valid | self.o.ready),
            self.advances.eq(self.o.ready | (self.i.valid & self.i.ready)),
        ]
        with m.If(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            request = self.i.payload
            m.d.sync += [held.addr.eq(request.addr + self.base), held.beats.eq(request.beats),
                         held.mask.eq(request.mask), held.several.eq(request.mask.any()),
                         held.layer.eq(request.layer), valid.eq(1),
                         outside.eq(_outside(self._config, request, self.window_bytes))]
        return m


class WriteGate(wiring.Component):
    """Check write bursts, and complete those already granted if the instance stops.

    Members
    -------
    i, i_data : write bursts at offsets, and their beats
    o, o_data : at absolute addresses, a cycle later; of a request that was taken `o.ready` tells
        although the instance has stopped meanwhile
    halt : level; what is still owed to granted bursts is sent with no strobe set
    base, window_bytes : the window
    outside : 1, the burst in hand leaves the window; it is held back
    layer : of that burst
    owed : 1, a burst is in hand or beats of a granted one are still to come
    advances : see `hw.gateware.progress`

    Timing
    ------
    One burst in two cycles, one beat per cycle, each `LATENCY` later.

    Resources
    ---------
    Two adders of an address; registers of a burst and of two beats.
    """

    #: Cycles from a taken burst to the checked one, and from a beat to it.
    LATENCY = 1

    i: stream.Interface
    i_data: stream.Interface
    o: stream.Interface
    o_data: stream.Interface
    halt: Signal
    base: Signal
    window_bytes: Signal
    outside: Signal
    layer: Signal
    owed: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        beat = stream.Signature(write_data(config))
        super().__init__({
            "i": In(stream.Signature(write_request(config))), "i_data": In(beat),
            "o": Out(stream.Signature(port_request(config))), "o_data": Out(beat),
            "halt": In(1), "base": In(config.port.address_bits),
            "window_bytes": In(config.offset_bits),
            "outside": Out(1), "layer": Out(11), "owed": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        held, valid, outside = Signal(self.o.payload.shape()), Signal(), Signal()
        # Of one burst at most: the next is granted when its beats have been sent.
        owed, owes, after = (Signal(n) for n in (len(held.beats), 1, len(held.beats)))
        sent = Signal()
        m.submodules.relay = out = Relay(self.o_data.payload.shape())
        wiring.connect(m, out.o, wiring.flipped(self.o_data))
        m.d.comb += [
            self.outside.eq(valid & outside), self.layer.eq(held.layer),
            self.o.valid.eq(valid & ~outside), self.o.payload.eq(held),
            self.i.ready.eq(~valid), self.owed.eq(owes | valid | out.o.valid),
            out.i.valid.eq(owes & (self.i_data.valid | self.halt)),
            out.i.payload.data.eq(self.i_data.payload.data),
            out.i.payload.strb.eq(Mux(self.halt, 0, self.i_data.payload.strb)),
            self.i_data.ready.eq(out.i.ready & owes), sent.eq(out.i.valid & out.i.ready),
            after.eq(owed + Mux(self.o.ready, held.beats, 0) - sent),
            self.advances.eq(self.o.ready | out.advances | (self.i.valid & self.i.ready)),
        ]
        m.d.sync += [owed.eq(after), owes.eq(after.any())]
        with m.If(self.o.ready | self.halt):
            m.d.sync += valid.eq(0)
        with m.If(self.i.valid & self.i.ready & ~self.halt):
            request = self.i.payload
            m.d.sync += [held.addr.eq(request.addr + self.base), held.beats.eq(request.beats),
                         held.layer.eq(request.layer), valid.eq(1),
                         outside.eq(_outside(self._config, request, self.window_bytes))]
        return m
