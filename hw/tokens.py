"""The token bank: counting semaphores that order an instance's units."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .isa import Token

__all__ = ["TokenBank"]

_COUNT_BITS = 8


class TokenBank(wiring.Component):
    """Count tokens given and taken by the units.

    Members
    -------
    give : [units] mask of tokens given in this cycle
    want : [units] mask of tokens that a unit's next instruction waits for
    take : [units] take what is wanted
    granted : [units] everything wanted is there
    overflow : 1, a token was given for the 256th time

    Each token is wanted by one unit at a time, by the compiler's construction; where two units
    want one in the same cycle, the lower one goes first.
    """

    def __init__(self, units: int):
        self._units = units
        tokens = len(Token)
        super().__init__({
            "give": In(tokens).array(units), "want": In(tokens).array(units),
            "take": In(1).array(units), "granted": Out(1).array(units), "overflow": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        tokens = len(Token)
        counts = [Signal(_COUNT_BITS, name=f"count_{t.name.lower()}") for t in Token]
        there = Cat(c.any() for c in counts)
        claimed = [Signal(tokens, name=f"claimed_{u}") for u in range(self._units + 1)]
        overflow = []
        for u in range(self._units):
            m.d.comb += [
                self.granted[u].eq(~(self.want[u] & (~there | claimed[u])).any()),
                claimed[u + 1].eq(claimed[u] | self.want[u]),
            ]
        for t, count in enumerate(counts):
            given = [self.give[u][t] for u in range(self._units)]
            taken = Cat(self.take[u] & self.want[u][t] for u in range(self._units)).any()
            after = Signal(_COUNT_BITS + 2, name=f"after_{t}")
            m.d.comb += after.eq(count + sum(given[1:], given[0]) - taken)
            m.d.sync += count.eq(after)
            overflow.append(after >> _COUNT_BITS != 0)
        m.d.comb += self.overflow.eq(Cat(overflow).any())
        return m
