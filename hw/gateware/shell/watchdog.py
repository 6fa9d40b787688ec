"""The watchdog: instances in which nothing moves, nor in those that they wait for."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Watchdog"]


class Watchdog(wiring.Component):
    """Bark every so many cycles, and name the instances that hang.

    One hangs if nothing has moved in it since the bark before. If it waits for others, it hangs
    only if nothing has moved in any of them, either: whoever it waits for may have much to do, or
    wait in turn for a third. Where all that is left wait for each other, all of them hang, at the
    latest after twice as many cycles.

    Members
    -------
    cycles : from one bark to the next; 0 for none
    winds : 1, `cycles` has changed, count from anew
    starts, running : [instances] a run begins, goes on
    moves : [instances] something moves there
    waits : [instances] what comes next there has to come from another instance, or from a memory
        port that it shares
    barks : pulse
    hangs : [instances] with it, who hangs

    Timing
    ------
    The first bark comes `cycles` + 1 after `winds` or a start, each other `cycles` later.

    Resources
    ---------
    A counter of 32 bits, and a flip-flop for each instance.
    """

    cycles: Signal
    winds: Signal
    starts: Signal
    running: Signal
    moves: Signal
    waits: Signal
    barks: Signal
    hangs: Signal

    def __init__(self, instances: int):
        self._count = instances
        super().__init__({
            "cycles": In(32), "winds": In(1), "barks": Out(1),
            **{n: In(instances) for n in ("starts", "running", "moves", "waits")},
            "hangs": Out(instances),
        })

    def elaborate(self, platform):
        m = Module()
        left, last, barked = Signal(32), Signal(), Signal()
        lately = Signal(self._count)  # something has moved there since the last bark
        begins = self.starts.any() | self.winds
        m.d.comb += [
            last.eq((left == 1) & ~self.winds), self.barks.eq(barked & ~self.winds),
            self.hangs.eq(Mux(self.barks, self.running & ~lately, 0)
                          & ~(self.waits & lately.any().replicate(self._count))),
        ]
        with m.If(begins | last):
            m.d.sync += left.eq(self.cycles)
        with m.Elif(left.any()):
            m.d.sync += left.eq(left - 1)
        m.d.sync += [
            barked.eq(last),
            lately.eq(self.starts | (self.running & (self.moves | Mux(self.barks, 0, lately))))]
        return m
