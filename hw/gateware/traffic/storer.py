"""Store unit: activations to external memory."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.countdown import Countdown
from hw.gateware.parts.credits import Credits
from hw.gateware.parts.fifo import Fifo
from hw.gateware.signatures.interfaces import (
    ActRead,
    Done,
    WriteReturn,
    completion,
    insn_stream,
    write_data,
    write_request,
)
from hw.isa import Opcode

from .actmem import ActMemory
from .loader import beat_geometry

__all__ = ["Storer"]

_READ_AHEAD = 8  # words between reading and packing: as many as there are cycles or more
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
    busy : 1

    Timing: one word per cycle, asked for from a register. An instruction is taken up when the one
    before has been read, not as it is; `done` comes in the cycle after the acknowledgement.
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
                     read.eq(self.acts.valid & self.acts.ready), self.i.ready.eq(~active)]
        with m.If(self.i.valid & ~active):
            insn = self.i.payload
            words_left.load(insn.run_words)
            runs_left.load(insn.runs)
            m.d.sync += [active.eq(1), cur.eq(insn),
                         source.eq(insn.act_addr), source_run.eq(insn.act_addr),
                         target.eq(insn.ext_addr), target_run.eq(insn.ext_addr)]
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

        # -- words and their tags come together in a small FIFO --------------------------------
        tag = Cat(target, last_word, last_word & last_run, completion(cur))
        valid = read
        for n in range(ActMemory.STORE_LATENCY):
            next_tag, next_valid = Signal(len(tag), name=f"tag_{n}"), Signal(name=f"valid_{n}")
            m.d.sync += next_valid.eq(valid)
            with m.If(valid):
                m.d.sync += next_tag.eq(tag)
            tag, valid = next_tag, next_valid
        m.submodules.words = queue = Fifo(config.word_bits + len(tag) + 1, _READ_AHEAD)
        index_bits = slice(beat_bits, beat_bits + ceil_log2(burst))  # of a beat in its burst
        m.d.comb += [queue.w_en.eq(valid),
                     queue.w_data.eq(Cat(self.acts.data, tag, tag[index_bits].all()))]
        data = queue.r_data[:config.word_bits]
        info, at_end = queue.r_data[config.word_bits:-1], queue.r_data[-1]
        bits = len(target)
        addr, run_end, insn_end = info[:bits], info[bits], info[bits + 1]
        done_info = info[bits + 2:]

        # -- pack words into beats -------------------------------------------------------------
        # A beat is in registers when it is complete, and moves on in the next cycle.
        m.submodules.beats = beats = Fifo(
            config.beat_bits + config.port.bytes, 2 * burst, block=True)
        m.submodules.requests = requests = Fifo(len(self.req.payload.as_value()), _REQUESTS)
        m.submodules.bursts = bursts = Fifo(1 + len(done_info), _BURSTS)
        step, beat_end, burst_end = Signal(), Signal(), Signal()
        push, closes = Signal(), Signal()  # a complete beat is in the registers; a burst's last
        acknowledged = Signal()
        m.d.sync += [push.eq(step & beat_end), closes.eq(burst_end),
                     acknowledged.eq(self.ret.valid)]
        room = [Credits(m, 2 * burst, take=step & beat_end, give=beats.r_rdy & beats.r_en),
                Credits(m, _REQUESTS, take=step & beat_end & burst_end,
                        give=requests.r_rdy & requests.r_en),
                Credits(m, _BURSTS, take=step & beat_end & burst_end, give=acknowledged)]
        m.d.comb += step.eq(queue.r_rdy & Cat(c.some for c in room).all())
        beat = Signal(config.beat_bits)
        if spans == 1:
            strobes = Signal(config.port.bytes)
            fresh = Signal(init=1)  # nothing of the next beat is in the registers
            slot = addr[pitch_bits:pitch_bits + word_bits]
            m.d.comb += [
                beat_end.eq(run_end | (slot == words - 1 if words > 1 else 1)),
                burst_end.eq(run_end | at_end), queue.r_en.eq(step),
            ]
            with m.If(step):
                m.d.sync += fresh.eq(beat_end)
                with m.If(fresh):
                    m.d.sync += [beat.eq(0), strobes.eq(0)]
                for k in range(words):
                    with m.If(slot == k if words > 1 else 1):
                        m.d.sync += [
                            beat[8 * pitch * k:8 * pitch * k + config.word_bits].eq(data),
                            strobes[pitch * k:pitch * (k + 1)].eq(~0)]
            this_addr = addr[beat_bits:]
        else:
            strobes = Const(-1, config.port.bytes)
            span = Signal(range(spans))
            whole = span == spans - 1
            wide = Signal(8 * pitch)
            m.d.comb += [
                wide.eq(data), beat_end.eq(1), queue.r_en.eq(step & whole),
                burst_end.eq((run_end & whole)
                             | (addr[index_bits] + span)[:ceil_log2(burst)].all()),
            ]
            with m.If(step):
                m.d.sync += [span.eq(Mux(whole, 0, span + 1)),
                             beat.eq(wide.word_select(span, config.beat_bits))]
            this_addr = addr[beat_bits:] + span
        m.d.comb += popped.eq(queue.r_rdy & queue.r_en)
        place, closing = Signal(len(addr) - beat_bits), Signal.like(done_info)
        end = Signal()
        with m.If(step):
            m.d.sync += [place.eq(this_addr), closing.eq(done_info),
                         end.eq(insn_end & (popped if spans > 1 else 1))]
        start = Signal.like(place)  # of the open burst
        count = Signal(ceil_log2(burst) + 1)  # its beats so far
        begins = Signal(init=1)  # it has none
        request = Signal(self.req.payload.shape())
        m.d.comb += [
            beats.w_en.eq(push), beats.w_data.eq(Cat(beat, strobes)),
            requests.w_en.eq(push & closes),
            request.addr.eq(Cat(Const(0, beat_bits), Mux(begins, place, start))),
            request.beats.eq(count + 1), request.layer.eq(closing[-len(cur.layer):]),
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
            self.busy.eq(active | credits.out | room[2].out),
        ]
        return m
