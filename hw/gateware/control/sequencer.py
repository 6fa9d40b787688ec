"""Decodes a program into per-unit queues and starts instructions when their tokens are there."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config
from hw.gateware.parts.fifo import Fifo
from hw.gateware.parts.queues import SharedQueues
from hw.gateware.signatures.interfaces import Done, ReadReturn, insn_stream, read_request, tile_walk
from hw.isa import (
    ALONE_LIVE,
    FORMATS,
    HEADER,
    UNITS,
    ErrorCode,
    Opcode,
    fields_of,
    insn_layout,
    tokens_of,
    used_bits,
)

from .fetch import Fetch
from .tokens import TokenBank

__all__ = ["Sequencer"]

_BARRIER_BIT = 0  # of a queued word, whose opcode is not kept


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
    overflow : [units] 1, what is done in this cycle gives a token for the 256th time
    waiting : [units] 1, an instruction is there, started or not; it is beside `o_load` ...
    drained : 1, all queues are empty
    idle : 1, all queues were empty a cycle ago and every unit idle: a FENCE is over
    ended : 1, END has been dispatched and all queues are empty
    advances : see `hw.gateware.progress`
    fetching : 1, program data is on its way
    spoilt : 1, a beat of the program came with an error

    From the program to the units::

        ret --> fetch --> judged --> queues --> gates --> o_load, o_store, ...
                            |                     ^
                            `--> queue_ahead --.  tokens <-- done_load, done_store, ...
                                               `--> o_ahead

    Timing
    ------
    An instruction is offered to its unit `LATENCY` cycles after the beat that completes it has
    come, where none is before it and its tokens are there. One can be dispatched in every third
    cycle.

    Resources
    ---------
    A memory of `queue_depth` instructions for each of the units and one of as many tile walks.
    """

    start: Signal
    program: Signal
    req: stream.Interface
    ret: wiring.PureInterface
    o_load: stream.Interface
    o_store: stream.Interface
    o_weights: stream.Interface
    o_compute: stream.Interface
    o_post: stream.Interface
    o_ahead: stream.Interface
    o_barrier: Signal
    done_load: wiring.PureInterface
    done_store: wiring.PureInterface
    done_weights: wiring.PureInterface
    done_compute: wiring.PureInterface
    done_post: wiring.PureInterface
    error: Signal
    error_layer: Signal
    error_opcode: Signal
    overflow: Signal
    waiting: Signal
    drained: Signal
    idle: Signal
    ended: Signal
    advances: Signal
    fetching: Signal
    spoilt: Signal

    def __init__(self, config: Config):
        self._config = config
        self._fetch = Fetch(config)
        #: Cycles from the beat that completes an instruction to its offer to the unit: it is
        #: judged, enters a queue, comes to the queue's register, and has its tokens.
        self.LATENCY = self._fetch.LATENCY + 1 + 1 + SharedQueues.LATENCY + 1
        super().__init__({
            "start": In(1), "program": In(config.port.address_bits),
            "req": Out(stream.Signature(read_request(config))), "ret": In(ReadReturn(config)),
            **{f"o_{u}": Out(insn_stream(op, config)) for u, op in UNITS.items()},
            "o_ahead": Out(stream.Signature(tile_walk(config))), "o_barrier": Out(1),
            **{f"done_{u}": In(Done(op)) for u, op in UNITS.items()},
            "error": Out(ErrorCode), "error_layer": Out(11), "error_opcode": Out(4),
            "overflow": Out(len(UNITS)), "waiting": Out(len(UNITS)),
            "drained": Out(1), "idle": In(1), "ended": Out(1), "advances": Out(1),
            "fetching": Out(1), "spoilt": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.fetch = fetch = self._fetch
        wiring.connect(m, wiring.flipped(self.req), fetch.req)
        m.submodules.tokens = tokens = TokenBank()
        end_seen = Signal()
        m.d.comb += [
            fetch.start.eq(self.start), fetch.program.eq(self.program), fetch.stop.eq(end_seen),
            fetch.ret.valid.eq(self.ret.valid), fetch.ret.data.eq(self.ret.data),
            self.fetching.eq(fetch.busy), self.spoilt.eq(self.ret.valid & self.ret.error),
        ]
        word = fetch.o.payload
        queues = self._queues(m, word)
        started = [self._gate(m, n, queues, tokens) for n in range(len(UNITS))]
        m.submodules.queue_ahead = ahead = Fifo(
            len(self.o_ahead.payload.as_value()), config.buffers.queue_depth)
        m.d.comb += [self.o_ahead.valid.eq(ahead.r_rdy), self.o_ahead.payload.eq(ahead.r_data),
                     ahead.r_en.eq(self.o_ahead.ready)]
        goes, bad_field, illegal = self._dispatch(m, fetch.o, queues, ahead, end_seen)

        m.d.comb += [self.error_layer.eq(word[5:16]), self.error_opcode.eq(word[:4])]
        with m.If(illegal):
            m.d.comb += self.error.eq(ErrorCode.ILLEGAL_OPCODE)
        with m.Elif(bad_field):
            m.d.comb += self.error.eq(ErrorCode.BAD_FIELD)
        m.d.comb += [self.waiting.eq(Cat(queues.valid)), self.overflow.eq(Cat(
            Cat(tokens.overflow[t] for t in tokens_of(op, "signal")).any()
            for op in UNITS.values()))]
        m.d.comb += [self.drained.eq(~queues.any & ~ahead.any),
                     self.ended.eq(end_seen & self.drained),
                     self.advances.eq(Cat(goes, *started, *(
                         block.advances for block in (fetch, queues, ahead, tokens))).any())]
        return m

    def _queues(self, m: Module, word: Value) -> SharedQueues:
        """The units' queues, behind the word that is to enter."""
        wanted = [self._wanted_bits(op) for op in UNITS.values()]
        awaited = [self._bits(op)["wait"] for op in UNITS.values()]
        kept = sorted({k for bits in (*wanted, *awaited) for k in bits})
        # A BARRIER goes to the load unit with its mask where a LOAD's is, and a mark in bit 0.
        barrier = word[:4] == Opcode.BARRIER
        barrier_mask = dict(zip(self._bits(Opcode.LOAD)["mask"],
                                self._bits(Opcode.BARRIER)["mask"], strict=True))
        entry = [Mux(barrier, word[barrier_mask[k]], word[k]) if k in barrier_mask
                 else barrier if k == _BARRIER_BIT else word[k] for k in kept]
        taps, early = ([[kept.index(k) for k in bits] for bits in units]
                       for units in (wanted, awaited))
        m.submodules.queues = queues = SharedQueues(
            len(kept), taps, early, self._config.buffers.queue_depth)
        m.d.comb += queues.word.eq(Cat(entry))
        return queues

    def _gate(self, m: Module, n: int, queues: SharedQueues, tokens: TokenBank) -> Signal:
        """Hand a unit its oldest instruction once its tokens are there. Returns when it is.

        An instruction with its tokens is marked in a register, so that nothing which decides that
        a unit takes it reaches back to the tokens within a cycle.
        """
        unit, op = list(UNITS.items())[n]
        out, done = getattr(self, f"o_{unit}"), getattr(self, f"done_{unit}")
        head, want = getattr(queues, f"head_{n}"), getattr(queues, f"early_{n}")
        full = Signal(name=f"full_{unit}")
        m.d.comb += [
            out.payload.eq(head), out.valid.eq(full), queues.pop[n].eq(full & out.ready),
        ]
        waits, signals = tokens_of(op, "wait"), tokens_of(op, "signal")
        start = Signal(name=f"start_{unit}")
        m.d.comb += [
            start.eq(queues.valid[n] & ~full
                     & ~(want & ~Cat(tokens.there[t] for t in waits)).any()),
            *(tokens.take[t].eq(start & w) for t, w in zip(waits, want, strict=True)),
            *(tokens.give[t].eq(done.valid & s)
              for t, s in zip(signals, done.signal if signals else (), strict=True)),
        ]
        with m.If(start):
            m.d.sync += full.eq(1)
        with m.Elif(out.ready):
            m.d.sync += full.eq(0)
        if unit == "load":
            m.d.comb += self.o_barrier.eq(head[-1])
        return start

    def _dispatch(self, m: Module, source: stream.Interface, queues: SharedQueues, ahead: Fifo,
                  end_seen: Signal) -> tuple[Value, Signal, Signal]:
        """Judge instructions and send them on their way. Returns 1 in the cycle in which one is
        judged or leaves; 1 of one with a bad field, and of one that is none, both of which stay.

        An instruction is judged in one cycle, its way decided in the next, and it goes then or in
        a later one: all that is wide or comes late depends on registers.
        """
        word = source.payload
        opcode = word[:4]
        present, judged, leaves = Signal(), Signal(), Signal()
        is_op = {op: Signal(name=f"is_{op.name.lower()}") for op in FORMATS}
        bad = {op: Signal(name=f"bad_{op.name.lower()}") for op in FORMATS}
        m.d.comb += present.eq(source.valid & ~end_seen)
        with m.If(leaves):
            m.d.sync += judged.eq(0)
        with m.Elif(present & ~judged):
            m.d.sync += [judged.eq(1), *(s.eq(opcode == op) for op, s in is_op.items()),
                         *(s.eq(self._bad_field(word, op)) for op, s in bad.items())]
        for n, (unit, op) in enumerate(UNITS.items()):
            good = is_op[op] & ~bad[op]
            if unit == "load":
                good = good | (is_op[Opcode.BARRIER] & ~bad[Opcode.BARRIER])
            m.d.comb += queues.target[n].eq(
                judged & good & (ahead.w_rdy if unit == "compute" else 1))
        ends = judged & is_op[Opcode.END] & ~bad[Opcode.END]
        with m.If(ends):
            m.d.sync += end_seen.eq(1)
        fence = judged & is_op[Opcode.FENCE] & ~bad[Opcode.FENCE]
        m.d.comb += [
            leaves.eq(queues.entered | ends | (fence & self.idle)), source.ready.eq(leaves),
            ahead.w_en.eq(queues.entered & is_op[Opcode.COMPUTE]), ahead.w_data.eq(Cat(
                word[k] for name, _ in tile_walk(self._config)
                for k in self._bits(Opcode.COMPUTE)[name]))]
        bad_field, illegal = Signal(), Signal()
        m.d.sync += [bad_field.eq(judged & Cat(is_op[op] & bad[op] for op in FORMATS).any()),
                     illegal.eq(judged & ~Cat(is_op.values()).any())]
        return (present & ~judged) | leaves, bad_field, illegal

    def _bits(self, opcode: Opcode) -> dict[str, list[int]]:
        """Name -> positions of a field's bits that this configuration can use."""
        found: dict[str, list[int]] = {}
        position = 0
        for f in (*HEADER, *FORMATS[opcode]):
            found[f.name] = [position + k for k in used_bits(self._config, opcode, f)]
            position += f.bits
        return found

    def _wanted_bits(self, opcode: Opcode) -> list[int]:
        """Positions of the bits that a unit gets, in the order of its payload."""
        found = self._bits(opcode)
        bits = [k for name, _ in insn_layout(opcode, self._config) for k in found[name]]
        return [*bits, _BARRIER_BIT] if opcode is Opcode.LOAD else bits

    def _bad_field(self, word: Value, opcode: Opcode) -> Value:
        """1 if a field that must not be zero is, one has a bit that cannot be used, or fields
        contradict each other."""
        position, bad = HEADER[0].bits, []
        found: dict[str, Value] = {}
        for f in (*HEADER[1:], *fields_of(self._config, opcode)):
            bits, used = word[position:position + f.bits], used_bits(self._config, opcode, f)
            if f.nonzero:
                bad.append(~bits.any())
            bad.append(Cat(bits[k] for k in range(f.bits) if k not in used).any())
            found[f.name] = bits
            position += f.bits
        if opcode is Opcode.COMPUTE and self._config.array.zero_skip:
            contradicts = Cat(found[name] != 1 for name in ALONE_LIVE).any()
            if self._config.array.tables:
                contradicts = contradicts | found["tables"]
            bad.append(found["live_blocks"].any() & contradicts)
        return Cat(bad).any()
