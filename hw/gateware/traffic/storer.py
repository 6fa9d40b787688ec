"""Store unit: activations to external memory."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.countdown import Countdown
from hw.gateware.parts.credits import Credits
from hw.gateware.parts.delay import delay
from hw.gateware.parts.fifo import Fifo
from hw.gateware.signatures.interfaces import (
    ActRead,
    Done,
    UnitFault,
    WriteReturn,
    completion,
    insn_stream,
    write_data,
    write_request,
)
from hw.isa import ErrorCode, Opcode

from .actmem import ActMemory, beyond
from .loader import beat_geometry
from .runs import step_runs

__all__ = ["Storer"]

#: Words between reading and packing: as many as there are cycles or more.
READ_AHEAD = 8
_REQUESTS = 4  # bursts that wait for the port
_BURSTS = 16  # bursts without an acknowledgement


class Storer(wiring.Component):
    """Copy runs of words out of the activation memory.

    A burst is requested only when all of its data is in the FIFO, so it never stalls the port.
    Beats that a run covers in part are written with byte strobes.

    Members
    -------
    i : STORE instructions, their tokens taken
    acts : read port of the activation memory
    req, data : write bursts, and their beats in the same order
    ret : a pulse for each burst that the memory acknowledged
    done : the instruction's last burst has been acknowledged
    fault : a `UnitFault`
    busy : 1
    advances : see `hw.gateware.progress`

    Timing
    ------
    One word per cycle, asked for from a register; a beat is offered `LATENCY` cycles after the
    read of the word that completes it was taken. An instruction is taken up when the one before
    has been read, not as it is; `done` comes in the cycle after the acknowledgement.

    Resources
    ---------
    Memories of two bursts of beats with their strobes, in block RAM, of `READ_AHEAD` words, of 4
    requests and of 16 bursts that wait for their acknowledgement.
    """

    #: Cycles from a taken read to its beat.
    LATENCY = ActMemory.STORE_LATENCY + Fifo.LATENCY + 1 + Fifo.LATENCY

    i: stream.Interface
    acts: wiring.PureInterface
    req: stream.Interface
    data: stream.Interface
    ret: wiring.PureInterface
    done: wiring.PureInterface
    fault: wiring.PureInterface
    busy: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(insn_stream(Opcode.STORE, config)),
            "acts": Out(ActRead(config)),
            "req": Out(stream.Signature(write_request(config))),
            "data": Out(stream.Signature(write_data(config))),
            "ret": In(WriteReturn()),
            "done": Out(Done(Opcode.STORE)), "fault": Out(UnitFault()),
            "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        reads = self._read(m)
        words = reads.words
        config = self._config
        burst, beat_bits = config.port.burst_beats, ceil_log2(config.port.bytes)
        addr, told, popped = words.info.addr, words.info.done, words.popped

        # -- pack words into beats -------------------------------------------------------------
        # A beat is in registers when it is complete, and moves on in the next cycle.
        m.submodules.beats = beats = Fifo(
            config.beat_bits + config.port.bytes, 2 * burst, block=True)
        m.submodules.requests = requests = Fifo(len(self.req.payload.as_value()), _REQUESTS)
        m.submodules.bursts = bursts = Fifo(1 + len(told), _BURSTS)
        step, beat_end, burst_end = Signal(), Signal(), Signal()
        push, closes = Signal(), Signal()  # a complete beat is in the registers; a burst's last
        acknowledged, refused = Signal(), Signal()
        m.d.sync += [push.eq(step & beat_end), closes.eq(burst_end),
                     acknowledged.eq(self.ret.valid), refused.eq(self.ret.valid & self.ret.error)]
        room = [Credits(m, 2 * burst, take=step & beat_end, give=beats.r_rdy & beats.r_en),
                Credits(m, _REQUESTS, take=step & beat_end & burst_end,
                        give=requests.r_rdy & requests.r_en),
                Credits(m, _BURSTS, take=step & beat_end & burst_end, give=acknowledged)]
        m.d.comb += step.eq(words.queue.r_rdy & Cat(c.some for c in room).all())
        _, spans, _ = beat_geometry(config)
        pack = self._gather if spans == 1 else self._cut
        beat, strobes, beat_addr = pack(m, words, step, beat_end, burst_end)
        m.d.comb += popped.eq(words.queue.r_rdy & words.queue.r_en)
        place, closing = Signal(len(addr) - beat_bits), Signal.like(told)
        end = Signal()
        with m.If(step):
            m.d.sync += [place.eq(beat_addr), closing.eq(told),
                         end.eq(words.info.insn_end & (popped if spans > 1 else 1))]
        start = Signal.like(place)  # of the open burst
        count = Signal(ceil_log2(burst) + 1)  # its beats so far
        begins = Signal(init=1)  # it has none
        request = Signal(self.req.payload.shape())
        m.d.comb += [
            beats.w_en.eq(push), beats.w_data.eq(Cat(beat, strobes)),
            requests.w_en.eq(push & closes),
            request.addr.eq(Cat(Const(0, beat_bits), Mux(begins, place, start))),
            request.beats.eq(count + 1), request.layer.eq(closing[-len(request.layer):]),
            requests.w_data.eq(request),
            bursts.w_en.eq(push & closes), bursts.w_data.eq(Cat(end, closing)),
        ]
        with m.If(push):
            m.d.sync += [count.eq(Mux(closes, 0, count + 1)), begins.eq(closes)]
            with m.If(begins):
                m.d.sync += start.eq(place)

        # -- to the port, and back -------------------------------------------------------------
        m.d.comb += [
            self.req.valid.eq(requests.r_rdy), self.req.payload.eq(requests.r_data),
            requests.r_en.eq(self.req.ready),
            self.data.valid.eq(beats.r_rdy), self.data.payload.eq(beats.r_data),
            beats.r_en.eq(self.data.ready),
            bursts.r_en.eq(acknowledged),
            self.done.valid.eq(acknowledged & bursts.r_data[0]),
            completion(self.done).eq(bursts.r_data[1:]),
            self.busy.eq(reads.busy | room[2].out),
            self.advances.eq(reads.advances | self.ret.valid | Cat(
                x.advances for x in (words.queue, beats, requests, bursts)).any()),
            self.fault.layer.eq(bursts.r_data[-len(reads.layer):]),
        ]
        self._complain(m, reads, bursts.r_rdy, refused)
        return m

    def _complain(self, m: Module, reads: "_Reads", waits: Value, refused: Signal) -> None:
        """Say what goes wrong: in what is read, or in a burst that `waits` for its answer."""
        outside = self.acts.valid & beyond(self._config, self.acts.addr)
        with m.If(outside):
            m.d.comb += self.fault.code.eq(ErrorCode.ACT_RANGE)
        with m.Elif(refused):
            m.d.comb += self.fault.code.eq(ErrorCode.BUS_ERROR)
        with m.If(outside | ~waits):
            m.d.comb += self.fault.layer.eq(reads.layer)

    def _read(self, m: Module) -> "_Reads":
        """Read words, which come together with what is known of them in a small FIFO."""
        config = self._config
        pitch, beat_bits = config.word_pitch_bytes, ceil_log2(config.port.bytes)
        active = Signal()
        cur = Signal(self.i.payload.shape())
        words_left = Countdown(m, "word", cur.run_words)
        runs_left = Countdown(m, "run", cur.runs)
        last_word, last_run = words_left.last, runs_left.last
        source, source_run = Signal(config.act_addr_bits), Signal(config.act_addr_bits)
        target, target_run = Signal(config.offset_bits), Signal(config.offset_bits)
        read, popped = Signal(), Signal()
        credits = Credits(m, READ_AHEAD, take=read, give=popped)
        m.d.comb += [self.acts.valid.eq(active & credits.some), self.acts.addr.eq(source),
                     read.eq(self.acts.valid & self.acts.ready), self.i.ready.eq(~active)]
        with m.If(self.i.valid & ~active):
            insn = self.i.payload
            words_left.load(insn.run_words)
            runs_left.load(insn.runs)
            m.d.sync += [active.eq(1), cur.eq(insn),
                         source.eq(insn.act_addr), source_run.eq(insn.act_addr),
                         target.eq(insn.ext_addr), target_run.eq(insn.ext_addr)]
        with m.If(read):
            step_runs(m, words_left, cur.run_words, runs_left, active, [
                (source, source_run, 1, cur.act_stride),
                (target, target_run, pitch, cur.ext_stride)])

        told = completion(cur)
        layout = data.StructLayout({
            "addr": len(target), "run_end": 1, "insn_end": 1, "done": len(told)})
        stages = delay(m, Cat(target, last_word, last_word & last_run, told), read,
                       ActMemory.STORE_LATENCY, names=("tag_{}", "valid_{}"))
        tag, valid = stages[-1]
        m.submodules.words = queue = Fifo(config.word_bits + layout.size + 1, READ_AHEAD)
        # of a beat in its burst
        index = slice(beat_bits, beat_bits + ceil_log2(config.port.burst_beats))
        m.d.comb += [queue.w_en.eq(valid),
                     queue.w_data.eq(Cat(self.acts.data, tag, tag[index].all()))]
        words = _Words(queue, queue.r_data[:config.word_bits],
                       data.View(layout, queue.r_data[config.word_bits:-1]), queue.r_data[-1],
                       popped, index)
        advances = (self.i.valid & ~active) | Cat(flag for _, flag in stages).any()
        return _Reads(words, active | credits.out, advances, cur.layer)

    def _gather(self, m: Module, words: "_Words", step: Signal, beat_end: Signal,
                burst_end: Signal) -> tuple[Signal, Value, Value]:
        """Put one or more words into a beat; return it, its strobes, and its number in memory."""
        config, pitch = self._config, self._config.word_pitch_bytes
        per_beat, _, pitch_bits = beat_geometry(config)
        beat = Signal(config.beat_bits)
        strobes = Signal(config.port.bytes)
        fresh = Signal(init=1)  # nothing of the next beat is in the registers
        slot = words.info.addr[pitch_bits:pitch_bits + ceil_log2(per_beat)]
        m.d.comb += [
            beat_end.eq(words.info.run_end | (slot == per_beat - 1 if per_beat > 1 else 1)),
            burst_end.eq(words.info.run_end | words.at_end), words.queue.r_en.eq(step),
        ]
        with m.If(step):
            m.d.sync += fresh.eq(beat_end)
            with m.If(fresh):
                m.d.sync += [beat.eq(0), strobes.eq(0)]
            for k in range(per_beat):
                with m.If(slot == k if per_beat > 1 else 1):
                    m.d.sync += [
                        beat[8 * pitch * k:8 * pitch * k + config.word_bits].eq(words.data),
                        strobes[pitch * k:pitch * (k + 1)].eq(~0)]
        return beat, strobes, words.info.addr[words.index.start:]

    def _cut(self, m: Module, words: "_Words", step: Signal, beat_end: Signal,
             burst_end: Signal) -> tuple[Signal, Value, Value]:
        """Cut a word into beats; return one, its strobes, and its number in memory."""
        config, index = self._config, words.index
        _, spans, _ = beat_geometry(config)
        beat = Signal(config.beat_bits)
        span = Signal(range(spans))
        whole = span == spans - 1
        wide = Signal(8 * config.word_pitch_bytes)
        m.d.comb += [
            wide.eq(words.data), beat_end.eq(1), words.queue.r_en.eq(step & whole),
            burst_end.eq((words.info.run_end & whole)
                         | (words.info.addr[index] + span)[:index.stop - index.start].all()),
        ]
        with m.If(step):
            m.d.sync += [span.eq(Mux(whole, 0, span + 1)),
                         beat.eq(wide.word_select(span, config.beat_bits))]
        return beat, Const(-1, config.port.bytes), words.info.addr[index.start:] + span


@dataclass(frozen=True)
class _Reads:
    """Words that are being read: `words` that have been; of the instruction that asks for others
    its `layer`."""

    words: "_Words"
    busy: Value  # 1, words are still to be asked for, or are under way
    advances: Value
    layer: Value


@dataclass(frozen=True)
class _Words:
    """Words that have been read, oldest first."""

    queue: Fifo
    data: Value
    info: data.View  # its address, the last of a run, of an instruction, and what to tell then
    at_end: Value  # 1, it is in the last beat that a burst may have
    popped: Signal  # 1, the oldest goes
    index: slice  # bits of an address: of a beat in its burst
