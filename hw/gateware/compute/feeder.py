"""Walks a COMPUTE instruction and feeds the array one activation vector per cycle."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config
from hw.gateware.parts.credits import Credits
from hw.gateware.parts.delay import delay
from hw.gateware.parts.fifo import Fifo
from hw.gateware.signatures.interfaces import (
    ActRead,
    Done,
    UnitFault,
    completion,
    insn_stream,
    spared_members,
    vector_layout,
)
from hw.gateware.traffic.actmem import ActMemory, beyond
from hw.isa import ErrorCode, Opcode

from .dead import DeadBlocks
from .vectors import Vectors

__all__ = ["FIFO_DEPTH", "Feeder"]

#: Vectors that wait in front of the array, those that are being read counted.
FIFO_DEPTH = 8


class Feeder(wiring.Component):
    """Generate addresses, read activations and emit vectors in the order of the weight tiles.

    Per output block: input block, kernel row, kernel column, output row, output column, the
    last innermost. All addresses are incremental; there is no bubble between tiles, blocks or
    instructions. Padding needs no read: it reads as `pad_value` in all channels.

    Where zeros are skipped, it looks at what it reads for the first output block. For the others,
    tiles of an input block that was zero everywhere, padding too, are one vector of zeros each,
    which takes them from the tile loader; but not a block's first tile, which sets the
    accumulators.

    Members
    -------
    i : COMPUTE instructions, their tokens taken
    acts : read port of the activation memory
    o : vectors
    done : an instruction's last read has been taken
    drained : pulse for each bank that post-processing has finished with
    acc_wait : 1, blocked because the bank is not drained
    fault : a `UnitFault`
    busy : 1
    advances : see `hw.gateware.progress`
    overflow : 1, an instruction has more pixels than there are accumulators
    layer : of the instruction under way
    spared, spared_layer : where zeros are skipped, vectors left out, in the cycle after

    A read's data meets what the walk knows of it in the FIFO; A is `ActMemory.LATENCY`::

        cycle -4    -1       0       1           2          2 + A     4 + A
        i ----> prepare --> walk -> item ------------ ... -> FIFO --> o
                              |       `-> acts ---- A -----^  |
                              `-> spare -^  ^------- credits -'

    Timing
    ------
    One vector per cycle as long as none waits for the memory, the array or a bank, `LATENCY`
    cycles after its read was taken; of an idle feeder the first one `FIRST` cycles after its
    instruction was.

    Resources
    ---------
    One multiplier of the widths of `in_w` and `pad_top`; a FIFO of `FIFO_DEPTH` vectors.
    """

    #: Cycles from a taken read to its vector, through a FIFO.
    LATENCY = ActMemory.LATENCY + 2
    #: Cycles from a taken instruction to its first vector.
    FIRST = 6 + LATENCY

    i: stream.Interface
    acts: wiring.PureInterface
    o: stream.Interface
    done: wiring.PureInterface
    drained: Signal
    acc_wait: Signal
    fault: wiring.PureInterface
    overflow: Signal
    layer: Signal
    busy: Signal
    advances: Signal
    spared: Signal
    spared_layer: Signal

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            **spared_members(config),
            "i": In(insn_stream(Opcode.COMPUTE, config)),
            "acts": Out(ActRead(config)),
            "o": Out(stream.Signature(vector_layout(config))),
            "done": Out(Done(Opcode.COMPUTE)),
            "drained": In(2),
            "acc_wait": Out(1), "fault": Out(UnitFault()),
            "overflow": Out(1), "layer": Out(11), "busy": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        spare_valid = Signal()  # no room between the walk and the memory
        cut = Signal()
        at = Vectors(m, self._config, self.i, self.drained, wait=spare_valid, cut=cut,
                     acc_wait=self.acc_wait)
        dead = DeadBlocks(m, at.walk, step=at.step, load=at.load, again=at.again) \
            if self._config.array.zero_skip else None
        popped = Signal()
        asked = self._ask(m, at, dead, spare_valid, popped)
        in_flight = self._collect(m, at, dead, asked, popped, cut)
        m.d.comb += [
            self.overflow.eq(at.overflow), self.layer.eq(at.insn.layer),
            self.advances.eq(at.advances | asked.go | in_flight),
            self.busy.eq(at.busy | asked.waits | spare_valid | asked.out)]
        return m

    def _ask(self, m: Module, at: Vectors, dead: DeadBlocks | None, spare_valid: Signal,
             popped: Signal) -> "_Asked":
        """Read what a step needs: one item between the walk and the memory, and one to spare."""
        cur = at.insn
        skipping = [cur.live_blocks, cur.epsilon, dead.tag] if dead else []
        inside, item_valid, go, insn_done = Signal(), Signal(), Signal(), completion(cur)
        m.d.comb += inside.eq((at.iy >= 0) & (at.iy < cur.in_h) & (at.ix >= 0) & (at.ix < cur.in_w)
                              & ~(dead.skips if dead else 0))
        block_end, insn_end = (at.walk.ends(n) for n in (5, 6))
        meta = Cat(at.first_pixel, at.pixel, at.first_tile & cur.first, at.bank,
                   block_end & cur.last, block_end, *skipping, ~inside)
        layout = data.StructLayout({"meta": len(meta), "pad": 1, "addr": len(at.addr), "end": 1,
                                    "done": len(insn_done)})
        item, spare, coming = Signal(layout), Signal(layout, reset_less=True), Signal(layout)
        # What is not read needs no address: in its place, what it is.
        value = Mux(dead.skips, 0, cur.pad_value) if dead else cur.pad_value
        credits = Credits(m, FIFO_DEPTH, take=go, give=popped)
        m.d.comb += [
            coming.meta.eq(meta), coming.pad.eq(~inside),
            coming.addr.eq(Mux(inside, at.addr, value)),
            coming.end.eq(insn_end), coming.done.eq(insn_done),
            self.acts.valid.eq(item_valid & ~item.pad & credits.some),
            self.acts.addr.eq(item.addr),
            go.eq(item_valid & credits.some & (item.pad | self.acts.ready)),
        ]
        # The walk looks at the spare one only, so that it does not depend on the memory.
        with m.If(~item_valid | go):
            m.d.sync += [item_valid.eq(spare_valid | at.step), spare_valid.eq(0),
                         item.eq(Mux(spare_valid, spare.as_value(), coming.as_value()))]
        with m.Elif(at.step):
            m.d.sync += spare_valid.eq(1)
        with m.If(at.step):
            m.d.sync += spare.eq(coming)
        m.d.comb += [
            self.done.valid.eq(go & item.end), completion(self.done).eq(item.done),
            self.fault.layer.eq(self.done.layer),
        ]
        with m.If(self.acts.valid & beyond(self._config, item.addr)):
            m.d.comb += self.fault.code.eq(ErrorCode.ACT_RANGE)
        layer = item.done[-len(self.layer):]
        meta = Cat(layer, item.meta[:-1], item.addr[:8], item.pad)
        return _Asked(item_valid, go, meta, credits.out)

    def _collect(self, m: Module, at: Vectors, dead: DeadBlocks | None, asked: "_Asked",
                 popped: Signal, cut: Signal) -> Value:
        """Join what comes back with what is known of it; it waits in a small FIFO. Returns 1,
        something is on its way into it, through it or out."""
        vector = self.o.payload.shape()
        stages = delay(m, asked.meta, asked.go, ActMemory.LATENCY,
                       names=("flight_meta_{}", "flight_valid_{}"))
        meta, valid = stages[-1]
        m.submodules.fifo = out = Fifo(len(self.o.payload.as_value()), FIFO_DEPTH - 1)
        payload = Signal(vector)
        if dead:
            m.d.comb += cut.eq(dead.cut)
            beyond_first = Signal.like(at.pixel)  # vectors of a tile
            with m.If(at.step & at.walk.ends(2) & ~dead.skips):
                m.d.sync += beyond_first.eq(at.pixel)
            with m.If(at.step & dead.skips):
                m.d.sync += [self.spared.eq(beyond_first), self.spared_layer.eq(at.insn.layer)]
            with m.Elif(self.spared.any()):
                m.d.sync += self.spared.eq(0)
            dead.look(valid, meta[:-9][-len(dead.tag):], payload.acts)
        m.d.comb += [
            Cat(payload[name] for name, _ in vector if name != "acts").eq(meta),
            payload.acts.eq(Mux(meta[-1], meta[-9:-1].replicate(self._config.array.rows),
                                self.acts.data)),
            out.w_en.eq(valid), out.w_data.eq(payload),
            self.o.valid.eq(out.r_rdy), self.o.payload.eq(out.r_data),
            out.r_en.eq(self.o.ready),
        ]
        m.d.comb += popped.eq(self.o.valid & self.o.ready)
        return out.advances | Cat(flag for _, flag in stages).any()


@dataclass(frozen=True)
class _Asked:
    """The item that is offered to the memory."""

    waits: Signal  # 1, there is one
    go: Signal  # 1, it goes
    meta: Value  # what the array is to know of its vector
    out: Value  # 1, others are under way
