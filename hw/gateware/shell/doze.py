"""Clocks of instances that wait: off until what they wait for happens."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.gateware.signatures.ports import SLEPT_BITS

__all__ = ["Doze"]


class Doze(wiring.Component):
    """Decide which dozing instances are awake in a cycle.

    An instance dozes when it would stay as it is until something comes from outside. It needs no
    clock until an event, in that very cycle, so it loses none. For how long it slept is counted
    here and added to its own counters when it wakes; before this count overflows, it is woken.

    Members
    -------
    dozing : [instances] says that it dozes
    events : [instances] the memory or a barrier answers it
    stir : 1, all are to be awake
    counting : [instances] cycles count
    wake : [instances] 1, awake, dozing or not
    asleep : [instances] 1, its clock can be off
    slept : array of the cycles, those that count, since each was awake last

    Timing
    ------
    An instance is awake in the cycle of its event.

    Resources
    ---------
    A counter of `SLEPT_BITS` for each instance.
    """

    dozing: Signal
    events: Signal
    stir: Signal
    counting: Signal
    wake: Signal
    asleep: Signal
    slept: list[Signal]

    def __init__(self, instances: int):
        self._count = instances
        super().__init__({
            **{n: In(instances) for n in ("dozing", "events", "counting")}, "stir": In(1),
            "wake": Out(instances), "asleep": Out(instances),
            "slept": Out(SLEPT_BITS).array(instances),
        })

    def elaborate(self, platform):
        m = Module()
        for i, slept in enumerate(self.slept):
            m.d.comb += [self.wake[i].eq(self.events[i] | self.stir | slept.all()),
                         self.asleep[i].eq(self.dozing[i] & ~self.wake[i])]
            with m.If(self.asleep[i]):
                with m.If(self.counting[i]):
                    m.d.sync += slept.eq(slept + 1)
            with m.Elif(slept.any()):
                m.d.sync += slept.eq(0)
        return m
