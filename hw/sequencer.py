"""Decodes a program into per-unit queues and starts instructions when their tokens are there."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from .config import Config
from .fetch import Fetch
from .interfaces import Done, ReadReturn, insn_stream, read_request, tile_walk
from .isa import FORMATS, HEADER, ErrorCode, Opcode, field_bits, insn_layout
from .tokens import TokenBank

__all__ = ["UNITS", "Sequencer"]

#: Units in the order of the token bank's ports, with the opcode that names their payload.
UNITS = {"load": Opcode.LOAD, "store": Opcode.STORE, "weights": Opcode.WEIGHTS,
         "compute": Opcode.COMPUTE, "post": Opcode.POST}


class Sequencer(wiring.Component):
    """Fetch, decode, queue and gate.

    Dispatch is in order and waits while the target's queue is full. An instruction leaves its
    queue when all tokens that it waits for are there. What the tile loader needs of COMPUTE is
    also queued for it; it waits for no token.

    Members
    -------
    start, program : as `Fetch`
    req, ret : program reads
    o_load, o_barrier, o_store, o_weights, o_compute, o_post : gated instructions; `o_barrier`
        is 1 when `o_load` carries a BARRIER, whose mask is in `mask`
    o_ahead : what the tile loader needs of COMPUTE instructions, not gated
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
            "start": In(1), "program": In(config.port.address_bits),
            "req": Out(stream.Signature(read_request(config))), "ret": In(ReadReturn(config)),
            **{f"o_{u}": Out(insn_stream(op, config)) for u, op in UNITS.items()},
            "o_ahead": Out(stream.Signature(tile_walk(config))), "o_barrier": Out(1),
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
        queues, started, waiting = {}, [], []
        for n, (unit, opcode) in enumerate(UNITS.items()):
            out = getattr(self, f"o_{unit}")
            width = len(out.payload.as_value()) + (unit == "load")
            m.submodules[f"queue_{unit}"] = queue = fifo.SyncFIFO(
                width=width, depth=config.buffers.queue_depth)
            queues[unit] = queue
            # An instruction with its tokens waits in a register, so that nothing which decides
            # that a unit takes it reaches back to the tokens within a cycle.
            head = Signal(insn_layout(opcode, config), name=f"head_{unit}")
            payload = Signal(width, name=f"next_{unit}", reset_less=True)
            full = Signal(name=f"full_{unit}")
            m.d.comb += [
                head.eq(queue.r_data), out.payload.eq(payload), out.valid.eq(full),
                tokens.take[n].eq(queue.r_rdy & tokens.granted[n] & ~full),
                queue.r_en.eq(tokens.take[n]),
            ]
            with m.If(tokens.take[n]):
                m.d.sync += [payload.eq(queue.r_data), full.eq(1)]
            with m.Elif(out.ready):
                m.d.sync += full.eq(0)
            if unit == "load":
                m.d.comb += self.o_barrier.eq(payload[-1])
            waiting.append(full)
            with m.If(queue.r_rdy):
                m.d.comb += tokens.want[n].eq(head.wait)
            done = getattr(self, f"done_{unit}")
            with m.If(done.valid):
                m.d.comb += tokens.give[n].eq(done.signal)
            started.append(tokens.take[n])
        m.submodules.queue_ahead = ahead = fifo.SyncFIFOBuffered(
            width=len(self.o_ahead.payload.as_value()), depth=config.buffers.queue_depth + 1)
        m.d.comb += [self.o_ahead.valid.eq(ahead.r_rdy), self.o_ahead.payload.eq(ahead.r_data),
                     ahead.r_en.eq(self.o_ahead.ready)]

        # -- dispatch ------------------------------------------------------------------------
        word = fetch.o.payload
        opcode, layer = word[:4], word[5:16]
        dispatch, bad_field, illegal = Signal(), Signal(), Signal()
        m.d.comb += fetch.o.ready.eq(dispatch)
        fields = {op: self._fields(word, op) for op in FORMATS}
        for unit, op in UNITS.items():
            taken = dict(fields[op])
            if unit == "load":
                taken["mask"] = Mux(opcode == Opcode.BARRIER, fields[Opcode.BARRIER]["mask"],
                                    taken["mask"])
            payload = Cat(taken[name] for name, _ in insn_layout(op, config))
            m.d.comb += queues[unit].w_data.eq(
                Cat(payload, opcode == Opcode.BARRIER) if unit == "load" else payload)
        compute = fields[Opcode.COMPUTE]
        m.d.comb += ahead.w_data.eq(Cat(compute[name] for name, _ in tile_walk(config)))
        # An instruction is judged in one cycle and handed out in a later one.
        judged, bad, unknown = Signal(), Signal(), Signal()
        present = Signal()
        m.d.comb += present.eq(fetch.o.valid & ~end_seen)
        with m.If(present & ~judged):
            m.d.sync += judged.eq(1)
            with m.Switch(opcode):
                for op in FORMATS:
                    with m.Case(op.value):
                        m.d.sync += [bad.eq(self._bad_field(word, op)), unknown.eq(0)]
                with m.Default():
                    m.d.sync += [bad.eq(0), unknown.eq(1)]
        with m.If(dispatch):
            m.d.sync += judged.eq(0)
        m.d.comb += [bad_field.eq(present & judged & bad), illegal.eq(present & judged & unknown)]
        with m.If(present & judged & ~bad), m.Switch(opcode):
            for op in FORMATS:
                with m.Case(op.value):
                    if op is Opcode.END:
                        m.d.comb += dispatch.eq(1)
                        m.d.sync += end_seen.eq(1)
                        continue
                    unit = "load" if op is Opcode.BARRIER else next(
                        u for u, o in UNITS.items() if o is op)
                    room = queues[unit].w_rdy & (ahead.w_rdy if unit == "compute" else 1)
                    m.d.comb += [dispatch.eq(room), queues[unit].w_en.eq(dispatch)]
                    if unit == "compute":
                        m.d.comb += ahead.w_en.eq(dispatch)

        m.d.comb += [self.error_layer.eq(layer), self.error_opcode.eq(opcode)]
        with m.If(illegal):
            m.d.comb += self.error.eq(ErrorCode.ILLEGAL_OPCODE)
        with m.Elif(bad_field):
            m.d.comb += self.error.eq(ErrorCode.BAD_FIELD)
        with m.Elif(tokens.overflow):
            m.d.comb += self.error.eq(ErrorCode.TOKEN_OVERFLOW)
        empty = ~Cat(*(q.level.any() for q in (*queues.values(), ahead)), *waiting).any()
        m.d.comb += [self.ended.eq(end_seen & empty),
                     self.moved.eq(dispatch | Cat(started).any())]
        return m

    def _fields(self, word, opcode):
        """Name -> the bits of a field that this configuration can use."""
        fields, position = {}, 0
        for f in (*HEADER, *FORMATS[opcode]):
            fields[f.name] = word[position:position + field_bits(self._config, f)]
            position += f.bits
        return fields

    def _bad_field(self, word, opcode):
        """1 if a field that must not be zero is, or one holds more than can be used."""
        position, bad = sum(f.bits for f in HEADER), []
        for f in FORMATS[opcode]:
            bits = word[position:position + f.bits]
            if f.nonzero:
                bad.append(~bits.any())
            bad.append(bits[field_bits(self._config, f):].any())
            position += f.bits
        return Cat(bad).any()
