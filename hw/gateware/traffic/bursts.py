"""Cuts a run of beats into bursts that AXI allows."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.signatures.interfaces import read_request

__all__ = ["BurstSplitter"]


def run_layout(config: Config, beats_bits: int) -> data.StructLayout:
    """A run of consecutive beats. Members: `addr` (of a beat), `beats` 1 or more, `mask`,
    `layer`."""
    return data.StructLayout({"addr": config.offset_bits, "beats": beats_bits,
                              "mask": config.instances, "layer": 11})


class BurstSplitter(wiring.Component):
    """Request a run burst by burst, as long as its reader has room.

    Bursts end at multiples of `burst_beats` beats, so they never cross 4096 bytes. One is
    measured in a cycle and asked for from the next on, or from a later one where room is scarce:
    a burst in two cycles, and the next run is taken while a run's last burst is asked for.

    Parameters
    ----------
    config : Config
    beats_bits : width of a run's length
    depth : int
        Beats that its reader can hold.

    Members
    -------
    i : runs; whether one is taken is a register
    o : bursts; whether one is asked for is a register
    space : beats that the reader has room for; from the cycle after a burst was taken on, that
        burst is subtracted
    busy : 1
    advances : see `hw.gateware.progress`

    Timing
    ------
    A burst in two cycles; a run's first is asked for `LATENCY` cycles after the run was taken,
    where there is room for two.

    Resources
    ---------
    Adders of an address and of a run's length.
    """

    #: Cycles from a taken run to its first burst.
    LATENCY = 2

    i: stream.Interface
    o: stream.Interface
    space: Signal
    busy: Signal
    advances: Signal

    def __init__(self, config: Config, beats_bits: int, depth: int):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(run_layout(config, beats_bits))),
            "o": Out(stream.Signature(read_request(config))),
            "space": In(range(depth + 1)),
            "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        beat_bits = ceil_log2(self._config.port.bytes)
        burst = self._config.port.burst_beats
        burst_bits = ceil_log2(burst)
        run = Signal.like(self.i.payload)  # what is not yet measured of it
        active = Signal()
        room, last = Signal(burst_bits + 1), Signal()  # beats to the end of a burst
        request = Signal.like(self.o.payload)
        measured, fits, plenty = Signal(), Signal(), Signal()
        m.d.comb += [
            last.eq(~(room < run.beats)),
            self.o.payload.eq(request), self.o.valid.eq(fits),
            self.busy.eq(active | measured), self.i.ready.eq(~active),
            self.advances.eq((self.i.valid & ~active) | (active & ~measured)
                             | (fits & self.o.ready)),
        ]
        # Room for another burst than the one that may have been taken a cycle ago.
        m.d.sync += plenty.eq(self.space >= 2 * burst)
        with m.If(self.i.valid & ~active):
            index = self.i.payload.addr[beat_bits:beat_bits + burst_bits]
            m.d.sync += [run.eq(self.i.payload), active.eq(1), room.eq(burst - index)]
        with m.If(active & ~measured):
            rest = run.addr[beat_bits + burst_bits:] + 1
            m.d.sync += [
                request.addr.eq(run.addr), request.mask.eq(run.mask), request.layer.eq(run.layer),
                request.beats.eq(Mux(last, run.beats, room)), measured.eq(1), fits.eq(plenty),
                run.addr.eq(Cat(Const(0, beat_bits + burst_bits), rest)),
                run.beats.eq(run.beats - room), room.eq(burst), active.eq(~last)]
        with m.Elif(fits):
            with m.If(self.o.ready):
                m.d.sync += [measured.eq(0), fits.eq(0)]
        with m.Elif(measured):
            m.d.sync += fits.eq(self.space >= request.beats)
        return m
