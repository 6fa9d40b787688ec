"""Streams weights and parameters from external memory, far ahead of their use."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from .bursts import BurstSplitter
from .config import Config, ceil_log2
from .interfaces import Done, ReadReturn, chunk_layout, insn_stream, read_request
from .isa import Opcode

__all__ = ["WeightFetch"]

_SEGMENTS = 4  # WEIGHTS instructions between request and use


class WeightFetch(wiring.Component):
    """Fetch the streams of WEIGHTS instructions, one after the other without a gap.

    The FIFO's space is reserved before a burst is requested, so returning data never waits.

    Members
    -------
    i : WEIGHTS instructions
    req, ret : read bursts and their data
    chunks : the weight stream, one chunk per cycle
    done : an instruction's last beat has arrived
    busy : 1, something is still to arrive
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(insn_stream(Opcode.WEIGHTS)),
            "req": Out(stream.Signature(read_request(config))),
            "ret": In(ReadReturn(config)),
            "chunks": Out(stream.Signature(chunk_layout(config))),
            "done": Out(Done()),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        depth = config.buffers.weight_fifo_beats
        per_beat = config.beat_chunks
        per_bits = ceil_log2(per_beat)

        space = Signal(range(depth + 1), init=depth)
        m.submodules.bursts = bursts = BurstSplitter(config, len(space))
        wiring.connect(m, bursts.o, wiring.flipped(self.req))
        m.submodules.fifo = beats = fifo.SyncFIFOBuffered(width=config.beat_bits, depth=depth)
        m.d.comb += [beats.w_en.eq(self.ret.valid), beats.w_data.eq(self.ret.data),
                     bursts.space.eq(space)]
        popped, sent = Signal(), Signal()
        m.d.comb += [popped.eq(beats.r_rdy & beats.r_en), sent.eq(self.req.valid & self.req.ready)]
        with m.If(sent):
            m.d.sync += space.eq(space - self.req.payload.beats + popped)
        with m.Elif(popped):
            m.d.sync += space.eq(space + 1)

        # one entry per instruction for the arriving side, one for the consuming side
        insn = self.i.payload
        total_beats = Signal(32)
        m.d.comb += total_beats.eq((insn.chunks + (per_beat - 1)) >> per_bits)
        m.submodules.arriving = arriving = fifo.SyncFIFOBuffered(width=32 + 20, depth=_SEGMENTS)
        m.submodules.using = using = fifo.SyncFIFOBuffered(width=32, depth=_SEGMENTS)
        accept = Signal()
        m.d.comb += [
            accept.eq(self.i.valid & bursts.i.ready & arriving.w_rdy & using.w_rdy),
            self.i.ready.eq(accept), bursts.i.valid.eq(accept),
            bursts.i.payload.addr.eq(insn.ext_addr), bursts.i.payload.beats.eq(total_beats),
            bursts.i.payload.mask.eq(insn.mask), bursts.i.payload.layer.eq(insn.layer),
            arriving.w_en.eq(accept),
            arriving.w_data.eq(Cat(total_beats, insn.signal, insn.mark, insn.layer)),
            using.w_en.eq(accept), using.w_data.eq(insn.chunks),
        ]

        arrived = Signal(32)
        last_beat = Signal()
        m.d.comb += [
            last_beat.eq(self.ret.valid & (arrived == arriving.r_data[:32] - 1)),
            arriving.r_en.eq(last_beat),
            self.done.valid.eq(last_beat),
            Cat(self.done.signal, self.done.mark, self.done.layer).eq(arriving.r_data[32:]),
        ]
        with m.If(self.ret.valid):
            m.d.sync += arrived.eq(arrived + 1)
            with m.If(last_beat):
                m.d.sync += arrived.eq(0)

        # hand out chunks, lowest first, and drop what is left of a stream's last beat
        used = Signal(32)
        part = Signal(range(max(2, per_beat)))
        take, end = Signal(), Signal()
        m.d.comb += [
            self.chunks.valid.eq(beats.r_rdy & using.r_rdy),
            self.chunks.payload.eq(
                beats.r_data.word_select(part[:per_bits], 8 * config.chunk_bytes)
                if per_beat > 1 else beats.r_data),
            take.eq(self.chunks.valid & self.chunks.ready),
            end.eq(used == using.r_data - 1),
            beats.r_en.eq(take & (end | (part == per_beat - 1))),
            using.r_en.eq(take & end),
        ]
        with m.If(take):
            m.d.sync += [used.eq(used + 1), part.eq(part + 1)]
            with m.If(part == per_beat - 1):
                m.d.sync += part.eq(0)
            with m.If(end):
                m.d.sync += [used.eq(0), part.eq(0)]
        m.d.comb += self.busy.eq(arriving.level.any() | bursts.busy)
        return m
