"""Queues that say from registers whether there is something, and whether there is room."""

from amaranth.hdl import Module, Mux, ShapeLike, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Fifo", "Relay"]


class Fifo(wiring.Component):
    """A queue with a register at its output.

    Whether something is behind that register is a register too: an entry leaves with little
    logic after `r_en`. Writing is for those who know that there is room, because they have
    reserved it or have looked at `w_rdy`.

    Parameters
    ----------
    width, depth : int
        Bits of an entry; entries, that in the output register not counted.
    block : bool
        In block RAM, where Yosys would choose small memories of LUTs for so few words.

    Members
    -------
    w_en, w_data : an entry enters; only where there is room
    w_rdy : 1, there is room
    r_rdy, r_data : there is an entry, `LATENCY` cycles after it entered at the earliest
    r_en : it leaves
    any : 1, there are entries
    advances : 1, an entry enters, goes to the output register, or leaves

    Timing
    ------
    One entry per cycle, `LATENCY` cycles after it entered where nothing is before it.

    Resources
    ---------
    A memory of `depth` entries, with the register at its output.
    """

    #: Cycles from an entry's writing to when it can be read.
    LATENCY = 2

    w_en: Signal
    w_data: Signal
    w_rdy: Signal
    r_rdy: Signal
    r_data: Signal
    r_en: Signal
    any: Signal
    advances: Signal

    def __init__(self, width: int, depth: int, *, block: bool = False):
        self._width, self._depth, self._block = width, depth, block
        super().__init__({
            "w_en": In(1), "w_data": In(width), "w_rdy": Out(1),
            "r_rdy": Out(1), "r_data": Out(width), "r_en": In(1), "any": Out(1),
            "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        depth = self._depth
        m.submodules.storage = storage = memory.Memory(shape=self._width, depth=depth, init=[])
        if self._block:
            storage.attrs["ram_style"] = "block"
        write, read = storage.write_port(), storage.read_port()
        produce, consume = Signal(range(depth)), Signal(range(depth))
        level = Signal(range(depth + 1))
        some = Signal()  # level is not 0
        move = Signal()  # one goes to the output register
        m.d.comb += [
            move.eq(some & (~self.r_rdy | self.r_en)),
            write.addr.eq(produce), write.data.eq(self.w_data), write.en.eq(self.w_en),
            read.addr.eq(consume), read.en.eq(move), self.r_data.eq(read.data),
            self.w_rdy.eq(level != depth), self.any.eq(some | self.r_rdy),
            self.advances.eq(self.w_en | move | (self.r_rdy & self.r_en)),
        ]
        with m.If(self.w_en):
            m.d.sync += produce.eq(Mux(produce == depth - 1, 0, produce + 1))
        with m.If(move):
            m.d.sync += [consume.eq(Mux(consume == depth - 1, 0, consume + 1)), self.r_rdy.eq(1)]
        with m.Elif(self.r_en):
            m.d.sync += self.r_rdy.eq(0)
        with m.If(self.w_en ^ move):
            m.d.sync += [level.eq(Mux(self.w_en, level + 1, level - 1)),
                         some.eq(self.w_en | (level != 1))]
        return m


class Relay(wiring.Component):
    """Two registers between a source and a sink: neither's ready depends on the other's, and
    whether there is an item is a register.

    Members
    -------
    i, o : streams of the same payload
    advances : 1, an item enters or leaves

    Timing
    ------
    One item per cycle, `LATENCY` later.

    Resources
    ---------
    Registers of two items.
    """

    #: Cycles from a taken item to the same at `o`.
    LATENCY = 1

    i: stream.Interface
    o: stream.Interface
    advances: Signal

    def __init__(self, shape: ShapeLike):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)),
                          "advances": Out(1)})

    def elaborate(self, platform):
        m = Module()
        kept = [Signal.like(self.i.p, name=f"kept_{k}", reset_less=True) for k in range(2)]
        full = [Signal(name=f"full_{k}") for k in range(2)]
        enter, leave = Signal(), Signal()  # which one is next
        both = full[0] & full[1]
        m.d.comb += [
            self.i.ready.eq(~both), self.o.p.eq(Mux(leave, kept[1], kept[0])),
            self.advances.eq((self.i.valid & ~both) | (self.o.valid & self.o.ready))]
        # one of them is full: a register, as the sink may lie far away
        m.d.sync += self.o.valid.eq(self.i.valid | both | (self.o.valid & ~self.o.ready))
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += enter.eq(~enter)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += leave.eq(~leave)
        for k in range(2):
            with m.If((leave == k) & self.o.ready):
                m.d.sync += full[k].eq(0)
            with m.If((enter == k) & self.i.valid & ~full[k]):
                m.d.sync += [full[k].eq(1), kept[k].eq(self.i.p)]
        return m
