"""Streams weights and parameters from external memory, far ahead of their use."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.countdown import Countdown
from hw.gateware.parts.fifo import Fifo, Relay
from hw.gateware.signatures.interfaces import (
    Done,
    ReadReturn,
    UnitFault,
    chunk_layout,
    completion,
    insn_stream,
    need_layout,
    read_request,
)
from hw.isa import ErrorCode, Opcode

from .bursts import BurstSplitter
from .returns import keep_returns

__all__ = ["SEGMENTS", "WeightFetch"]

#: WEIGHTS instructions between request and use.
SEGMENTS = 4
_ROWS = 64  # rows of weights between request and arrival, where zeros are skipped


class WeightFetch(wiring.Component):
    """Fetch the streams of WEIGHTS instructions, one after the other without a gap.

    The FIFO's space is reserved before a burst is requested, so returning data never waits.
    Where zeros are skipped, an instruction with `row_beats` fetches the rows that `needs` asks
    for, between the instructions before and after it.

    Members
    -------
    i : WEIGHTS instructions
    req, ret : read bursts and their data
    chunks : the weight stream, one chunk per cycle, from registers
    needs : live inputs whose rows are wanted, and the end of a table's
    rows : beats of those rows
    release : taken when no more of a table's rows are to come
    done : an instruction's last beat has arrived, a cycle ago
    fault : a `UnitFault`
    busy : 1, something is still to arrive
    advances : see `hw.gateware.progress`

    Two queues tell what the beats of the one FIFO belong to as they come and as they go::

        i ---> bursts ----> req        ret ---> fifo ---> relay ---> chunks
         |       ^------ space           |       | `--> rows
         |-- arriving --> count beats <--'       |
         |                   `--> done           |
         `-- using -----> count chunks ----------'

    Timing
    ------
    One chunk per cycle, `LATENCY` cycles after its beat has come; an instruction's end costs
    nothing, as the next is there before its first beat.

    Resources
    ---------
    A memory of `weight_fifo_beats` beats, and two of `SEGMENTS` instructions' lengths.
    """

    #: Cycles from a beat to its first chunk.
    LATENCY = Fifo.LATENCY + Relay.LATENCY

    i: stream.Interface
    req: stream.Interface
    ret: wiring.PureInterface
    chunks: stream.Interface
    needs: stream.Interface
    rows: stream.Interface
    release: stream.Interface
    done: wiring.PureInterface
    fault: wiring.PureInterface
    busy: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        skipping = {"needs": In(stream.Signature(need_layout(config))),
                    "rows": Out(stream.Signature(unsigned(config.beat_bits))),
                    "release": In(stream.Signature(unsigned(0)))}
        super().__init__({
            "i": In(insn_stream(Opcode.WEIGHTS, config)),
            "req": Out(stream.Signature(read_request(config))),
            "ret": In(ReadReturn(config)),
            "chunks": Out(stream.Signature(chunk_layout(config))),
            **(skipping if config.array.zero_skip else {}),
            "done": Out(Done(Opcode.WEIGHTS)), "fault": Out(UnitFault()),
            "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        depth = config.buffers.weight_fifo_beats
        m.submodules.bursts = bursts = BurstSplitter(config, config.port.address_bits, depth)
        skipping = config.array.zero_skip
        if not skipping:
            wiring.connect(m, bursts.o, wiring.flipped(self.req))
        beats, space = keep_returns(m, depth, bursts, self.req, self.ret.valid, self.ret.data)

        # one entry per instruction for the arriving side, one for the consuming side
        insn = self.i.payload
        length = config.port.address_bits
        total_beats = Signal(length)
        m.d.comb += total_beats.eq((insn.chunks + (config.beat_chunks - 1)) >> ceil_log2(
            config.beat_chunks))
        m.submodules.arriving = arriving = Fifo(
            length + len(completion(insn)), _ROWS if skipping else SEGMENTS)
        m.submodules.using = using = Fifo(length + skipping, SEGMENTS)
        accept = Signal()
        expected = Cat(total_beats, completion(insn))
        m.d.comb += [
            self.i.ready.eq(accept),
            bursts.i.payload.addr.eq(self._stream_start), bursts.i.payload.beats.eq(total_beats),
            bursts.i.payload.mask.eq(insn.mask), bursts.i.payload.layer.eq(insn.layer),
            using.w_en.eq(accept),
        ]
        room = self.i.valid & arriving.w_rdy & using.w_rdy
        choosing = Signal()  # rows are chosen by live inputs
        if skipping:
            rows = self._rows(m, bursts, accept, choosing, space, arriving)
            chosen = insn.row_beats.any()
            m.d.comb += [
                accept.eq(room & ~choosing & Mux(chosen, ~bursts.busy, bursts.i.ready)),
                bursts.i.valid.eq(accept & ~chosen),
                arriving.w_en.eq((accept & ~chosen) | rows), using.w_data.eq(
                    Cat(insn.chunks, chosen)),
                arriving.w_data.eq(Mux(choosing, self._row_expected(len(expected)), expected)),
            ]
        else:
            m.d.comb += [accept.eq(room & bursts.i.ready), bursts.i.valid.eq(accept),
                         arriving.w_en.eq(accept), arriving.w_data.eq(expected),
                         using.w_data.eq(insn.chunks)]

        beats_left = Countdown(m, "beat", total_beats)
        expecting, done_info = Signal(), Signal.like(completion(insn))
        last_beat = Signal()
        m.d.comb += last_beat.eq(self.ret.valid & beats_left.last)
        m.d.sync += self.done.valid.eq(last_beat)
        with m.If(last_beat):
            m.d.sync += completion(self.done).eq(done_info)
        self._take_up(m, arriving, beats_left, self.ret.valid, last_beat, expecting, done_info)

        self._hand_out(m, beats, using)
        m.d.comb += [
            self.busy.eq(arriving.any | expecting | bursts.busy | choosing | self.done.valid),
            self.fault.layer.eq(done_info[-len(insn.layer):]),
            self.advances.eq(accept | Cat(x.advances for x in (
                bursts, beats, arriving, using, m.submodules.relay)).any())]
        if skipping:
            with m.If(rows | Cat(x.valid & x.ready for x in (self.needs, self.release)).any()):
                m.d.comb += self.advances.eq(1)
        with m.If(self.ret.valid & self.ret.error):
            m.d.comb += self.fault.code.eq(ErrorCode.BUS_ERROR)
        return m

    def _hand_out(self, m: Module, beats: Fifo, using: Fifo) -> None:
        """Hand out chunks, lowest first, and drop what is left of a stream's last beat. They go
        through registers, so that nothing here depends on who takes them within a cycle."""
        config, skipping = self._config, self._config.array.zero_skip
        per_beat = config.beat_chunks
        m.submodules.relay = relay = Relay(chunk_layout(config))
        wiring.connect(m, relay.o, wiring.flipped(self.chunks))
        chunks_left, handing = Countdown(m, "chunk", self.i.payload.chunks), Signal()
        handing_rows = Signal()
        part = Signal(range(max(2, per_beat)))
        take, end = Signal(), Signal()
        m.d.comb += [
            relay.i.valid.eq(beats.r_rdy & handing & ~handing_rows),
            relay.i.payload.eq(
                beats.r_data.word_select(part[:ceil_log2(per_beat)], 8 * config.chunk_bytes)
                if per_beat > 1 else beats.r_data),
            take.eq(relay.i.valid & relay.i.ready),
            end.eq(chunks_left.last),
            beats.r_en.eq(take & (end | (part == per_beat - 1))),
        ]
        over = take & end
        if skipping:
            m.d.comb += [self.rows.valid.eq(beats.r_rdy & handing & handing_rows),
                         self.rows.payload.eq(beats.r_data),
                         self.release.ready.eq(handing & handing_rows)]
            with m.If(self.rows.valid):
                m.d.comb += beats.r_en.eq(self.rows.ready)
            over = over | (self.release.valid & self.release.ready)
        with m.If(take):
            m.d.sync += part.eq(part + 1)
            with m.If(part == per_beat - 1):
                m.d.sync += part.eq(0)
            with m.If(end):
                m.d.sync += part.eq(0)
        self._take_up(m, using, chunks_left, take, over, handing,
                      handing_rows if skipping else None)

    def _take_up(self, m: Module, queue: Fifo, left: Countdown, steps: Value, ends: Value,
                 expecting: Signal, info: Signal | None = None) -> None:
        """Take up an entry as soon as the one before is done, long before its first beat: its
        length, which `left` counts down, and above it `info`."""
        length = self._config.port.address_bits
        with m.If(steps):
            left.step()
        m.d.comb += queue.r_en.eq(ends | ~expecting)
        with m.If(queue.r_en):
            m.d.sync += expecting.eq(queue.r_rdy)
        with m.If(queue.r_en & queue.r_rdy):  # waiting for one clocks nothing else
            left.load(queue.r_data[:length])
            if info is not None:
                m.d.sync += info.eq(queue.r_data[length:])

    def _rows(self, m: Module, bursts: BurstSplitter, accept: Value, choosing: Signal,
              space: Value, arriving: Fifo) -> Signal:
        """Request the rows that `needs` names; return 1, one is requested."""
        beat_bits, insn = ceil_log2(self._config.port.bytes), self.i.payload
        address, table = Signal(self._config.offset_bits), Signal(len(self._stream_start))
        beats, layer = Signal.like(insn.row_beats), Signal(11)
        have, sent = Signal(), Signal()
        need = self.needs.payload
        # rows lie at distances of a power of two
        steps = [need.index << beat_bits]
        for k in range(ceil_log2(self._config.row_beats)):
            steps.append(Mux(beats > 1 << k, need.index << (beat_bits + k + 1), steps[-1]))
        m.d.comb += [
            sent.eq(self.req.valid & self.req.ready & choosing),
            self.needs.ready.eq(choosing & (~have | (sent & ~need.end))),
        ]
        with m.If(choosing):
            m.d.comb += [
                self.req.valid.eq(have & (space >= beats) & arriving.w_rdy),
                self.req.payload.addr.eq(address), self.req.payload.beats.eq(beats),
                self.req.payload.layer.eq(layer),
            ]
        with m.Else():
            m.d.comb += [self.req.valid.eq(bursts.o.valid), self.req.payload.eq(bursts.o.payload),
                         bursts.o.ready.eq(self.req.ready)]
        with m.If(sent):
            m.d.sync += have.eq(0)
        place = table + steps[-1]
        with m.If(self.needs.valid & self.needs.ready):
            m.d.sync += [address.eq(Cat(place[:len(table)], place[len(table):].any())),
                         have.eq(~need.end), choosing.eq(~need.end)]
        with m.If(accept & insn.row_beats.any()):
            m.d.sync += [choosing.eq(1), table.eq(self._stream_start), beats.eq(insn.row_beats),
                         layer.eq(insn.layer)]
        return sent

    def _row_expected(self, bits: int) -> Value:
        """What is to be known of a row as it arrives: its beats and whose it is; with it, nothing
        ends that is to be told."""
        row = self.req.payload
        return Cat(row.beats, Const(0, bits - len(row.beats) - len(row.layer)), row.layer)

    @property
    def _stream_start(self) -> Value:
        """Address of the instruction at `i`: its lowest bits, which are zero, are not passed on."""
        return Cat(Const(0, ceil_log2(self._config.port.bytes)), self.i.payload.ext_addr)
