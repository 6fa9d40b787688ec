"""Instruction queues of several units in one memory."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SharedQueues"]


class SharedQueues(wiring.Component):
    """Keep the queues of several units in one memory, each behind a register with its oldest word.

    A queue has its own part of the memory, so that none waits for another's room. What happens
    is decided in one cycle and done in the next: where a word goes and that there is room, and
    which unit's register is filled, the lowest's that is empty first.

    Parameters
    ----------
    width : int
        Bits of a word.
    taps : list of list of int
        For each unit, the bits of a word that it gets.
    early : list of list of int
        For each unit, bits that it gets besides, in a register of their own.
    depth : int
        Words that each queue holds, its register not counted.

    Members
    -------
    word, target : what is to enter, and bit mask of the unit; offered until it has entered
    entered : 1, what is offered enters in this cycle
    valid : [units] there is an oldest word
    head_0 ..., early_0 ... : what a unit gets of it
    pop : [units] that word is done with
    any : 1, something is queued
    advances : 1, a word enters, moves to a register, or is done with

    Timing
    ------
    A word can enter in every second cycle, and one can move to a register in every second. It is
    in its unit's register `LATENCY` cycles after it entered or after the one before it was done
    with, at the earliest.

    Resources
    ---------
    A memory of units * depth words, as many bits wide as units get; registers of what they get.
    """

    #: Cycles from a word's entering to when it is its unit's oldest.
    LATENCY = 3

    word: Signal
    target: Signal
    entered: Signal
    valid: list[Signal]
    pop: list[Signal]
    any: Signal
    advances: Signal

    def __init__(self, width: int, taps: list[list[int]], early: list[list[int]], depth: int):
        self._taps, self._early, self._depth = taps, early, depth
        units = len(taps)
        super().__init__({
            "word": In(width), "target": In(units), "entered": Out(1),
            "valid": Out(1).array(units),
            **{f"head_{u}": Out(len(bits)) for u, bits in enumerate(taps)},
            **{f"early_{u}": Out(len(bits)) for u, bits in enumerate(early)},
            "pop": In(1).array(units), "any": Out(1), "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        units, depth = len(self._taps), self._depth
        kept = sorted({k for bits in (*self._taps, *self._early) for k in bits})
        m.submodules.store = store = memory.Memory(
            shape=len(kept), depth=units * depth, init=[])
        write, read = store.write_port(), store.read_port(domain="comb")
        write_addr, read_addr = Signal.like(write.addr), Signal.like(read.addr)
        m.d.comb += [write.data.eq(Cat(self.word[k] for k in kept)), write.addr.eq(write_addr),
                     write.en.eq(self.entered), read.addr.eq(read_addr)]

        enters, room = Signal(units), Signal(units)  # which one's word enters; may enter
        fill, chosen = Signal(units), Signal(units)  # whose register is filled; will be
        some = Signal(units)
        with m.If(self.entered):
            m.d.sync += [self.entered.eq(0), enters.eq(0)]
        with m.Else():
            m.d.sync += [self.entered.eq((self.target & room).any()),
                         enters.eq(self.target & room)]
        wanted = Signal(units)
        m.d.comb += wanted.eq(some & ~Cat(self.valid))
        m.d.comb += [chosen[u].eq(wanted[u] & ~wanted[:u].any()) for u in range(units)]
        with m.If(fill.any()):
            m.d.sync += fill.eq(0)
        with m.Else():
            m.d.sync += fill.eq(chosen)

        writes, reads = [], []  # for each unit its next place, if it is that one's turn
        for u, (bits, early_bits) in enumerate(zip(self._taps, self._early, strict=True)):
            first, last = u * depth, u * depth + depth - 1  # places
            enter = Signal.like(write_addr, name=f"enter_{u}", init=first)
            leave = Signal.like(read_addr, name=f"leave_{u}", init=first)
            level = Signal(range(depth + 1), name=f"level_{u}")
            head = Signal(len(bits), name=f"oldest_{u}", reset_less=True)
            early = Signal(len(early_bits), name=f"at_once_{u}", reset_less=True)
            writes.append(Mux(self.target[u], enter, 0))
            reads.append(Mux(chosen[u], leave, 0))
            m.d.comb += [room[u].eq(level != depth), getattr(self, f"head_{u}").eq(head),
                         getattr(self, f"early_{u}").eq(early)]
            with m.If(fill[u]):
                m.d.sync += [
                    leave.eq(Mux(leave == last, first, leave + 1)), self.valid[u].eq(1),
                    head.eq(Cat(read.data[kept.index(k)] for k in bits)),
                    early.eq(Cat(read.data[kept.index(k)] for k in early_bits))]
            with m.Elif(self.pop[u]):
                m.d.sync += self.valid[u].eq(0)
            with m.If(enters[u]):
                m.d.sync += enter.eq(Mux(enter == last, first, enter + 1))
            with m.If(enters[u] ^ fill[u]):
                m.d.sync += [level.eq(Mux(fill[u], level - 1, level + 1)),
                             some[u].eq(enters[u] | (level != 1))]
        with m.If(self.target.any()):
            m.d.sync += write_addr.eq(reduce(or_, writes))
        with m.If(wanted.any()):
            m.d.sync += read_addr.eq(reduce(or_, reads))
        m.d.comb += [self.any.eq(Cat(some, self.valid).any()),
                     self.advances.eq(Cat(self.entered, fill, self.pop).any())]
        return m
