"""Instruction queues of several units in one memory."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SharedQueues"]


class SharedQueues(wiring.Component):
    """Keep the queues of several units in one memory, each behind a register with its oldest word.

    A queue has its own part of the memory, so that none waits for another's room. One word
    enters in a cycle, and one moves to its unit's register: where several are empty, the
    lowest's is filled first.

    Parameters
    ----------
    width : int
        Bits of a word.
    taps : list of list of int
        For each unit, the bits of a word that it gets.
    depth : int
        Words that each queue holds, its register not counted.

    Members
    -------
    word, target : what is to enter, and bit mask of the unit; it is offered for a cycle or more
    push : [units] it enters; only where there is `room`, and not in the first cycle of an offer
    room : [units]
    head_0 ..., valid : [units] what a unit gets of its oldest word
    pop : [units] that word is done with
    any : 1, something is queued
    """

    def __init__(self, width: int, taps: list[list[int]], depth: int):
        self._width, self._taps, self._depth = width, taps, depth
        units = len(taps)
        super().__init__({
            "word": In(width), "target": In(units), "push": In(1).array(units),
            "room": Out(1).array(units), "valid": Out(1).array(units),
            **{f"head_{u}": Out(len(bits)) for u, bits in enumerate(taps)},
            "pop": In(1).array(units), "any": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        units, depth = len(self._taps), self._depth
        m.submodules.store = store = memory.Memory(shape=self._width, depth=units * depth, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        m.d.comb += write.data.eq(self.word)

        before = 0  # a register below is filled in this cycle
        levels = []
        for u, bits in enumerate(self._taps):
            places = Array(Const(u * depth + k, len(write.addr)) for k in range(depth))
            enter = Signal(range(depth), name=f"enter_{u}")
            leave = Signal(range(depth), name=f"leave_{u}")
            level = Signal(range(depth + 1), name=f"level_{u}")
            there, fill = Signal(name=f"there_{u}"), Signal(name=f"fill_{u}")
            head = Signal(len(bits), name=f"oldest_{u}", reset_less=True)
            levels.append(level)
            # A word that is offered is written beforehand, where there is room: it can enter
            # and move on in the same cycle, unless the only place may just have become free.
            m.d.comb += [
                self.room[u].eq(level != depth),
                there.eq(level.any() | (self.push[u] if depth > 1 else 0)),
                fill.eq(there & ~self.valid[u] & ~before), getattr(self, f"head_{u}").eq(head),
            ]
            with m.If(self.target[u]):
                m.d.comb += [write.addr.eq(places[enter]), write.en.eq(self.room[u])]
            with m.If(fill):
                m.d.comb += read.addr.eq(places[leave])
                m.d.sync += [leave.eq(Mux(leave == depth - 1, 0, leave + 1)),
                             head.eq(Cat(read.data[k] for k in bits)), self.valid[u].eq(1)]
            with m.Elif(self.pop[u]):
                m.d.sync += self.valid[u].eq(0)
            with m.If(self.push[u]):
                m.d.sync += enter.eq(Mux(enter == depth - 1, 0, enter + 1))
            m.d.sync += level.eq(level + self.push[u] - fill)
            before = before | fill
        m.d.comb += self.any.eq(Cat(*levels, *self.valid).any())
        return m
