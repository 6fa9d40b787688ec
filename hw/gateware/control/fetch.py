"""Fetches a program and hands out its instructions in order."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.fifo import Fifo
from hw.gateware.signatures.interfaces import ReadReturn, read_request
from hw.isa import INSN_BYTES, PROGRAM_ALIGNMENT, READ_AHEAD_BYTES

__all__ = ["Fetch"]

_BLOCK_BYTES = PROGRAM_ALIGNMENT  # it is read in such blocks


class Fetch(wiring.Component):
    """Read the program ahead and emit its instructions.

    One that comes in parts is put together when the one before has been taken.

    Members
    -------
    start : pulse, with `program`, the byte offset of the first instruction
    stop : level, request nothing more
    req, ret : read bursts and their data
    o : instructions, bits[256]
    busy : 1, requested data has not arrived
    advances : see `hw.gateware.progress`

    Timing
    ------
    The first request comes two cycles after `start`, an instruction `LATENCY` cycles after the
    beat that completes it. One instruction per cycle, or one for its beats and a cycle more where
    it has several.

    Resources
    ---------
    A memory of `READ_AHEAD_BYTES`; a register for an instruction of several beats.
    """

    start: Signal
    program: Signal
    stop: Signal
    req: stream.Interface
    ret: wiring.PureInterface
    o: stream.Interface
    busy: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        #: Cycles from the beat that completes an instruction to the instruction.
        self.LATENCY = Fifo.LATENCY + (config.port.bytes < INSN_BYTES)
        super().__init__({
            "start": In(1), "program": In(config.port.address_bits), "stop": In(1),
            "req": Out(stream.Signature(read_request(config))),
            "ret": In(ReadReturn(config)),
            "o": Out(stream.Signature(8 * INSN_BYTES)),
            "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        port = config.port.bytes
        burst = min(config.port.burst_beats, max(1, _BLOCK_BYTES // port))
        depth = READ_AHEAD_BYTES // port

        running, addr = Signal(), Signal(config.offset_bits)
        space = Signal(range(depth + 1), init=depth)
        missing = Signal(range(depth + 1))
        asking, asks, sent = Signal(), Signal(), Signal()  # a burst is asked for; will be
        request = self.req.payload
        m.submodules.fifo = beats = Fifo(config.beat_bits, depth)
        popped = Signal()
        m.d.comb += [
            request.addr.eq(addr), request.beats.eq(burst),
            self.req.valid.eq(asking & ~self.stop),
            sent.eq(self.req.valid & self.req.ready),
            beats.w_en.eq(self.ret.valid), beats.w_data.eq(self.ret.data),
            popped.eq(beats.r_rdy & beats.r_en), self.busy.eq(missing.any()),
            self.advances.eq(beats.advances | sent | self.start | (asking ^ asks)
                             | (self.o.valid & self.o.ready)),
        ]
        m.d.sync += [space.eq(space + popped - Mux(sent, burst, 0)),
                     missing.eq(missing + Mux(sent, burst, 0) - self.ret.valid)]
        with m.If(sent):
            m.d.sync += addr.eq(addr + burst * port)
        with m.Else():  # what was sent a cycle ago has been subtracted
            m.d.comb += asks.eq(running & ~self.stop & (space >= burst))
        m.d.sync += asking.eq(asks)
        with m.If(self.start):
            m.d.sync += [running.eq(1), addr.eq(self.program)]

        if port >= INSN_BYTES:
            count = port // INSN_BYTES
            index = Signal(max(1, ceil_log2(count)))
            last = index == count - 1 if count > 1 else Const(1)
            m.d.comb += [
                self.o.valid.eq(beats.r_rdy),
                self.o.payload.eq(beats.r_data.word_select(index, 8 * INSN_BYTES)
                                  if count > 1 else beats.r_data),
                beats.r_en.eq(self.o.ready & last),
            ]
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += index.eq(Mux(last, 0, index + 1))
        else:
            count = INSN_BYTES // port
            index = Signal(range(count))
            parts = [Signal(config.beat_bits, name=f"part_{k}") for k in range(count)]
            full = Signal()
            m.d.comb += [self.o.payload.eq(Cat(*parts)), self.o.valid.eq(full),
                         beats.r_en.eq(~full)]
            with m.If(self.o.ready):
                m.d.sync += full.eq(0)
            with m.If(popped):
                m.d.sync += [index.eq(index + 1), full.eq(index == count - 1)]
                for k, part in enumerate(parts):
                    with m.If(index == k):
                        m.d.sync += part.eq(beats.r_data)
        return m
