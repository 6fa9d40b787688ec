"""Whose turn it is."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RoundRobin"]


class RoundRobin(wiring.Component):
    """Grant requests in turn: each waits for at most one grant of every other.

    One is chosen in a cycle and served in a later one, and the next is chosen after that. So whom
    the turn is to pass to is found from registers.

    Members
    -------
    requests : who asks
    free : 1, there is room for the chosen one
    may : 1, the chosen one may be served; one that may not gives way to the next
    picked : the chosen one, one-hot, of a register
    serves : 1, it is served
    clear : the turn is the first one's again

    Timing
    ------
    A request is picked `LATENCY` cycles after it was made, where none is before it; one is served
    in every second cycle.

    Resources
    ---------
    Two registers of `width` bits, three carry chains as long.
    """

    #: Cycles from a request to its choice.
    LATENCY = 1

    requests: Signal
    free: Signal
    may: Signal
    picked: Signal
    serves: Signal
    clear: Signal

    def __init__(self, width: int):
        self._width = width
        super().__init__({"requests": In(width), "free": In(1), "may": In(1),
                          "picked": Out(width), "serves": Out(1), "clear": In(1)})

    def elaborate(self, platform):
        m = Module()
        after = Signal(self._width)  # the requesters after the one chosen last
        later = Signal(self._width)
        some = Signal()  # one is picked

        def lowest(bits):
            return bits & (~bits + 1)

        m.d.comb += [self.serves.eq(self.free & self.may & some),
                     later.eq(self.requests & after)]
        with m.If(~some):
            m.d.sync += [self.picked.eq(Mux(later.any(), lowest(later), lowest(self.requests))),
                         some.eq(self.requests.any())]
        with m.Else():
            m.d.sync += after.eq(~((self.picked - 1) | self.picked))
            with m.If(self.serves | ~self.may):
                m.d.sync += [self.picked.eq(0), some.eq(0)]
        with m.If(self.clear):
            m.d.sync += after.eq(0)
        return m
