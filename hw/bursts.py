"""Cuts a run of beats into bursts that AXI allows."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import Config, ceil_log2
from .interfaces import read_request

__all__ = ["BurstSplitter", "run_layout"]


def run_layout(config: Config, beats_bits: int) -> data.StructLayout:
    """A run of consecutive beats. Members: `addr` (of a beat), `beats` 1 or more, `mask`,
    `layer`."""
    return data.StructLayout({"addr": config.port.address_bits, "beats": beats_bits,
                              "mask": config.instances, "layer": 11})


class BurstSplitter(wiring.Component):
    """Request a run burst by burst, as long as its reader has room.

    Bursts end at multiples of `burst_beats` beats, so they never cross 4096 bytes.

    Parameters
    ----------
    config : Config
    beats_bits, space_bits : widths of a run's length and of `space`

    Members
    -------
    i : runs
    o : bursts
    space : beats that the reader has room for; the reader subtracts what is requested
    busy : 1
    """

    def __init__(self, config: Config, beats_bits: int, space_bits: int):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(run_layout(config, beats_bits))),
            "o": Out(stream.Signature(read_request(config))),
            "space": In(space_bits),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bits = ceil_log2(self._config.port.bytes)
        burst = self._config.port.burst_beats
        run = Signal.like(self.i.payload)
        active = Signal()
        room, now = Signal(ceil_log2(burst) + 1), Signal(ceil_log2(burst) + 1)
        request = self.o.payload
        # A burst is measured in one cycle and asked for from the next on.
        measured, size, last = Signal(), Signal.like(now), Signal()
        m.d.comb += [
            room.eq(burst - run.addr[beat_bits:beat_bits + ceil_log2(burst)]),
            now.eq(Mux(run.beats < room, run.beats, room)),
            request.addr.eq(run.addr), request.beats.eq(size),
            request.mask.eq(run.mask), request.layer.eq(run.layer),
            self.o.valid.eq(measured & (self.space >= size)),
            self.busy.eq(active),
        ]
        sent = Signal()
        m.d.comb += [sent.eq(self.o.valid & self.o.ready),
                     self.i.ready.eq(~active | (sent & last))]
        with m.If(active & ~measured):
            m.d.sync += [measured.eq(1), size.eq(now), last.eq(run.beats == now)]
        with m.If(sent):
            m.d.sync += [run.addr.eq(run.addr + (size << beat_bits)), measured.eq(0),
                         run.beats.eq(run.beats - size)]
            with m.If(last):
                m.d.sync += active.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [run.eq(self.i.payload), active.eq(1)]
        return m
