"""The barrier at which instances wait for each other."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Barrier"]


class Barrier(wiring.Component):
    """Release instances that wait for each other.

    An instance goes on when every instance of its mask has arrived or is not running; a release
    lasts one cycle for all of them.

    Members: `arrive`, `alive`, `release` [instances]; `masks` [instances] of a bit each.

    Timing
    ------
    A release comes `LATENCY` cycles after the last arrival, or after the last that was waited for
    has died.

    Resources
    ---------
    Three registers of a bit for each instance.
    """

    #: Cycles from the last arrival to the release.
    LATENCY = 2

    arrive: Signal
    alive: Signal
    masks: list[Signal]
    release: Signal

    def __init__(self, instances: int):
        self._count = instances
        super().__init__({"arrive": In(instances), "alive": In(instances),
                          "masks": In(instances).array(instances), "release": Out(instances)})

    def elaborate(self, platform):
        m = Module()
        arrived = Signal(self._count)  # a cycle late, so that a release reaches all at once
        release = Signal(self._count)
        # who is released is told so in the next cycle, and is still seen to wait in that
        m.d.sync += [arrived.eq(self.arrive & ~release & ~self.release), self.release.eq(release)]
        alive = Signal(self._count)
        m.d.sync += alive.eq(self.alive)
        present = arrived | ~alive
        for i in range(self._count):
            m.d.comb += release[i].eq(
                arrived[i] & ~(self.masks[i][:self._count] & ~present).any())
        return m
