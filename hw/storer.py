"""Store unit: activations to external memory."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from .actmem import ActMemory
from .config import Config, ceil_log2
from .countdown import Countdown
from .credits import Credits
from .fifo import BlockFifo
from .interfaces import (
    ActRead,
    Done,
    WriteReturn,
    completion,
    insn_stream,
    write_data,
    write_request,
)
from .isa import Opcode
from .loader import beat_geometry

__all__ = ["Storer"]

_READ_AHEAD = 8


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
    busy : 1

    Timing: one word per cycle.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(insn_stream(Opcode.STORE, config)),
            "acts": Out(ActRead(config)),
            "req": Out(stream.Signature(write_request(config))),
            "data": Out(stream.Signature(write_data(config))),
            "ret": In(WriteReturn()),
            "done": Out(Done(Opcode.STORE)),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        words, spans, pitch_bits = beat_geometry(config)
        word_bits = ceil_log2(words)
        pitch = config.word_pitch_bytes
        burst = config.port.burst_beats
        beat_bits = ceil_log2(config.port.bytes)

        # -- read words ------------------------------------------------------------------------
        active = Signal()
        cur = Signal(self.i.payload.shape())
        words_left = Countdown(m, "word", cur.run_words)
        runs_left = Countdown(m, "run", cur.runs)
        last_word, last_run = words_left.last, runs_left.last
        source, source_run = Signal(config.act_addr_bits), Signal(config.act_addr_bits)
        target, target_run = Signal.like(cur.ext_addr), Signal.like(cur.ext_addr)
        read, popped = Signal(), Signal()
        credits = Credits(m, _READ_AHEAD, take=read, give=popped)
        m.d.comb += [self.acts.valid.eq(active & credits.some), self.acts.addr.eq(source),
                     read.eq(self.acts.valid & self.acts.ready),
                     self.i.ready.eq(~active | (read & last_word & last_run))]
        with m.If(read):
            m.d.sync += [source.eq(source + 1), target.eq(target + pitch)]
            words_left.step()
            with m.If(last_word):
                words_left.again(cur.run_words)
                runs_left.step()
                m.d.sync += [source.eq(source_run + cur.act_stride),
                             source_run.eq(source_run + cur.act_stride),
                             target.eq(target_run + cur.ext_stride),
                             target_run.eq(target_run + cur.ext_stride)]
                with m.If(last_run):
                    m.d.sync += active.eq(0)
        with m.If(self.i.valid & self.i.ready):
            insn = self.i.payload
            words_left.load(insn.run_words)
            runs_left.load(insn.runs)
            m.d.sync += [active.eq(1), cur.eq(insn),
                         source.eq(insn.act_addr), source_run.eq(insn.act_addr),
                         target.eq(insn.ext_addr), target_run.eq(insn.ext_addr)]

        # -- words and their tags come together in a small FIFO --------------------------------
        tag = Cat(target, last_word, last_word & last_run, completion(cur))
        valid = read
        for n in range(ActMemory.STORE_LATENCY):
            next_tag, next_valid = Signal(len(tag), name=f"tag_{n}"), Signal(name=f"valid_{n}")
            m.d.sync += next_valid.eq(valid)
            with m.If(valid):
                m.d.sync += next_tag.eq(tag)
            tag, valid = next_tag, next_valid
        m.submodules.words = queue = fifo.SyncFIFOBuffered(
            width=config.word_bits + len(tag), depth=_READ_AHEAD)
        m.d.comb += [queue.w_en.eq(valid), queue.w_data.eq(Cat(self.acts.data, tag))]
        data = queue.r_data[:config.word_bits]
        info = queue.r_data[config.word_bits:]
        at = len(target)
        addr, run_end, insn_end, done_info = info[:at], info[at], info[at + 1], info[at + 2:]
        layer = done_info[-len(cur.layer):]
        m.d.comb += popped.eq(queue.r_rdy & queue.r_en)

        # -- pack words into beats -------------------------------------------------------------
        m.submodules.beats = beats = BlockFifo(
            width=config.beat_bits + config.port.bytes, depth=2 * burst)
        m.submodules.requests = requests = fifo.SyncFIFOBuffered(
            width=len(self.req.payload.as_value()), depth=4)
        m.submodules.bursts = bursts = fifo.SyncFIFOBuffered(width=1 + len(done_info), depth=16)
        count = Signal(ceil_log2(burst) + 1)  # beats of the open burst so far
        start = Signal.like(target)
        room = Signal()
        m.d.comb += room.eq(beats.w_rdy & requests.w_rdy & bursts.w_rdy)
        beat_addr = Cat(Const(0, beat_bits), addr[beat_bits:])
        beat_end, burst_end, push = Signal(), Signal(), Signal()
        index = addr[beat_bits:beat_bits + ceil_log2(burst)]
        if spans == 1:
            partial = Signal(config.beat_bits)
            strobes = Signal(config.port.bytes)
            slot = addr[pitch_bits:pitch_bits + word_bits]
            merged, merged_strobes = Signal(config.beat_bits), Signal(config.port.bytes)
            m.d.comb += [merged.eq(partial), merged_strobes.eq(strobes)]
            for k in range(words):
                with m.If(slot == k if words > 1 else 1):
                    m.d.comb += [
                        merged[8 * pitch * k:8 * pitch * k + config.word_bits].eq(data),
                        merged_strobes[pitch * k:pitch * (k + 1)].eq(~0)]
            m.d.comb += [
                beat_end.eq(run_end | (slot == words - 1 if words > 1 else 1)),
                queue.r_en.eq(room), push.eq(popped & beat_end),
                beats.w_data.eq(Cat(merged, merged_strobes)),
                burst_end.eq(run_end | (index == burst - 1)),
            ]
            with m.If(popped):
                m.d.sync += [partial.eq(Mux(beat_end, 0, merged)),
                             strobes.eq(Mux(beat_end, 0, merged_strobes))]
            this_addr = beat_addr
        else:
            span = Signal(range(spans))
            whole = span == spans - 1
            wide = Signal(8 * pitch)
            m.d.comb += [
                wide.eq(data), push.eq(queue.r_rdy & room), queue.r_en.eq(room & whole),
                beats.w_data.eq(Cat(wide.word_select(span, config.beat_bits),
                                    Const(-1, config.port.bytes))),
                burst_end.eq((run_end & whole) | ((index + span)[:ceil_log2(burst)] == burst - 1)),
            ]
            with m.If(push):
                m.d.sync += span.eq(Mux(whole, 0, span + 1))
            this_addr = beat_addr + (span << beat_bits)
        request = Signal(self.req.payload.shape())
        m.d.comb += [
            beats.w_en.eq(push), requests.w_en.eq(push & burst_end),
            request.addr.eq(Mux(count == 0, this_addr, start)), request.beats.eq(count + 1),
            request.layer.eq(layer), requests.w_data.eq(request),
            bursts.w_en.eq(push & burst_end),
            bursts.w_data.eq(Cat(insn_end & (popped if spans > 1 else 1), done_info)),
        ]
        with m.If(push):
            m.d.sync += count.eq(Mux(burst_end, 0, count + 1))
            with m.If(count == 0):
                m.d.sync += start.eq(this_addr)

        # -- to the port, and back -------------------------------------------------------------
        m.d.comb += [
            self.req.valid.eq(requests.r_rdy), self.req.payload.eq(requests.r_data),
            requests.r_en.eq(self.req.ready),
            self.data.valid.eq(beats.r_rdy), self.data.payload.eq(beats.r_data),
            beats.r_en.eq(self.data.ready),
            bursts.r_en.eq(self.ret.valid),
            self.done.valid.eq(self.ret.valid & bursts.r_data[0]),
            completion(self.done).eq(bursts.r_data[1:]),
            self.busy.eq(active | valid | credits.out | (count != 0)
                         | bursts.level.any()),
        ]
        return m
