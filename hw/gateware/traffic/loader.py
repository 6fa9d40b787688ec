"""Load unit: activations from external memory, and barriers."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.countdown import Countdown
from hw.gateware.parts.fifo import Fifo, Relay
from hw.gateware.signatures.interfaces import (
    ActWrite,
    Done,
    ReadReturn,
    UnitFault,
    completion,
    insn_stream,
    read_request,
)
from hw.isa import ErrorCode, Opcode

from .actmem import beyond
from .bursts import BurstSplitter
from .returns import keep_returns
from .runs import step_runs

__all__ = ["AHEAD", "Loader", "beat_geometry"]

#: LOAD instructions between request and data.
AHEAD = 4


def beat_geometry(config: Config) -> tuple[int, int, int]:
    """Return (words per beat, beats per word, log2 of the word pitch); one of the first two
    is 1."""
    pitch, port = config.word_pitch_bytes, config.port.bytes
    return max(1, port // pitch), max(1, pitch // port), ceil_log2(pitch)


class Loader(wiring.Component):
    """Copy runs of words into the activation memory.

    The runs of an instruction, and the next instruction's, are requested while data of those
    before is still on its way. A barrier waits until all loads before it are complete. On either
    side an instruction is taken up when the one before has ended, not as it ends.

    Members
    -------
    i : LOAD and BARRIER instructions, their tokens taken, as LOAD payloads (a BARRIER's mask is
        in `mask`); `barrier` beside it is 1 for a BARRIER
    req, ret : read bursts and their data
    acts : write port of the activation memory
    done : completion
    fault, meets : a `UnitFault`; 1, it is of a BARRIER
    arrive, mask, release : this instance is at a barrier; of these instances; go on
    busy : 1
    advances : see `hw.gateware.progress`

    A run is asked for and put by two sides, which meet in two FIFOs::

        i --> request side -- runs -> bursts --> req
                  |              space `--.
                  `-- queue --.           fifo <-- ret
                              v            |
              done <----- data side <------'
                              `--> relay --> acts

    Timing
    ------
    One word per cycle, offered to the memory from registers, `LATENCY` cycles after the beat that
    completes it has come; `done` comes in the cycle after the last word was taken or the barrier
    was released.

    Resources
    ---------
    A memory of `load_fifo_beats` beats and one of `AHEAD` instructions.
    """

    #: Cycles from a beat to its first word's write.
    LATENCY = Fifo.LATENCY + Relay.LATENCY

    i: stream.Interface
    barrier: Signal
    req: stream.Interface
    ret: wiring.PureInterface
    acts: wiring.PureInterface
    done: wiring.PureInterface
    fault: wiring.PureInterface
    meets: Signal
    arrive: Signal
    mask: Signal
    release: Signal
    busy: Signal
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(insn_stream(Opcode.LOAD, config)),
            "barrier": In(1),
            "req": Out(stream.Signature(read_request(config))),
            "ret": In(ReadReturn(config)),
            "acts": Out(ActWrite(config)),
            "done": Out(Done(Opcode.LOAD)),
            "fault": Out(UnitFault()), "meets": Out(1),
            "arrive": Out(1),
            "mask": Out(config.instances),
            "release": In(1),
            "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        words, spans, pitch_bits = beat_geometry(config)
        word_bits = ceil_log2(words)
        insn = self.i.payload
        names = ("signal", "mark", "layer", "act_addr", "run_words", "runs", "act_stride")
        where = data.StructLayout({  # what the data side needs of an instruction
            **{n: insn.shape()[n].shape for n in names},
            "offset": word_bits, "step": word_bits})  # in words within a beat
        # of a run: its words and those before it in its first beat, or a word's beats
        run_beats = Signal(len(insn.run_words) + 1 + ceil_log2(spans))
        m.submodules.bursts = bursts = BurstSplitter(config, len(run_beats), config.load_fifo_beats)
        wiring.connect(m, bursts.o, wiring.flipped(self.req))
        # An error comes with its beat: it is known of which instruction when that is put.
        beats, _ = keep_returns(m, config.load_fifo_beats, bursts, self.req, self.ret.valid,
                                Cat(self.ret.data, self.ret.error))
        m.submodules.queue = queue = Fifo(where.size, AHEAD)
        entry = Signal(where)
        m.d.comb += [
            *(entry[n].eq(insn[n]) for n in names),
            entry.offset.eq(insn.ext_addr[pitch_bits:pitch_bits + word_bits]),
            entry.step.eq(insn.ext_stride[pitch_bits:pitch_bits + word_bits])]
        asking, at_barrier, cur = self._request(m, bursts, queue, entry, run_beats)
        loading, loaded, dst = self._put(m, where, queue, beats)

        # -- barrier, completion ---------------------------------------------------------------
        idle, released = Signal(), Signal()
        done_load, done_barrier = Signal(), Signal()
        at_load = loading | done_load
        m.d.comb += [
            idle.eq(~loading & ~queue.any), self.mask.eq(cur.mask),
            released.eq(self.arrive & self.release),
            self.done.valid.eq(done_load | done_barrier),
            self.fault.layer.eq(Mux(at_load, dst.layer, cur.layer)),
            self.meets.eq(~at_load & (at_barrier | done_barrier)),
            self.busy.eq(asking | at_barrier | ~idle | bursts.busy | self.done.valid),
            self.advances.eq((self.i.valid & self.i.ready) | released | Cat(
                x.advances for x in (bursts, beats, queue, m.submodules.relay)).any()),
        ]
        m.d.sync += [self.arrive.eq(at_barrier & idle & ~released), done_load.eq(loaded),
                     done_barrier.eq(released)]
        with m.If(released):
            m.d.sync += [at_barrier.eq(0), completion(self.done).eq(completion(cur))]
        with m.Elif(loaded):
            m.d.sync += completion(self.done).eq(completion(dst))
        return m

    def _request(self, m: Module, bursts: BurstSplitter, queue: Fifo, entry: data.View,
                 run_beats: Signal) -> tuple[Signal, Signal, data.View]:
        """The request side: one run after the other. Return 1, runs are still to be asked for; 1,
        at a barrier; and the instruction."""
        words, spans, pitch_bits = beat_geometry(self._config)
        beat_bits, word_bits = ceil_log2(self._config.port.bytes), ceil_log2(words)
        insn = self.i.payload
        asking, at_barrier = Signal(), Signal()
        cur = Signal(insn.shape())
        run_addr = Signal(self._config.offset_bits)
        runs_left = Countdown(m, "run", cur.runs)
        skip = run_addr[pitch_bits:pitch_bits + word_bits]  # words before the run in its beat
        m.d.comb += [
            run_beats.eq((cur.run_words + skip + (words - 1)) >> word_bits if spans == 1
                         else cur.run_words << ceil_log2(spans)),
            bursts.i.valid.eq(asking),
            bursts.i.payload.addr.eq(Cat(Const(0, beat_bits), run_addr[beat_bits:])),
            bursts.i.payload.beats.eq(run_beats), bursts.i.payload.mask.eq(cur.mask),
            bursts.i.payload.layer.eq(cur.layer),
            self.i.ready.eq(~asking & ~at_barrier & queue.w_rdy),
        ]
        with m.If(self.i.valid & self.i.ready):
            runs_left.load(insn.runs)
            m.d.sync += [cur.eq(insn), run_addr.eq(insn.ext_addr),
                         asking.eq(~self.barrier), at_barrier.eq(self.barrier)]
        m.d.comb += [queue.w_en.eq(self.i.valid & self.i.ready & ~self.barrier),
                     queue.w_data.eq(entry)]
        with m.If(bursts.i.valid & bursts.i.ready):
            m.d.sync += run_addr.eq(run_addr + cur.ext_stride)
            runs_left.step()
            with m.If(runs_left.last):
                m.d.sync += asking.eq(0)
        return asking, at_barrier, cur

    def _put(self, m: Module, where: data.StructLayout, queue: Fifo,
             beats: Fifo) -> tuple[Signal, Signal, data.View]:
        """The data side. Words go to the memory through registers, so that nothing here depends on
        whether it takes one within a cycle. Return 1, words are still to go; 1, an instruction's
        last goes; and the instruction."""
        config = self._config
        words, spans, _ = beat_geometry(config)
        word_bits = ceil_log2(words)
        loading, putting = Signal(), Signal()  # words are still to go; to be put
        dst = Signal(where)
        words_to_put = Countdown(m, "put_word", dst.run_words)
        runs_to_put = Countdown(m, "put_run", dst.runs)
        last_word, last_run = words_to_put.last, runs_to_put.last
        place, place_run = Signal(config.act_addr_bits), Signal(config.act_addr_bits)
        offset, offset_run = Signal(max(1, word_bits)), Signal(max(1, word_bits))
        span = Signal(range(max(2, spans)))
        next_dst = Signal(where)
        m.d.comb += [queue.r_en.eq(~loading), next_dst.eq(queue.r_data)]
        with m.If(queue.r_rdy & ~loading):
            words_to_put.load(next_dst.run_words)
            runs_to_put.load(next_dst.runs)
            m.d.sync += [dst.eq(next_dst), loading.eq(1), putting.eq(1),
                         span.eq(0),
                         place.eq(next_dst.act_addr), place_run.eq(next_dst.act_addr),
                         offset.eq(next_dst.offset), offset_run.eq(next_dst.offset)]
        m.submodules.relay = relay = Relay(data.StructLayout(
            {"addr": len(place), "data": config.word_bits,
             "last": 1, "spoilt": 1}))  # last: of an instruction
        if spans == 1:
            value, spoilt = self._take_word(m, beats, relay, putting, offset, last_word)
        else:
            value, spoilt = self._join_word(m, beats, relay, putting, span)
        item, out = relay.i.payload, relay.o.payload
        m.d.comb += [
            item.addr.eq(place), item.data.eq(value), item.last.eq(last_word & last_run),
            item.spoilt.eq(spoilt), self.acts.valid.eq(relay.o.valid & ~out.spoilt),
            relay.o.ready.eq(self.acts.ready & ~out.spoilt),
            self.acts.addr.eq(out.addr), self.acts.data.eq(out.data), self.acts.lanes.eq(~0)]
        with m.If(relay.i.valid & relay.i.ready):
            step_runs(m, words_to_put, dst.run_words, runs_to_put, putting, [
                (place, place_run, 1, dst.act_stride), (offset, offset_run, 1, dst.step)])
        loaded = Signal()
        m.d.comb += loaded.eq(relay.o.valid & relay.o.ready & out.last)
        with m.If(loaded):
            m.d.sync += loading.eq(0)
        with m.If(relay.o.valid & out.spoilt):
            m.d.comb += self.fault.code.eq(ErrorCode.BUS_ERROR)
        with m.Elif(relay.o.valid & beyond(config, out.addr)):
            m.d.comb += self.fault.code.eq(ErrorCode.ACT_RANGE)
        return loading, loaded, dst

    def _take_word(self, m: Module, beats: Fifo, relay: Relay, putting: Signal, offset: Signal,
                   last_word: Value) -> tuple[Value, Value]:
        """Return a word of a beat, that at `offset`, and 1, it is spoilt; the beat goes with its
        last one."""
        words, _, _ = beat_geometry(self._config)
        put, free = relay.i.valid, relay.i.ready
        m.d.comb += [
            put.eq(putting & beats.r_rdy),
            beats.r_en.eq(put & free & (last_word | (offset == words - 1 if words > 1 else 1))),
        ]
        word = beats.r_data[:-1] if words == 1 else beats.r_data[:-1].word_select(
            offset, 8 * self._config.word_pitch_bytes)
        return word[:self._config.word_bits], beats.r_data[-1]

    def _join_word(self, m: Module, beats: Fifo, relay: Relay, putting: Signal,
                   span: Signal) -> tuple[Value, Value]:
        """Return a word of several beats, which is whole with the last one, and 1, one of them is
        spoilt."""
        _, spans, _ = beat_geometry(self._config)
        parts = [Signal(self._config.beat_bits, name=f"part_{k}") for k in range(spans - 1)]
        whole, before = span == spans - 1, Signal()  # one before is spoilt
        m.d.comb += [
            relay.i.valid.eq(putting & beats.r_rdy & whole),
            beats.r_en.eq(putting & Mux(whole, relay.i.ready, 1)),
        ]
        with m.If(beats.r_rdy & beats.r_en):
            m.d.sync += [span.eq(Mux(whole, 0, span + 1)),
                         before.eq(~whole & (before | beats.r_data[-1]))]
            for k, part in enumerate(parts):
                with m.If(span == k):
                    m.d.sync += part.eq(beats.r_data)
        return (Cat(*parts, beats.r_data[:-1])[:self._config.word_bits],
                before | beats.r_data[-1])
