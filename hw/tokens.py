"""The token bank: counting semaphores that order an instance's units."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .arith import count_ones
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

    A token can be taken two cycles after it was given; an overflow is seen two cycles after it.

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
        there = Signal(tokens)  # some are left
        # Given and taken tokens are counted a cycle later; meanwhile no more of them are taken.
        gives = [Signal(tokens, name=f"give_{u}") for u in range(self._units)]
        taken = Signal(tokens)
        for mine, give in zip(gives, self.give, strict=True):
            with m.If(Cat(mine, give).any()):  # nothing is clocked while nothing happens
                m.d.sync += mine.eq(give)
        m.d.sync += taken.eq(_any([Mux(self.take[u], self.want[u], 0)
                                   for u in range(self._units)]))
        claimed = 0
        for u in range(self._units):
            m.d.comb += self.granted[u].eq(
                ~(self.want[u] & (~there | taken | claimed)).any())
            claimed = claimed | self.want[u]
        overflow = []
        for t, count in enumerate(counts):
            given = [gives[u][t] for u in range(self._units)]
            change = count_ones(m, f"ones_{t}", [*given, ~taken[t]])
            after = Signal(_COUNT_BITS + 2, name=f"after_{t}")
            m.d.comb += after.eq(count + change - 1)
            with m.If(Cat(*given, taken[t]).any()):
                m.d.sync += [count.eq(after), there[t].eq(after.any())]
            overflow.append(after >> _COUNT_BITS != 0)
        m.d.sync += self.overflow.eq(Cat(overflow).any())
        return m


def _any(masks):
    total = masks[0]
    for mask in masks[1:]:
        total = total | mask
    return total
