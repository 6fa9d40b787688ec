"""Decodes a program into per-unit queues and starts instructions when their tokens are there."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import Config
from .fetch import Fetch
from .interfaces import Done, ReadReturn, insn_stream, read_request
from .isa import FORMATS, HEADER, ErrorCode, Opcode, insn_layout
from .tokens import TokenBank

__all__ = ["UNITS", "Sequencer"]

#: Units in the order of the token bank's ports, with the opcode that names their payload.
UNITS = {"load": Opcode.LOAD, "store": Opcode.STORE, "weights": Opcode.WEIGHTS,
         "compute": Opcode.COMPUTE, "post": Opcode.POST}


class Sequencer(wiring.Component):
    """Fetch, decode, queue and gate.

    Dispatch is in order and waits while the target's queue is full. An instruction leaves its
    queue when all tokens that it waits for are there. COMPUTE is also queued for the tile
    loader, which waits for no token.

    Members
    -------
    start, program : as `Fetch`
    req, ret : program reads
    o_load, o_barrier, o_store, o_weights, o_compute, o_post : gated instructions; `o_barrier`
        is 1 when `o_load` carries a BARRIER, whose mask is in `mask`
    o_ahead : COMPUTE instructions, not gated
    done_load ... done_post : completions
    error : an `ErrorCode`, 0 for none, valid in the cycle in which it happens
    error_layer, error_opcode : of the instruction at fault
    ended : 1, END has been dispatched and all queues are empty
    moved : 1, an instruction was dispatched or started
    fetching : 1, program data is on its way
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "start": In(1), "program": In(32),
            "req": Out(stream.Signature(read_request(config))), "ret": In(ReadReturn(config)),
            **{f"o_{u}": Out(insn_stream(op)) for u, op in UNITS.items()},
            "o_ahead": Out(insn_stream(Opcode.COMPUTE)), "o_barrier": Out(1),
            **{f"done_{u}": In(Done()) for u in UNITS},
            "error": Out(ErrorCode), "error_layer": Out(11), "error_opcode": Out(4),
            "ended": Out(1), "moved": Out(1), "fetching": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.fetch = fetch = Fetch(config)
        wiring.connect(m, wiring.flipped(self.req), fetch.req)
        m.submodules.tokens = tokens = TokenBank(len(UNITS))
        end_seen = Signal()
        m.d.comb += [
            fetch.start.eq(self.start), fetch.program.eq(self.program), fetch.stop.eq(end_seen),
            fetch.ret.valid.eq(self.ret.valid), fetch.ret.data.eq(self.ret.data),
            self.fetching.eq(fetch.busy),
        ]

        # -- queues and gates ----------------------------------------------------------------
        queues, started = {}, []
        for n, (unit, opcode) in enumerate(UNITS.items()):
            out = getattr(self, f"o_{unit}")
            width = len(out.payload.as_value()) + (unit == "load")
            m.submodules[f"queue_{unit}"] = queue = fifo.SyncFIFOBuffered(
                width=width, depth=config.buffers.queue_depth)
            queues[unit] = queue
            payload = Signal(insn_layout(opcode), name=f"head_{unit}")
            m.d.comb += [
                payload.eq(queue.r_data), out.payload.eq(payload),
                out.valid.eq(queue.r_rdy & tokens.granted[n]),
                queue.r_en.eq(out.ready & tokens.granted[n]),
                tokens.take[n].eq(queue.r_rdy & queue.r_en),
            ]
            with m.If(queue.r_rdy):
                m.d.comb += tokens.want[n].eq(payload.wait)
            done = getattr(self, f"done_{unit}")
            with m.If(done.valid):
                m.d.comb += tokens.give[n].eq(done.signal)
            started.append(tokens.take[n])
        m.d.comb += self.o_barrier.eq(queues["load"].r_data[-1])
        m.submodules.queue_ahead = ahead = fifo.SyncFIFOBuffered(
            width=len(self.o_ahead.payload.as_value()), depth=config.buffers.queue_depth + 1)
        m.d.comb += [self.o_ahead.valid.eq(ahead.r_rdy), self.o_ahead.payload.eq(ahead.r_data),
                     ahead.r_en.eq(self.o_ahead.ready)]

        # -- dispatch ------------------------------------------------------------------------
        word = fetch.o.payload
        opcode, layer = word[:4], word[5:16]
        dispatch, bad_field, illegal = Signal(), Signal(), Signal()
        m.d.comb += fetch.o.ready.eq(dispatch)
        barrier = insn_layout(Opcode.BARRIER)
        load = insn_layout(Opcode.LOAD)
        load_word = Signal(load)
        m.d.comb += load_word.eq(word)
        with m.If(fetch.o.valid & ~end_seen), m.Switch(opcode):
            for op, spec in FORMATS.items():
                with m.Case(op.value):
                    zeros = self._zero_fields(word, spec)
                    m.d.comb += bad_field.eq(zeros)
                    if op is Opcode.END:
                        m.d.comb += dispatch.eq(1)
                        m.d.sync += end_seen.eq(1)
                        continue
                    unit = "load" if op is Opcode.BARRIER else next(
                        u for u, o in UNITS.items() if o is op)
                    queue = queues[unit]
                    room = queue.w_rdy & (ahead.w_rdy if unit == "compute" else 1)
                    m.d.comb += [dispatch.eq(room & ~zeros),
                                 queue.w_en.eq(dispatch), queue.w_data.eq(word)]
                    if unit == "compute":
                        m.d.comb += [ahead.w_en.eq(dispatch), ahead.w_data.eq(word)]
                    if op is Opcode.BARRIER:
                        m.d.comb += load_word.mask.eq(word[barrier["mask"].offset:][:32])
                    if unit == "load":
                        m.d.comb += queue.w_data.eq(Cat(load_word, op is Opcode.BARRIER))
            with m.Default():
                m.d.comb += illegal.eq(1)

        m.d.comb += [self.error_layer.eq(layer), self.error_opcode.eq(opcode)]
        with m.If(illegal):
            m.d.comb += self.error.eq(ErrorCode.ILLEGAL_OPCODE)
        with m.Elif(bad_field):
            m.d.comb += self.error.eq(ErrorCode.BAD_FIELD)
        with m.Elif(tokens.overflow):
            m.d.comb += self.error.eq(ErrorCode.TOKEN_OVERFLOW)
        empty = ~Cat(q.level.any() for q in (*queues.values(), ahead)).any()
        m.d.comb += [self.ended.eq(end_seen & empty),
                     self.moved.eq(dispatch | Cat(started).any())]
        return m

    @staticmethod
    def _zero_fields(word, spec):
        """1 if a field that must not be zero is."""
        position, zeros = sum(f.bits for f in HEADER), []
        for f in spec:
            if f.nonzero:
                zeros.append(~word[position:position + f.bits].any())
            position += f.bits
        return Cat(zeros).any() if zeros else 0
