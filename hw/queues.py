"""Instruction queues of several units in one memory."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SharedQueues"]


class SharedQueues(wiring.Component):
    """Keep the queues of several units in one memory, each behind a register with its oldest word.

    A queue has its own part of the memory, so that none waits for another's room. One word
    enters in a cycle, and one moves to its unit's register: where several are empty, the
    lowest's is filled first. Which one that is takes most of a cycle to find, so the memory is
    read in the next; what a unit needs at once of its words lies beside it, for each unit alone.

    Parameters
    ----------
    width : int
        Bits of a word.
    taps : list of list of int
        For each unit, the bits of a word that it gets.
    early : list of list of int
        For each unit, the bits that it gets at once.
    depth : int
        Words that each queue holds, its register not counted.

    Members
    -------
    word, target : what is to enter, and bit mask of the unit; it is offered for a cycle or more
    push : [units] it enters; only where there is `room`, and not in the first cycle of an offer
    room : [units]
    valid : [units] there is an oldest word
    early_0 ... : what a unit gets at once of it, together with `valid`
    head_0 ... : the rest that it gets, from the cycle after that on
    pop : [units] that word is done with
    any : 1, something is queued
    """

    def __init__(self, width: int, taps: list[list[int]], early: list[list[int]], depth: int):
        self._taps, self._early, self._depth = taps, early, depth
        units = len(taps)
        super().__init__({
            "word": In(width), "target": In(units), "push": In(1).array(units),
            "room": Out(1).array(units), "valid": Out(1).array(units),
            **{f"head_{u}": Out(len(bits)) for u, bits in enumerate(taps)},
            **{f"early_{u}": Out(len(bits)) for u, bits in enumerate(early)},
            "pop": In(1).array(units), "any": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        units, depth = len(self._taps), self._depth
        kept = sorted({k for bits in self._taps for k in bits})
        m.submodules.store = store = memory.Memory(
            shape=len(kept), depth=units * depth, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        m.d.comb += write.data.eq(Cat(self.word[k] for k in kept))
        read_addr = Signal.like(read.addr)
        m.d.comb += read.addr.eq(read_addr)

        before = 0  # a register below is filled in this cycle
        levels = []
        for u, (bits, early_bits) in enumerate(zip(self._taps, self._early, strict=True)):
            places = Array(Const(u * depth + k, len(write.addr)) for k in range(depth))
            enter = Signal(range(depth), name=f"enter_{u}")
            leave = Signal(range(depth), name=f"leave_{u}")
            level = Signal(range(depth + 1), name=f"level_{u}")
            there, fill = Signal(name=f"there_{u}"), Signal(name=f"fill_{u}")
            filled = Signal(name=f"filled_{u}")
            head = Signal(len(bits), name=f"oldest_{u}", reset_less=True)
            levels.append(level)
            # A word that is offered is written beforehand, where there is room: it can enter
            # and move on in the same cycle, unless the only place may just have become free. No
            # word is written in the cycle in which it moves on.
            keep = Signal(name=f"keep_{u}")
            m.d.comb += [
                keep.eq(self.target[u] & self.room[u]
                        & (1 if depth == 1 else level.any() | ~self.push[u])),
                self.room[u].eq(level != depth),
                there.eq(level.any() | (self.push[u] if depth > 1 else 0)),
                fill.eq(there & ~self.valid[u] & ~before), getattr(self, f"head_{u}").eq(head),
            ]
            with m.If(self.target[u]):
                m.d.comb += [write.addr.eq(places[enter]), write.en.eq(keep)]
            m.d.sync += filled.eq(fill)
            with m.If(fill):
                m.d.sync += [leave.eq(Mux(leave == depth - 1, 0, leave + 1)),
                             read_addr.eq(places[leave]), self.valid[u].eq(1)]
            with m.Elif(self.pop[u]):
                m.d.sync += self.valid[u].eq(0)
            with m.If(filled):
                m.d.sync += head.eq(Cat(read.data[kept.index(k)] for k in bits))
            with m.If(self.push[u]):
                m.d.sync += enter.eq(Mux(enter == depth - 1, 0, enter + 1))
            m.d.sync += level.eq(level + self.push[u] - fill)
            if early_bits:
                m.submodules[f"early_{u}"] = beside = memory.Memory(
                    shape=len(early_bits), depth=depth, init=[])
                soon, at_once = beside.write_port(), beside.read_port(domain="comb")
                early = Signal(len(early_bits), name=f"at_once_{u}", reset_less=True)
                m.d.comb += [
                    soon.addr.eq(enter), soon.en.eq(keep),
                    soon.data.eq(Cat(self.word[k] for k in early_bits)), at_once.addr.eq(leave),
                    getattr(self, f"early_{u}").eq(early)]
                with m.If(fill):
                    m.d.sync += early.eq(at_once.data)
            before = before | fill
        m.d.comb += self.any.eq(Cat(*levels, *self.valid).any())
        return m
